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

from .cell import Cell
from .current import UNKNOWN_SITE, Site
from .execution import CPU_SAMPLE_MASK, NULL, Execution, NullExecution

if TYPE_CHECKING:
    from ..model.operation import OperationSnapshot, RepeatedCall

Labels = tuple[tuple[str, str], ...]
Key = tuple[str, Labels]

MAX_NAME_LENGTH = 256
MAX_REPEATS = 500
"""Different repeated calls remembered by one recorder."""

_CPU_MASKS = {"sampled": CPU_SAMPLE_MASK, "always": 0, "never": -1}


class _Shard:
    """The cells of one thread."""

    __slots__ = ("cells", "thread_id")

    def __init__(self) -> None:
        self.thread_id = threading.get_ident()
        self.cells: dict[Key, Cell] = {}


class _RepeatKey(NamedTuple):
    operation: str
    kind: str
    key: str
    site: Site


class _Repeat:
    __slots__ = ("calls", "duration_ns", "executions", "most")

    def __init__(self) -> None:
        self.calls = self.duration_ns = self.executions = self.most = 0


class Recorder:
    """The operations of one profiler.

    Args:
        enabled: False makes every operation a null context.
        cpu: ``"sampled"``, ``"always"`` or ``"never"``: how often thread CPU time is read.
        max_operations: names (with their labels) kept apart; later ones go to ``__other__``.
        clock_ns, cpu_clock_ns, wall_clock_ns: monotonic, thread CPU and epoch clocks in nanoseconds.
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
    ) -> None:
        self.enabled = enabled
        self.cpu_mask = _CPU_MASKS[cpu]
        self.clock_ns = clock_ns
        self.cpu_clock_ns = cpu_clock_ns
        self._wall_clock_ns = wall_clock_ns
        self._max_operations = max_operations
        self.failures = 0  # faults of our own, never raised into the host
        self.reset()

    def reset(self) -> None:
        """Forget everything: the child of a fork starts at zero, its parent reports the rest."""
        self.start_unix_ns = self._wall_clock_ns()
        self._lock = threading.Lock()
        self._local = threading.local()
        self._shards: list[_Shard] = []
        self._retired: dict[Key, Cell] = {}
        self._admitted: set[Key] = set()
        self._refused = 0
        self._repeats: dict[_RepeatKey, _Repeat] = {}

    def operation(self, name: str, labels: Mapping[str, str] | None = None) -> Execution | NullExecution:
        """A context manager that records its body under ``name``; never raises."""
        if not self.enabled:
            return NULL
        if labels is None and type(name) is str and len(name) <= MAX_NAME_LENGTH:
            return Execution(self, name, ())
        try:
            items = tuple(sorted((str(key), str(value)) for key, value in (labels or {}).items()))
            return Execution(self, str(name)[:MAX_NAME_LENGTH], items)
        except Exception:  # noqa: BLE001 - a host's odd labels must not break its request
            self.count_failure("an operation with name %r and its labels can not be recorded", type(name))
            return NULL

    def cell(self, name: str, labels: Labels) -> Cell:
        """This thread's counters for the operation, or those of ``__other__`` beyond the cap."""
        try:
            shard: _Shard = self._local.shard
        except AttributeError:
            shard = self._new_shard()
        key = (name, labels)
        cell = shard.cells.get(key)
        if cell is not None:
            return cell
        if key not in self._admitted:
            key = self._admit(key)
        return shard.cells.setdefault(key, Cell())

    def _new_shard(self) -> _Shard:
        shard = self._local.shard = _Shard()
        with self._lock:
            self._shards.append(shard)
        return shard

    def _admit(self, key: Key) -> Key:
        from ..model.operation import OVERFLOW_NAME  # the model is loaded when somebody reads

        overflow = (OVERFLOW_NAME, ())
        with self._lock:
            if key in self._admitted or len(self._admitted) < self._max_operations:
                self._admitted.add(key)
                return key
            self._refused += 1
            if self._refused == 1:
                _warn(
                    "more than %d operations in this process; %r and later new names are recorded as %s. "
                    "Use the route template as name, or raise profiler.max_operations",
                    self._max_operations,
                    key[0],
                    OVERFLOW_NAME,
                )
        return overflow

    def fold_calls(self, execution: Execution) -> None:
        """Remember the calls that repeated within a finished execution."""
        for (kind, key), entry in (execution.calls or {}).items():
            if entry.calls < 2:
                continue
            repeat_key = _RepeatKey(execution.name, kind, key, entry.site or UNKNOWN_SITE)
            with self._lock:
                repeat = self._repeats.get(repeat_key)
                if repeat is None:
                    if len(self._repeats) >= MAX_REPEATS:
                        continue
                    repeat = self._repeats[repeat_key] = _Repeat()
                repeat.executions += 1
                repeat.calls += entry.calls
                repeat.most = max(repeat.most, entry.calls)
                repeat.duration_ns += entry.duration_ns

    def snapshots(self) -> list[OperationSnapshot]:
        """Every operation so far, in order of name."""
        totals = self._totals()
        snapshots = [self._snapshot(key, totals[key]) for key in sorted(totals)]
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

    def _totals(self) -> dict[Key, Cell]:
        running = sys._current_frames().keys()
        totals: dict[Key, Cell] = {}
        with self._lock:
            ended = [shard for shard in self._shards if shard.thread_id not in running]
            for shard in ended:
                _add_all(self._retired, shard.cells)
            self._shards = [shard for shard in self._shards if shard.thread_id in running]
            _add_all(totals, self._retired)
            for shard in self._shards:
                _add_all(totals, shard.cells)
        return totals

    def _snapshot(self, key: Key, cell: Cell) -> OperationSnapshot:
        from ..model.operation import Histogram, OperationSnapshot

        # The buckets decide the count, so that both agree although other threads write meanwhile.
        count = sum(cell.buckets.values())
        cpu_ns = None
        if cell.cpu_samples:
            cpu_ns = cell.cpu_ns * count // cell.cpu_samples
        return OperationSnapshot(
            name=key[0],
            labels=key[1],
            count=count,
            errors=min(cell.errors, count),
            error_types=cell.error_types or {},
            sum_ns=cell.sum_ns,
            min_ns=cell.min_ns if count else 0,
            max_ns=cell.max_ns,
            histogram=Histogram(cell.buckets),
            cpu_ns=cpu_ns,
            cpu_samples=cell.cpu_samples,
            in_flight=max(cell.started - count, 0),
            start_unix_ns=self.start_unix_ns,
        )


def _add_all(totals: dict[Key, Cell], cells: dict[Key, Cell]) -> None:
    for key, cell in list(cells.items()):
        total = totals.get(key)
        if total is None:
            total = totals[key] = Cell()
        total.add(cell)


def _warn(message: str, *values: object) -> None:
    import logging  # a third of a cold start's import, for what most processes never say

    logging.getLogger(__name__).warning(message, *values)
