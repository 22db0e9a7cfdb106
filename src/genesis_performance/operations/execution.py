"""One execution of an operation: what ``with profiler.profile_context(name)`` enters and leaves."""

from __future__ import annotations

import sys
from contextvars import Token
from types import TracebackType
from typing import TYPE_CHECKING

from .current import Tally, current, tally

if TYPE_CHECKING:
    from .cell import Cell
    from .recorder import Recorder

CPU_SAMPLE_MASK = 15  # of the executions, 1 in 16 reads the thread's CPU clock

# A body that may be suspended: the thread's CPU clock would charge it with what ran meanwhile.
# CO_GENERATOR, CO_COROUTINE and CO_ASYNC_GENERATOR of the inspect module, which is slow to import.
_SUSPENDABLE = 0x20 | 0x80 | 0x200


class Execution:
    """A context manager that times its body; made by ``Recorder.operation``, entered once."""

    __slots__ = (
        "_begin_cpu_ns",
        "_begin_ns",
        "_cell",
        "_recorder",
        "_token",
        "calls",
        "labels",
        "name",
        "parent",
    )

    def __init__(self, recorder: Recorder, name: str, labels: tuple[tuple[str, str], ...]) -> None:
        self._recorder = recorder
        self.name = name
        self.labels = labels
        self.parent: Execution | None = None
        self.calls: dict[tuple[str, str], Tally] | None = None

    def __enter__(self) -> Execution:
        recorder = self._recorder
        cell = self.begin()
        self._begin_cpu_ns = -1
        if recorder.cpu_mask >= 0 and not (cell.started - 1) & recorder.cpu_mask:
            flags = sys._getframe(1).f_code.co_flags
            if not flags & _SUSPENDABLE:
                self._begin_cpu_ns = recorder.cpu_clock_ns()
        self._begin_ns = recorder.clock_ns()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        recorder = self._recorder
        duration_ns = recorder.clock_ns() - self._begin_ns
        cell = self._cell
        if self._begin_cpu_ns >= 0:
            cell.cpu_ns += recorder.cpu_clock_ns() - self._begin_cpu_ns
            cell.cpu_samples += 1
        cell.record(duration_ns)
        if kind is not None and not issubclass(kind, GeneratorExit):
            cell.record_error(kind)
        self.leave(duration_ns)

    def begin(self) -> Cell:
        """Make this the current operation and return this thread's counters for it."""
        cell = self._cell = self._recorder.cell(self.name, self.labels)
        cell.started += 1
        self.parent = current.get()
        self._token: Token[Execution | None] = current.set(self)
        return cell

    def rename(self, name: str) -> None:
        """Record under another name: a web framework knows the route only after routing."""
        self._cell.started -= 1
        self.name = name
        self._cell = self._recorder.cell(name, self.labels)
        self._cell.started += 1

    def fail(self, kind: type[BaseException]) -> None:
        """Count this execution as an error although no exception leaves the body."""
        self._cell.record_error(kind)

    def leave(self, duration_ns: int) -> None:
        """Make the parent current again, and hand it the calls that were made here."""
        try:  # noqa: SIM105 - contextlib.suppress would cost more than all the rest here
            current.reset(self._token)
        except ValueError:
            # Left in another context than entered (a generator closed elsewhere): nothing to restore.
            pass
        parent = self.parent
        if parent is not None:
            tally(parent, "operation", self.name, duration_ns)
        if self.calls is not None:
            self._recorder.fold_calls(self)
            if parent is not None:
                _hand_up(self.calls, parent)


def _hand_up(calls: dict[tuple[str, str], Tally], parent: Execution) -> None:
    above = parent.calls
    if above is None:
        above = parent.calls = {}
    for key, entry in calls.items():
        known = above.get(key)
        if known is None:
            above[key] = entry
        else:
            known.calls += entry.calls
            known.duration_ns += entry.duration_ns
            known.site = known.site or entry.site


class NullExecution:
    """What an operation is when the profiler is switched off: nothing."""

    __slots__ = ()
    name = ""

    def __enter__(self) -> NullExecution:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def fail(self, kind: type[BaseException]) -> None:
        """Nothing to count."""

    def rename(self, name: str) -> None:
        """Nothing to name."""


NULL = NullExecution()
