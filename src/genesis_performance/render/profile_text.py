"""Stacks for a terminal: the functions with the most self time, the hottest paths, operations and threads."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

from ..frames.columns import TIME_UNIT, clock_column, total, totals
from ..frames.functions import by_function, recursion_collapsed
from ..frames.paths import library_of, short_paths
from ..frames.selection import operation_weights, thread_weights
from ..frames.self_time import self_times
from ..frames.tree import Node, tree
from ..model.stacks import SAMPLES, Frame, StackProfile, ValueType
from .text import clipped, milliseconds, percent, sentences

NARROWEST = 40
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
    painted = _Paint(on=colour)
    lines += ["", *_functions(profile, kind, whole, rows, width, short, painted)]
    lines += ["", *_paths(profile, kind, column, whole, depth, width, short, painted)]
    for name, weights in (("operation", operation_weights(profile)), ("thread", thread_weights(profile))):
        if set(weights) - {""} and (name == "operation" or len(weights) > 1):
            lines += [
                "",
                *_names(name, {each: v[column] for each, v in weights.items()}, kind, whole, rows, width),
            ]
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


class _Paint:
    """Colours, where they were asked for."""

    def __init__(self, *, on: bool) -> None:
        self._on = on

    def __call__(self, text: str, share: float, file: str) -> str:
        if not self._on:
            return text
        style = (_BOLD if share >= 0.1 else "") + (_DIM if library_of(file)[0] else "")
        return f"{style}{text}{_PLAIN}" if style else text


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


def _functions(
    profile: StackProfile,
    kind: ValueType,
    whole: int,
    rows: int,
    width: int,
    short: dict[str, str],
    painted: _Paint,
) -> Iterable[str]:
    found = [row for row in self_times(profile, kind.name) if row.self_value]
    yield f"{'self':>17}  {'with calls':>17}  function"
    for row in found[:rows]:
        line = row.hottest_line or row.first_line
        label = _label(Frame(row.function, row.file, line), short)
        text = f"{_share(row.self_value, whole, kind)}  {_share(row.total_value, whole, kind)}  "
        yield text + painted(clip(label, width - len(text)), row.self_value / whole, row.file)
    if len(found) > rows:
        rest = sum(row.self_value for row in found[rows:])
        yield f"{_share(rest, whole, kind)}  {'':>17}  {clip(f'({len(found) - rows:,} more)', width - 38)}"


def _paths(
    profile: StackProfile,
    kind: ValueType,
    column: int,
    whole: int,
    depth: int,
    width: int,
    short: dict[str, str],
    painted: _Paint,
) -> Iterable[str]:
    root = tree(recursion_collapsed(by_function(profile)), kind.name)
    yield clip(
        f"{'with calls':>17}  path (those below {LEAST_SHARE:.0%} and repeats of a recursion left out)", width
    )
    most_indent = max((width - 19) // 2, 0)
    waiting: list[tuple[int, Node]] = [(0, child) for child in reversed(root.children)]
    deeper = 0
    while waiting:
        level, node = waiting.pop()
        value = node.total_values[column]
        if value < whole * LEAST_SHARE:
            continue
        if level >= depth:
            deeper += 1
            continue
        text = f"{_share(value, whole, kind)}  " + " " * min(level, most_indent)
        yield text + painted(
            clip(_label(node.frame, short), width - len(text)), value / whole, node.frame.file
        )
        waiting.extend((level + 1, child) for child in reversed(node.children))
    if deeper:
        yield clip(f"{'':>17}  ({deeper:,} paths go deeper than {depth} levels)", width)


def _names(
    what: str, weights: dict[str, int], kind: ValueType, whole: int, rows: int, width: int
) -> Iterable[str]:
    most = rows if what == "operation" else min(rows, SHOWN_THREADS)
    ordered: Sequence[tuple[str, int]] = sorted(weights.items(), key=lambda item: (-item[1], item[0]))
    yield f"{_called(kind):>17}  {what}"
    for name, value in ordered[:most]:
        label = name or ("(outside any operation)" if what == "operation" else "(not known)")
        yield f"{_share(value, whole, kind)}  {clip(label, width - 19)}"
    if len(ordered) > most:
        rest = sum(value for _, value in ordered[most:])
        yield f"{_share(rest, whole, kind)}  ({len(ordered) - most:,} more)"


def _share(value: int, whole: int, kind: ValueType) -> str:
    return f"{amount(value, kind):>10} {percent(value / whole):>6}"


def _label(frame: Frame, short: dict[str, str]) -> str:
    where = short.get(frame.file, "")
    line = f":{frame.line}" if frame.line and where else ""
    return f"{frame.function or '(unknown)'}  {where}{line}".rstrip()


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
