"""What one session counted for each stack, and the profile that it becomes."""

from __future__ import annotations

from collections import Counter
from types import CodeType

from ..model.stacks import Frame, StackProfile, StackRecord
from .stack_walk import Raw

MAX_STACKS = 50_000
"""Different stacks kept apart; later ones are counted together."""

MAX_NAMES = 500
"""Threads and named tasks kept apart."""

OTHER_NAME = "(other threads and tasks)"
_OTHER_STACK: Raw = ()

Place = tuple[int, str, str]
"""Number of a stack, name of the thread or task, operation."""


class Stacks:
    """Gives every different stack a number; all sessions that run at once share them."""

    def __init__(self) -> None:
        self._numbers: dict[Raw, int] = {_OTHER_STACK: 0}
        self.raw: list[Raw] = [_OTHER_STACK]
        self.refused = 0

    def number(self, raw: Raw) -> int:
        number = self._numbers.get(raw)
        if number is None:
            if len(self.raw) > MAX_STACKS:
                self.refused += 1
                return 0
            number = self._numbers[raw] = len(self.raw)
            self.raw.append(raw)
        return number


class StackTable:
    """Rows by stack, thread and operation.

    CPU time is first a weight: each sample that found a thread computing stands for one period. What the
    thread's own clock says is added up beside it, and at the end the weights are scaled to it, thread by
    thread. So the sum is exact, and no single sample carries the time of its neighbours.
    """

    def __init__(self, stacks: Stacks) -> None:
        self.stacks = stacks
        self._rows: dict[Place, list[int]] = {}
        self._used: dict[str, int] = {}  # CPU time by thread
        self.lost: Counter[str] = Counter()

    def add(self, place: Place, samples: int, cpu_weight: int, wall_ns: int, used_ns: int) -> None:
        """Count one observation.

        Args:
            cpu_weight: time that the sample stands for, if the thread computed; else 0.
            used_ns: what the thread's CPU clock went on since the sample before.
        """
        name = place[1]
        if name not in self._used:
            if len(self._used) >= MAX_NAMES:
                self.lost[f"samples of threads and tasks beyond {MAX_NAMES} names"] += samples
                name = OTHER_NAME
                place = (place[0], name, place[2])
            self._used.setdefault(name, 0)
        self._used[name] += used_ns
        row = self._rows.get(place)
        if row is None:
            row = self._rows[place] = [0, 0, 0, 0]
        row[0] += samples
        row[1] += cpu_weight
        row[2] += wall_ns
        row[3] += used_ns

    @property
    def cpu_ns(self) -> int:
        """CPU time of all threads that were seen."""
        return sum(self._used.values())

    def profile(self, *, start_unix_ns: int, duration_s: float, period_ns: int) -> StackProfile:
        """The session's profile; records are distinct in stack, thread and operation."""
        weights: Counter[str] = Counter()
        for (_, name, _), row in self._rows.items():
            weights[name] += row[1]
        frames: dict[Frame, int] = {}
        known: dict[tuple[CodeType, int], int] = {}
        resolved: dict[int, tuple[int, ...]] = {}
        merged: dict[tuple[tuple[int, ...], str, str], list[int]] = {}
        for (number, name, operation), (samples, weight, wall_ns, used_ns) in self._rows.items():
            # A thread that was never seen computing: its CPU time stays where it was seen.
            cpu_ns = weight * self._used[name] // weights[name] if weights[name] else used_ns
            if not (samples or cpu_ns or wall_ns):
                continue
            stack = resolved.get(number)
            if stack is None:
                stack = resolved[number] = _resolve(self.stacks.raw[number], frames, known)
            values = merged.setdefault((stack, name, operation), [0, 0, 0])
            values[0] += samples
            values[1] += cpu_ns
            values[2] += wall_ns
        lost = dict(self.lost)
        if self.stacks.refused:
            lost[f"stacks beyond {MAX_STACKS} different ones"] = self.stacks.refused
        return StackProfile(
            frames=tuple(frames),
            records=tuple(
                StackRecord(stack, tuple(values), name, operation)
                for (stack, name, operation), values in merged.items()
            ),
            start_unix_ns=start_unix_ns,
            duration_s=duration_s,
            period_ns=period_ns,
            lost=lost,
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
