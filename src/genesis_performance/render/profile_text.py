"""Stacks for a terminal: the functions with the most self time, the hottest paths, operations and threads."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from ..frames.columns import TIME_UNIT, clock_column, total, totals
from ..frames.functions import by_function, recursion_collapsed
from ..frames.paths import library_of, short_paths
from ..frames.pruning import pruned
from ..frames.selection import operation_weights, thread_weights
from ..frames.self_time import self_times
from ..frames.tree import tree
from ..model.stacks import SAMPLES, Frame, StackProfile, ValueType
from .text import clipped, milliseconds, percent, sentences

NARROWEST = 60
LEAST_SHARE = 0.01
"""Of a path that is shown."""

SHOWN_THREADS = 8
_BOLD, _DIM, _PLAIN = "\033[1m", "\033[2m", "\033[0m"
_NAMES = {"cpu": "CPU time", "wall": "wall time", "samples": "samples", "alloc": "allocated memory"}


def profile_text(
    profile: StackProfile,
    *,
    clock: str = "cpu",
    width: int = 100,
    rows: int = 15,
    depth: int = 30,
    colour: bool = False,
) -> str:
    """Lines of at most ``width`` columns (at least ``NARROWEST``).

    Args:
        clock: ``"cpu"`` or ``"wall"``, or another column; where the profile lacks it as in ``clock_column``.
        rows: of each table.
        depth: levels of the tree of paths.
        colour: bold for what took a tenth or more, dim for library code.
    """
    width = max(width, NARROWEST)
    if not profile.records or not profile.value_types:
        return "No stacks were sampled.\n"
    column = clock_column(profile, clock)
    kind = profile.value_types[column]
    whole = total(profile, column)
    lines = [clip(_heading(profile, kind, whole), width)]
    lines += [clip(f"Lost: {what}: {count:,}", width) for what, count in profile.lost.items()]
    if whole <= 0:
        others = ", ".join(
            each.name for each, value in zip(profile.value_types, totals(profile), strict=True) if value > 0
        )
        lines.append(f"No {_called(kind)} was sampled." + (f" There is {others}." if others else ""))
        return "\n".join(lines) + "\n"
    short = short_paths({frame.file for frame in profile.frames})
    view = _View(profile, kind, column, whole, width, short, colour)
    lines += ["", *view.functions(rows), "", *view.paths(depth)]
    for name, weights in (("operation", operation_weights(profile)), ("thread", thread_weights(profile))):
        if set(weights) - {""} and (name == "operation" or len(weights) > 1):
            lines += ["", *view.names(name, {each: values[column] for each, values in weights.items()}, rows)]
    return "\n".join(lines) + "\n"


def amount(value: int, kind: ValueType) -> str:
    """A value of a column in the unit that reads best."""
    if kind.unit == TIME_UNIT:
        return milliseconds(value / 1e6)
    if kind.unit == "bytes":
        size, unit = float(value), "B"
        for larger in ("KiB", "MiB", "GiB", "TiB"):
            if abs(size) < 1024:
                break
            size, unit = size / 1024, larger
        return f"{size:,.0f} {unit}" if unit == "B" else f"{size:,.1f} {unit}"
    return f"{value:,}"


def clip(text: str, width: int) -> str:
    """One line without control characters, at most ``width`` columns wide; what is cut ends in ``…``."""
    text = clipped(text, 2 * width).replace("\n", " ").replace("\t", " ")
    return _cut(text, width)


def columns_of(text: str) -> int:
    """Columns that a text takes in a terminal."""
    return len(text) if text.isascii() else sum(_columns(character) for character in text)


@dataclass(frozen=True, slots=True)
class _View:
    """One column of a profile, and how it is to be shown."""

    profile: StackProfile
    kind: ValueType
    column: int
    whole: int  # the column's sum
    width: int
    short: dict[str, str]
    colour: bool

    def functions(self, rows: int) -> Iterable[str]:
        """The table of functions."""
        found = [row for row in self_times(self.profile, self.kind.name) if row.self_value]
        yield f"{'self':>17}  {'with calls':>17}  function"
        for row in found[:rows]:
            frame = Frame(row.function, row.file, row.hottest_line or row.first_line)
            text = f"{self.share(row.self_value)}  {self.share(row.total_value)}  "
            yield text + self.label(frame, len(text), row.self_value)
        if len(found) > rows:
            rest = sum(row.self_value for row in found[rows:])
            yield clip(f"{self.share(rest)}  {'':>17}  ({len(found) - rows:,} more)", self.width)

    def paths(self, depth: int) -> Iterable[str]:
        """The tree of calls, without what is small."""
        left_out = f"below {LEAST_SHARE:.0%} pruned; repeats of a recursion shown once"
        yield clip(f"{'with calls':>17}  path ({left_out})", self.width)
        functions = recursion_collapsed(by_function(self.profile))
        root = tree(pruned(functions, LEAST_SHARE, self.kind.name), self.kind.name)
        most_indent = (self.width - 19) // 2
        waiting = [(0, child) for child in reversed(root.children)]
        deeper = 0
        while waiting:
            level, node = waiting.pop()
            value = node.total_values[self.column]
            if value < self.whole * LEAST_SHARE:
                continue
            if level >= depth:
                deeper += 1
                continue
            text = f"{self.share(value)}  " + " " * min(level, most_indent)
            yield text + self.label(node.frame, len(text), value)
            waiting.extend((level + 1, child) for child in reversed(node.children))
        if deeper:
            yield clip(f"{'':>17}  ({deeper:,} paths go deeper than {depth} levels)", self.width)

    def names(self, what: str, weights: dict[str, int], rows: int) -> Iterable[str]:
        """The table of operations, or of threads."""
        most = rows if what == "operation" else min(rows, SHOWN_THREADS)
        ordered = sorted(weights.items(), key=lambda item: (-item[1], item[0]))
        yield f"{_called(self.kind):>17}  {what}"
        for name, value in ordered[:most]:
            label = name or ("(outside any operation)" if what == "operation" else "(not known)")
            yield f"{self.share(value)}  {clip(label, self.width - 19)}"
        if len(ordered) > most:
            rest = sum(value for _, value in ordered[most:])
            yield clip(f"{self.share(rest)}  ({len(ordered) - most:,} more)", self.width)

    def share(self, value: int) -> str:
        return f"{amount(value, self.kind):>10} {percent(value / self.whole):>6}"

    def label(self, frame: Frame, used: int, value: int) -> str:
        """Function and place in what a line has left, styled if colours were asked for."""
        where = self.short.get(frame.file, "")
        line = f":{frame.line}" if frame.line and where else ""
        text = clip(f"{frame.function or '(unknown)'}  {where}{line}".rstrip(), self.width - used)
        style = (_BOLD if value >= self.whole / 10 else "") + (_DIM if library_of(frame.file)[0] else "")
        return f"{style}{text}{_PLAIN}" if self.colour and style else text


def _heading(profile: StackProfile, kind: ValueType, whole: int) -> str:
    samples = 0
    if SAMPLES in profile.value_types:
        samples = total(profile, profile.value_types.index(SAMPLES))
    over = f" in {milliseconds(profile.duration_s * 1e3)}" if profile.duration_s else ""
    threads = len({record.thread for record in profile.records})
    return sentences(
        [
            f"{_called(kind)}: {amount(whole, kind)}{over}",
            f"{samples:,} samples" if samples and kind != SAMPLES else "",
            f"{threads:,} threads" if threads > 1 else "",
        ]
    )


def _called(kind: ValueType) -> str:
    return _NAMES.get(kind.name, clipped(kind.name, 40))


def _cut(text: str, width: int) -> str:
    if columns_of(text) <= width:
        return text
    taken, used = [], 1  # the ellipsis
    for character in text:
        used += _columns(character)
        if used > width:
            break
        taken.append(character)
    return "".join(taken) + "…" if width > 0 else ""


def _columns(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Cf", "Me", "Mn"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1
