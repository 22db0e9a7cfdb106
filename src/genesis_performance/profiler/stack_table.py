"""What was counted for each stack, and the profile that a session makes of its part of it."""

from __future__ import annotations

from collections import Counter
from types import CodeType
from typing import NamedTuple

from ..model.stacks import Frame, StackProfile, StackRecord
from .stack_walk import Raw

MAX_STACKS = 50_000
"""Different stacks kept apart; later ones are counted together."""

MAX_NAMES = 500
"""Threads and named tasks kept apart."""

OTHER_NAME = "(other threads and tasks)"

Place = tuple[int, str, str]
"""Number of a stack, name of the thread or task, operation."""

Row = list[int]
"""Samples, CPU weight, wall time and CPU time of one place; see ``StackTable``."""

SAMPLES, CPU_WEIGHT, WALL_NS, USED_NS = range(4)


class Mark(NamedTuple):
    """The table at one moment."""

    rows: dict[Place, tuple[int, ...]]
    lost: Counter[str]


class StackTable:
    """Counts that only grow, by stack, thread and operation; shared by all sessions that run at once.

    Everything that a sample must look up is one dictionary away: a sampler that wakes up finds the caches
    cold, and each object that it touches costs more than the arithmetic.

    CPU time is first a weight: what a thread used since the sample before, where a sample finds it computing.
    What its clock says in all is added up beside it, and at the end the weights are scaled to it, thread by
    thread, so that the sum is exact.
    """

    def __init__(self) -> None:
        self.raw: list[Raw] = [()]
        self.numbers: dict[Raw, int] = {(): 0}
        self.rows: dict[Place, Row] = {}
        self.lost: Counter[str] = Counter()
        self._names: set[str] = set()

    def number(self, raw: Raw) -> int:
        """Number of a stack that may be new; 0 stands for all beyond the most that are kept."""
        number = self.numbers.get(raw)
        if number is None:
            if len(self.raw) > MAX_STACKS:
                self.lost[f"samples of stacks beyond {MAX_STACKS} different ones"] += 1
                return 0
            number = self.numbers[raw] = len(self.raw)
            self.raw.append(raw)
        return number

    def row(self, place: Place) -> Row:
        """The counters of a place that may be new."""
        row = self.rows.get(place)
        if row is None:
            row = self.rows[place] = [0, 0, 0, 0]
        return row

    def name(self, name: str) -> str:
        """The name, or that of all beyond the most that are kept."""
        if name in self._names or len(self._names) < MAX_NAMES:
            self._names.add(name)
            return name
        self.lost[f"threads and tasks beyond {MAX_NAMES} names"] += 1
        return OTHER_NAME

    def mark(self) -> Mark:
        """Where a session begins."""
        return Mark({place: tuple(row) for place, row in self.rows.items()}, self.lost.copy())

    def since(self, mark: Mark) -> Mark:
        """What was counted since."""
        nothing = (0, 0, 0, 0)
        rows = {
            place: tuple(now - then for now, then in zip(row, mark.rows.get(place, nothing), strict=True))
            for place, row in self.rows.items()
        }
        return Mark({place: row for place, row in rows.items() if any(row)}, self.lost - mark.lost)

    def profile(
        self, counted: Mark, *, start_unix_ns: int, duration_s: float, period_ns: int, lost: Counter[str]
    ) -> StackProfile:
        """A session's profile; records are distinct in stack, thread and operation.

        Args:
            counted: from ``since``.
            lost: beside what was lost here.
        """
        used: Counter[str] = Counter()
        weights: Counter[str] = Counter()
        for (_, name, _), row in counted.rows.items():
            used[name] += row[USED_NS]
            weights[name] += row[CPU_WEIGHT]
        frames: dict[Frame, int] = {}
        known: dict[tuple[CodeType, int], int] = {}
        resolved: dict[int, tuple[int, ...]] = {}
        merged: dict[tuple[tuple[int, ...], str, str], list[int]] = {}
        for (number, name, operation), row in counted.rows.items():
            # A thread that was never seen computing: its CPU time stays where it was seen.
            cpu_ns = row[CPU_WEIGHT] * used[name] // weights[name] if weights[name] else row[USED_NS]
            if not (row[SAMPLES] or cpu_ns or row[WALL_NS]):
                continue
            stack = resolved.get(number)
            if stack is None:
                stack = resolved[number] = _resolve(self.raw[number], frames, known)
            values = merged.setdefault((stack, name, operation), [0, 0, 0])
            values[0] += row[SAMPLES]
            values[1] += cpu_ns
            values[2] += row[WALL_NS]
        return StackProfile(
            frames=tuple(frames),
            records=tuple(
                StackRecord(stack, tuple(values), name, operation)
                for (stack, name, operation), values in merged.items()
            ),
            start_unix_ns=start_unix_ns,
            duration_s=duration_s,
            period_ns=period_ns,
            lost=dict(counted.lost + lost),
        )


def _resolve(raw: Raw, frames: dict[Frame, int], known: dict[tuple[CodeType, int], int]) -> tuple[int, ...]:
    """Indices of a stack's frames, root first."""
    if not raw:
        return (frames.setdefault(Frame("(other stacks)", ""), len(frames)),)
    indices = []
    for place in range(len(raw) - 2, -1, -2):
        key = (raw[place], raw[place + 1])
        index = known.get(key)
        if index is None:
            index = known[key] = frames.setdefault(_frame(*key), len(frames))
        indices.append(index)
    return tuple(indices)


def _frame(code: CodeType, offset: int) -> Frame:
    return Frame(code.co_qualname, code.co_filename, line_of(code, offset), code.co_firstlineno)


def line_of(code: CodeType, offset: int) -> int:
    """Line of an instruction; the function's first before it started, or where the code has no lines."""
    for start, end, line in code.co_lines():
        if start <= offset < end and line is not None:
            return line
    return code.co_firstlineno
