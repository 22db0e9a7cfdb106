"""What was allocated during a session and still lives, by stack: tracemalloc, off unless asked for.

Tracing slows the process and takes memory of its own for every block that lives. A host that traces already
keeps its tracing as it is: then the difference to the beginning is given, for each stack with its frames.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from types import CodeType
from typing import TYPE_CHECKING, NamedTuple

from ..model.stacks import ALLOCATED, Frame, StackProfile, StackRecord, ValueType

if TYPE_CHECKING:
    from tracemalloc import Snapshot

BLOCKS = ValueType("blocks", "count")

MAX_STACKS = 5_000
"""Stacks kept, those that hold most bytes; the rest is counted as lost."""

_PACKAGE = os.path.join(os.path.dirname(os.path.dirname(__file__)), "")  # noqa: PTH118, PTH120
_PYTHON = os.path.join(os.path.dirname(os.__file__), "")  # noqa: PTH118, PTH120

_lock = threading.Lock()
_ours = 0  # traces that need the tracing that we started

_Stack = tuple[tuple[str, int], ...]  # (file, line), root first


class _Held(NamedTuple):
    size: int
    blocks: int


class AllocationTrace:
    """Traces allocations between ``start`` and ``stop``; several may run at once.

    Args:
        frames: depth of the stacks, counted from the allocation; each costs memory and time.
        wall_clock_ns, clock_ns: epoch and monotonic clocks in nanoseconds.
    """

    def __init__(
        self,
        frames: int = 25,
        *,
        wall_clock_ns: Callable[[], int] = time.time_ns,
        clock_ns: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        self._frames = frames
        self._wall_clock_ns = wall_clock_ns
        self._clock_ns = clock_ns
        self._before: dict[_Stack, _Held] = {}
        self._owns = False
        self.notes: list[str] = []

    def start(self) -> None:
        """Begin to trace; called once."""
        import tracemalloc

        global _ours  # noqa: PLW0603
        self._start_unix_ns, self._begin_ns = self._wall_clock_ns(), self._clock_ns()
        with _lock:
            if not tracemalloc.is_tracing():
                _ours = 0  # somebody else stopped the tracing that we had started
                tracemalloc.start(self._frames)
                _ours, self._owns = 1, True
                return
            if _ours:
                _ours += 1
                self._owns = True
            else:
                self.notes.append(
                    "allocations: the program traces them already (tracemalloc), with "
                    f"{tracemalloc.get_traceback_limit()} frames; its tracing is left running"
                )
        self._before = _held(tracemalloc.take_snapshot())

    def stop(self) -> StackProfile:
        """What was allocated since ``start`` and still lives; tracing ends with the last of ours."""
        import tracemalloc

        global _ours  # noqa: PLW0603
        lost: dict[str, int] = {}
        snapshot = None
        if tracemalloc.is_tracing():
            snapshot = tracemalloc.take_snapshot()
        else:
            lost["allocation traces: somebody else stopped tracemalloc"] = 1
        with _lock:
            if self._owns:
                self._owns = False
                _ours = max(_ours - 1, 0)
                if not _ours:
                    tracemalloc.stop()
        # Only now: adding up allocates, and while tracing goes on that costs twenty times as much.
        held = self._since(_held(snapshot)) if snapshot is not None else {}
        ranked = sorted(held.items(), key=lambda item: (-item[1].size, item[0]))
        if len(ranked) > MAX_STACKS:
            lost[f"allocation stacks beyond the {MAX_STACKS} largest"] = len(ranked) - MAX_STACKS
        return self._profile(ranked[:MAX_STACKS], lost)

    def _since(self, now: dict[_Stack, _Held]) -> dict[_Stack, _Held]:
        since: dict[_Stack, _Held] = {}
        for stack, held in now.items():
            before = self._before.get(stack, _Held(0, 0))
            size, blocks = held.size - before.size, held.blocks - before.blocks
            if size > 0 and not _is_ours(stack):
                since[stack] = _Held(size, max(blocks, 0))
        return since

    def _profile(self, ranked: list[tuple[_Stack, _Held]], lost: dict[str, int]) -> StackProfile:
        places = dict.fromkeys(place for stack, _ in ranked for place in stack)
        index = {place: number for number, place in enumerate(places)}
        functions = _functions(places)
        return StackProfile(
            value_types=(ALLOCATED, BLOCKS),
            frames=tuple(
                Frame(function, file, line, first_line)
                for (file, line), (function, first_line) in (
                    (place, functions.get(place, ("<module>", 0))) for place in places
                )
            ),
            records=tuple(
                StackRecord(tuple(index[place] for place in stack), (held.size, held.blocks))
                for stack, held in ranked
            ),
            start_unix_ns=self._start_unix_ns,
            duration_s=(self._clock_ns() - self._begin_ns) / 1e9,
            lost=lost,
        )


def _held(snapshot: Snapshot) -> dict[_Stack, _Held]:
    """Bytes and blocks that live, by the stack that allocated them."""
    return {
        tuple((frame.filename, frame.lineno) for frame in each.traceback): _Held(each.size, each.count)
        for each in snapshot.statistics("traceback")
    }


def _is_ours(stack: _Stack) -> bool:
    """Whether it is tracemalloc's, or ours: the innermost frame outside the standard library decides."""
    if stack and stack[-1][0] == f"{_PYTHON}tracemalloc.py":
        return True
    for file, _ in reversed(stack):
        if file.startswith(_PACKAGE):
            return True
        if not _is_python(file):
            return False
    return False


def _is_python(file: str) -> bool:
    return file.startswith("<frozen") or (file.startswith(_PYTHON) and "site-packages" not in file)


def _functions(places: Iterable[tuple[str, int]]) -> dict[tuple[str, int], tuple[str, int]]:
    """Qualified name and first line of the function that each (file, line) lies in.

    tracemalloc knows files and lines only. The functions that live know theirs, also where the file has
    changed or gone. A line of two functions, a ``def`` or a comprehension in one line, is the outer one's.
    """
    import gc
    from types import FunctionType

    wanted: dict[str, set[int]] = {}
    for file, line in places:
        wanted.setdefault(file, set()).add(line)
    pending = [each.__code__ for each in gc.get_objects() if type(each) is FunctionType]
    seen: set[int] = set()
    best: dict[tuple[str, int], tuple[int, str, int]] = {}
    while pending:
        code = pending.pop()
        lines = wanted.get(code.co_filename)
        if lines is None or id(code) in seen:
            continue
        seen.add(id(code))
        depth = code.co_qualname.count("<locals>")
        for _, _, at in code.co_lines():
            if at is not None and at in lines:
                key, candidate = (code.co_filename, at), (depth, code.co_qualname, code.co_firstlineno)
                best[key] = min(best.get(key, candidate), candidate)
        pending.extend(constant for constant in code.co_consts if isinstance(constant, CodeType))
    return {key: (name, first_line) for key, (_, name, first_line) in best.items()}
