"""What the flame graph page knows of a profile: stacks and weights in few characters.

Stacks are sorted and each is written as the number of frames that it shares with the one before and the
frames that follow: ``shared, new, frame, frame, …``. Sorted, they are the walk of a tree, which the page
builds from them; it adds up lines, operations and threads itself, because its reader chooses among them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ..errors import InvalidInputError
from ..frames.paths import library_of, parts, short_paths
from ..model.stacks import Frame, StackProfile, StackRecord, ValueType
from .text import clipped

MOST_FRAMES = 1_500_000
"""Frames of all stacks that a page holds; of a profile with more the lightest stacks are added up."""

NAME_CHARACTERS = 200
"""Of a function's, operation's or thread's name."""

SHORT_CHARACTERS = 80
"""Of a short file name."""

LEFT_OUT = "(light stacks, added up)"


class FunctionRow(NamedTuple):
    """A function in one value type, recursion counted once."""

    name: str
    place: str  # short file name and first line, as far as they are known
    library: bool
    own: int  # while it was the innermost frame
    total: int  # itself and what it called


class _Record(NamedTuple):
    stack: tuple[int, ...]  # indices of the page's frames
    thread: int
    operation: int
    side: int
    values: tuple[int, ...]


@dataclass(slots=True)
class PageData:
    """One profile, or two to compare; the first is what is shown, the second what was before.

    Two functions of one profile are the same if name, file and first line are. Of two profiles the name and
    the end of the path decide: the function may have moved, and the two may have run in different folders.
    """

    types: tuple[ValueType, ...]
    compared: bool
    notes: list[str] = field(default_factory=list)  # what the page does not hold
    _functions: dict[tuple[str, str, int], int] = field(default_factory=dict)
    _frames: dict[tuple[int, int], int] = field(default_factory=dict)  # function and line
    _names: list[tuple[str, int, int, int]] = field(default_factory=list)  # name, file, first line, library
    _files: dict[str, int] = field(default_factory=dict)
    _threads: dict[str, int] = field(default_factory=dict)
    _operations: dict[str, int] = field(default_factory=dict)
    _records: list[_Record] = field(default_factory=list)
    _durations: list[float] = field(default_factory=list)

    def add(self, profile: StackProfile) -> None:
        """Take a profile in.

        Raises:
            InvalidInputError: a record names a frame that is not there, or has not one value for each type.
        """
        _check(profile)
        side = len(self._durations)
        self._durations.append(profile.duration_s)
        columns = [profile.value_types.index(kind) for kind in self.types]
        place = [self._frame(frame) for frame in profile.frames]
        negative = 0
        for stack, values, thread, operation in self._bounded(profile, place):
            kept = tuple([values[column] for column in columns])
            if kept and min(kept) < 0:
                negative += 1
                kept = tuple([max(value, 0) for value in kept])
            if any(kept):
                self._records.append(
                    _Record(
                        tuple([place[index] for index in stack]),
                        _index(self._threads, thread),
                        _index(self._operations, operation),
                        side,
                        kept,
                    )
                )
        if negative:
            self.notes.append(f"{negative:,} negative weights count as 0: areas can not show them.")

    def _frame(self, frame: Frame) -> int:
        name, file, line, first = frame
        key = (name, "/".join(parts(file)[-2:]), 0) if self.compared else (name, file, first)
        function = self._functions.get(key)
        if function is None:
            function = self._functions[key] = len(self._names)
            place = self._files.setdefault(file, len(self._files))
            shown = clipped(name, NAME_CHARACTERS) or "(no name)"
            self._names.append((shown, place, max(first, 0), int(bool(library_of(file)[0]))))
        return self._frames.setdefault((function, max(line, 0)), len(self._frames))

    def _bounded(self, profile: StackProfile, place: list[int]) -> Iterator[StackRecord]:
        """All records, or the heaviest that fit; those that do not keep their thread and operation."""
        if sum(len(record.stack) for record in profile.records) <= MOST_FRAMES:
            yield from profile.records
            return
        place.append(self._frame(Frame(LEFT_OUT, "")))
        rest: dict[tuple[str, str], list[int]] = {}
        frames = left = 0
        for record in sorted(profile.records, key=lambda record: record.values, reverse=True):
            frames += len(record.stack)
            if frames <= MOST_FRAMES:
                yield record
                continue
            left += 1
            sums = rest.setdefault((record.thread, record.operation), [0] * len(record.values))
            for column, value in enumerate(record.values):
                sums[column] += value
        self.notes.append(
            f"{left:,} of {len(profile.records):,} stacks, the lightest, are shown as one frame."
        )
        for (thread, operation), values in rest.items():
            yield StackRecord((len(place) - 1,), tuple(values), thread, operation)

    def totals(self) -> list[int]:
        """Of each value type, the sum over the first profile."""
        sums = [0] * len(self.types)
        for record in self._records:
            if record.side == 0:
                for column, value in enumerate(record.values):
                    sums[column] += value
        return sums

    def heaviest(self, column: int, most: int) -> list[FunctionRow]:
        """Functions of the first profile with the largest self value, then total."""
        function = [each for each, _ in self._frames]
        own, total = [0] * len(self._names), [0] * len(self._names)
        for stack, _, _, side, values in self._records:
            value = values[column]
            if side or not stack or not value:
                continue
            own[function[stack[-1]]] += value
            for each in {function[index] for index in stack}:
                total[each] += value
        order = sorted(range(len(total)), key=lambda each: (-own[each], -total[each], each))[:most]
        short = self._short_files()
        rows = []
        for each in order:
            name, file, first, library = self._names[each]
            place = clipped(short[file], SHORT_CHARACTERS)
            if place and first:
                place = f"{place}:{first}"
            rows.append(FunctionRow(name, place, bool(library), own[each], total[each]))
        return [row for row in rows if row.total]

    def _short_files(self) -> list[str]:
        names = {"": "", **short_paths(self._files)}
        for file, short in names.items():
            if short in ("__init__.py", "__main__.py"):  # a name that many packages have
                names[file] = "/".join(parts(file)[-2:])
        return [names[file] for file in self._files]

    def json(self, start: int) -> str:
        """All of it, safe within a ``script`` element: no character of it can end that element.

        Args:
            start: the value type that is shown first.
        """
        self._records.sort()
        document = {
            "types": [
                {"name": clipped(kind.name, 40), "unit": clipped(kind.unit, 40)} for kind in self.types
            ],
            "start": start,
            "compared": self.compared,
            "durations": self._durations,
            "names": [name for name, _, _, _ in self._names],
            "file": [file for _, file, _, _ in self._names],
            "first": [first for _, _, first, _ in self._names],
            "library": [library for _, _, _, library in self._names],
            "files": [clipped(file) for file in self._files],
            "short": [clipped(file, SHORT_CHARACTERS) for file in self._short_files()],
            "function": [function for function, _ in self._frames],
            "line": [line for _, line in self._frames],
            "threads": [clipped(name, NAME_CHARACTERS) for name in self._threads],
            "operations": [clipped(name, NAME_CHARACTERS) for name in self._operations],
            "thread": [record.thread for record in self._records],
            "operation": [record.operation for record in self._records],
            "side": [record.side for record in self._records],
            "values": [
                [record.values[column] for record in self._records] for column in range(len(self.types))
            ],
            "stacks": list(_compressed(record.stack for record in self._records)),
        }
        text = json.dumps(document, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return text.replace("<", "\\u003c")


def common_types(after: StackProfile, before: StackProfile) -> tuple[ValueType, ...]:
    """Value types that both profiles have.

    Raises:
        InvalidInputError: there is none.
    """
    both = tuple(kind for kind in after.value_types if kind in before.value_types)
    if not both:
        raise InvalidInputError(
            f"the profiles have no value type in common: {_words(before.value_types)} before, "
            f"{_words(after.value_types)} after; compare two profiles of the same kind"
        )
    return both


def _words(types: Iterable[ValueType]) -> str:
    return ", ".join(f"{name} in {unit}" for name, unit in types) or "none"


def _check(profile: StackProfile) -> None:
    frames, columns = len(profile.frames), len(profile.value_types)
    for stack, values, _, _ in profile.records:
        if len(values) != columns:
            raise InvalidInputError(
                f"a stack has {len(values)} values, its profile {columns} value types; one for each is needed"
            )
        if stack and not 0 <= min(stack) <= max(stack) < frames:
            raise InvalidInputError(
                f"a stack names frame {min(stack) if min(stack) < 0 else max(stack)}, "
                f"its profile has {frames}; the file it came from is damaged: record or export it again"
            )


def _index(names: dict[str, int], name: str) -> int:
    return names.setdefault(name, len(names))


def _compressed(stacks: Iterable[tuple[int, ...]]) -> Iterator[int]:
    before: tuple[int, ...] = ()
    for stack in stacks:
        shared = _shared(before, stack)
        yield shared
        yield len(stack) - shared
        yield from stack[shared:]
        before = stack


def _shared(first: Sequence[int], second: Sequence[int]) -> int:
    """Length of the common beginning: halved, because slices are compared much faster than single items."""
    low, high = 0, min(len(first), len(second))
    while low < high:
        middle = (low + high + 1) // 2
        if first[low:middle] == second[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
