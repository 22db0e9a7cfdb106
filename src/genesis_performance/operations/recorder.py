"""Records operations: count, errors, wall time as a histogram, sampled CPU time.

Every thread writes cells of its own, so recording takes no lock; reading adds them up. Names are
capped per process: a name made of raw ids ends in ``__other__`` instead of filling the memory.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from .core import Cell, RecorderCore
from .current import UNKNOWN_SITE, Site, Tally
from .execution import Execution
from .memory import (
    COUNTER_WORDS,
    CPU_NS,
    CPU_SAMPLES,
    ERRORS,
    MAX_NAME_LENGTH,
    MAX_NS,
    MIN_NS,
    NO_MIN,
    STARTED,
    SUM_NS,
)

if TYPE_CHECKING:
    from ..model.operation import OperationSnapshot, RepeatedCall
    from .memory import Labels, Memory

Key = str | tuple[str, "Labels"]
"""Of an operation: its name, or its name with its labels."""

MAX_ERROR_TYPES = 20
MAX_REPEATS = 500
"""Different repeated calls remembered by one recorder."""

_CPU_MASKS = {"sampled": 15, "always": 0, "never": -1}
"""Of the executions, those whose number has none of these bits read the thread's CPU clock."""


class _RepeatKey(NamedTuple):
    operation: str
    kind: str
    key: str
    site: Site


class _Repeat:
    __slots__ = ("calls", "duration_ns", "executions", "most")

    def __init__(self) -> None:
        self.calls = self.duration_ns = self.executions = self.most = 0


class _Total:
    """Cells added up over threads."""

    __slots__ = ("_buckets", "_words", "error_types")

    def __init__(self) -> None:
        self._words = [0] * COUNTER_WORDS
        self._words[MIN_NS] = NO_MIN
        self._buckets: dict[int, int] = {}
        self.error_types: dict[str, int] = {}

    def counters(self) -> tuple[int, ...]:
        return tuple(self._words)

    def buckets(self) -> dict[int, int]:
        return self._buckets

    def add(self, cell: Cell | _Total) -> None:
        """Add another thread's counters, which it may be writing."""
        words, counters = self._words, cell.counters()
        for word in (STARTED, ERRORS, SUM_NS, CPU_NS, CPU_SAMPLES):
            words[word] += counters[word]
        words[MIN_NS] = min(words[MIN_NS], counters[MIN_NS])
        words[MAX_NS] = max(words[MAX_NS], counters[MAX_NS])
        for index, count in cell.buckets().items():
            self._buckets[index] = self._buckets.get(index, 0) + count
        for name, count in dict(cell.error_types or {}).items():
            self.error_types[name] = self.error_types.get(name, 0) + count


class Recorder(RecorderCore):
    """The operations of one profiler.

    Args:
        enabled: False makes every operation a null context.
        cpu: ``"sampled"``, ``"always"`` or ``"never"``: how often thread CPU time is read.
        max_operations: names (with their labels) kept apart; later ones go to ``__other__``.
        clock_ns, cpu_clock_ns, wall_clock_ns: monotonic, thread CPU and epoch clocks in nanoseconds.
        memory: hands out the memory that is written; the heap by default.
    """

    def __init__(
        self,
        *,
        enabled: bool = True,
        cpu: str = "sampled",
        max_operations: int = 200,
        clock_ns: Callable[[], int] = time.perf_counter_ns,
        cpu_clock_ns: Callable[[], int] = time.thread_time_ns,
        wall_clock_ns: Callable[[], int] = time.time_ns,
        memory: Memory | None = None,
    ) -> None:
        super().__init__(enabled, _CPU_MASKS[cpu], clock_ns, cpu_clock_ns)
        self._wall_clock_ns = wall_clock_ns
        self._max_operations = max_operations
        self._memory = memory
        self.failures = 0  # faults of our own, never raised into the host
        self.reset()

    def reset(self) -> None:
        """Forget everything: the child of a fork starts at zero, its parent reports the rest."""
        self.start_unix_ns = self._wall_clock_ns()
        # Re-entrant: a callback of the garbage collector may record while this thread holds it.
        self._lock = threading.RLock()
        self._retired: dict[Key, _Total] = {}
        self._admitted: dict[Key, Key] = {}
        self._refused = 0
        self._repeats: dict[_RepeatKey, _Repeat] = {}
        self.forget_threads()

    def key(self, name: object, labels: Mapping[str, str] | None) -> Key | None:
        """The key of an operation with labels, or with an odd name; None where it can not be recorded."""
        try:
            text = str(name)[:MAX_NAME_LENGTH]
            if not labels:
                return text
            return text, tuple(sorted((str(key), str(value)) for key, value in labels.items()))
        except Exception:  # noqa: BLE001 - a host's odd labels must not break its request
            self.count_failure(
                "an operation with a name of %r and its labels can not be recorded", type(name)
            )
            return None

    def new_cell(self, cells: dict[Key, Cell], key: Key) -> Cell:
        """This thread's cell for the operation, or that of ``__other__`` beyond the cap."""
        admitted = self._admitted.get(key) or self._admit(key)
        cell = cells.get(admitted)
        if cell is None:
            name, labels = (admitted, ()) if isinstance(admitted, str) else admitted
            try:
                cell = Cell(self._memory, name, labels)
            except Exception:  # noqa: BLE001 - the memory handed to us is full or broken: the heap goes on
                self.count_failure("the memory for counters gave none; %r is counted on the heap", name)
                cell = Cell(None, name, labels)
            # While it was made a signal handler or the garbage collector may have recorded the same.
            cell = cells.setdefault(admitted, cell)
        return cell

    def _admit(self, key: Key) -> Key:
        with self._lock:
            if len(self._admitted) < self._max_operations:
                return self._admitted.setdefault(key, key)
            from ..model.operation import OVERFLOW_NAME  # the model is loaded when somebody reads

            self._refused += 1
            if self._refused == 1:
                _warn(
                    "more than %d operations in this process; %r and later new names are recorded as %s. "
                    "Use the route template as name, or raise profiler.max_operations",
                    self._max_operations,
                    key if isinstance(key, str) else key[0],
                    OVERFLOW_NAME,
                )
        return OVERFLOW_NAME

    def count_error(self, cell: Cell, kind: type[BaseException]) -> None:
        """Count the class of an exception that left an execution."""
        types = cell.error_types
        if types is None:
            types = cell.error_types = {}
        name = kind.__qualname__
        if name not in types and len(types) >= MAX_ERROR_TYPES:
            name = "other"
        types[name] = types.get(name, 0) + 1

    def fold_calls(self, execution: Execution) -> None:
        """Remember the calls that repeated within a finished execution, and hand all to its parent."""
        calls = execution.calls or {}
        for (kind, key), entry in calls.items():
            if entry.calls >= 2:
                self.fold_call(execution.name, kind, key, entry)
        parent = execution.parent
        if parent is not None:
            _hand_up(calls, parent)

    def fold_call(self, operation: str, kind: str, key: str, entry: Tally) -> None:
        """Remember one call that repeated within a finished execution."""
        repeat_key = _RepeatKey(operation, kind, key, entry.site or UNKNOWN_SITE)
        with self._lock:
            repeat = self._repeats.get(repeat_key)
            if repeat is None:
                if len(self._repeats) >= MAX_REPEATS:
                    return
                repeat = self._repeats[repeat_key] = _Repeat()
            repeat.executions += 1
            repeat.calls += entry.calls
            repeat.most = max(repeat.most, entry.calls)
            repeat.duration_ns += entry.duration_ns

    def snapshots(self) -> list[OperationSnapshot]:
        """Every operation so far, in order of name."""
        totals = self._totals()
        snapshots = [self._snapshot(key, totals[key]) for key in sorted(totals, key=_order)]
        return [snapshot for snapshot in snapshots if snapshot.count or snapshot.in_flight]

    def repeated_calls(self) -> list[RepeatedCall]:
        """Calls that were made more than once within one execution, the most frequent first."""
        from ..model.operation import RepeatedCall

        with self._lock:
            repeats = [
                RepeatedCall(
                    operation=key.operation,
                    kind=key.kind,
                    key=key.key,
                    file=key.site.file,
                    line=key.site.line,
                    function=key.site.function,
                    executions=repeat.executions,
                    calls=repeat.calls,
                    most=repeat.most,
                    duration_ns=repeat.duration_ns,
                )
                for key, repeat in self._repeats.items()
            ]
        return sorted(repeats, key=lambda repeat: -repeat.calls)

    @property
    def refused_names(self) -> int:
        """Look-ups of names beyond the cap; what they recorded is under ``__other__``."""
        return self._refused

    def count_failure(self, message: str, *values: object) -> None:
        """A fault of our own: counted, and logged once."""
        self.failures += 1
        if self.failures == 1:
            _warn(message, *values)

    def _totals(self) -> dict[Key, _Total]:
        with self._lock:
            for cells in self.take_ended_threads(sys._current_frames().keys()):
                _add_all(self._retired, cells)
            totals: dict[Key, _Total] = {}
            _add_all(totals, self._retired)
            for cells in self.cells_of_threads():
                _add_all(totals, cells)
        return totals

    def _snapshot(self, key: Key, total: _Total) -> OperationSnapshot:
        from ..model.operation import Histogram, OperationSnapshot

        # The buckets decide the count, so that both agree although other threads write meanwhile.
        count = sum(total.buckets().values())
        counters = total.counters()
        cpu_ns = None
        if counters[CPU_SAMPLES]:
            cpu_ns = counters[CPU_NS] * count // counters[CPU_SAMPLES]
        return OperationSnapshot(
            name=key if isinstance(key, str) else key[0],
            labels=() if isinstance(key, str) else key[1],
            count=count,
            errors=min(counters[ERRORS], count),
            error_types=total.error_types,
            sum_ns=counters[SUM_NS],
            min_ns=counters[MIN_NS] if count else 0,
            max_ns=counters[MAX_NS],
            histogram=Histogram(total.buckets()),
            cpu_ns=cpu_ns,
            cpu_samples=counters[CPU_SAMPLES],
            in_flight=max(counters[STARTED] - count, 0),
            start_unix_ns=self.start_unix_ns,
        )


def _order(key: Key) -> tuple[str, Labels]:
    return (key, ()) if isinstance(key, str) else key


def _add_all(totals: dict[Key, _Total], cells: Mapping[Key, Cell | _Total]) -> None:
    for key, cell in list(cells.items()):
        total = totals.get(key)
        if total is None:
            total = totals[key] = _Total()
        total.add(cell)


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


def _warn(message: str, *values: object) -> None:
    import logging  # a third of a cold start's import, for what most processes never say

    logging.getLogger(__name__).warning(message, *values)
