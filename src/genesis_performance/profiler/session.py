"""One profiling session: what the recorder and the process did between start and stop."""

from __future__ import annotations

import logging
import os
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from ..config.profiler import ProfilerConfig
from ..model.operation import OperationSnapshot, RepeatedCall
from ..model.profile import ProfileReport
from ..operations import CORE, Recorder
from ..stats.histogram import difference
from .findings import findings
from .gc_watch import GcWatch
from .resources import ResourceSampler

if TYPE_CHECKING:
    from ..model.stacks import StackProfile
    from .allocations import AllocationTrace
    from .stack_sampler import StackSampler

log = logging.getLogger(__name__)

_RepeatKey = tuple[str, str, str, str, int]


class Session:
    """Started by its constructor, ended once by ``stop``."""

    def __init__(
        self,
        profile_id: str,
        recorder: Recorder,
        config: ProfilerConfig,
        *,
        clock_ns: Callable[[], int] = time.perf_counter_ns,
        wall_clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.profile_id = profile_id
        self._recorder = recorder
        self._config = config
        self._clock_ns = clock_ns
        self._start_unix_ns = wall_clock_ns()
        self._begin_ns = clock_ns()
        self._operations = {_key(snapshot): snapshot for snapshot in recorder.snapshots()}
        self._repeats = {_repeat_key(repeat): repeat for repeat in recorder.repeated_calls()}
        self._failures: list[str] = []
        self._resources: ResourceSampler | None = None
        self._stacks: StackSampler | None = None
        self._gc: GcWatch | None = None
        self._allocations: AllocationTrace | None = None
        if config.enabled:
            self._start_parts(wall_clock_ns)

    def _start_parts(self, wall_clock_ns: Callable[[], int]) -> None:
        """Start what watches the process; what can not be started is a note of the report."""
        config = self._config
        if config.enable_cpu_profiling or config.enable_memory_profiling:
            resources = ResourceSampler(
                config.sampling_interval,
                with_cpu=config.enable_cpu_profiling,
                with_memory=config.enable_memory_profiling,
                wall_clock_ns=wall_clock_ns,
            )
            if self._done("resources", resources.start):
                self._resources = resources
        watch = GcWatch()
        if self._done("garbage collection", watch.start):
            self._gc = watch
        if config.trace_allocations:
            from .allocations import AllocationTrace

            trace = AllocationTrace()
            if self._done("allocations", trace.start):
                self._allocations = trace
        if config.stack_rate_hz:
            from .stack_sampler import StackSampler

            sampler = StackSampler(
                config.stack_rate_hz,
                fidelity=config.fidelity,
                overhead_budget_percent=config.overhead_budget_percent,
                blocked_loop_threshold_ms=config.blocked_loop_threshold_ms,
                wall_clock_ns=wall_clock_ns,
            )
            if self._done("stacks", sampler.start):  # last: the others' start is not the host's
                self._stacks = sampler

    def _done(self, what: str, action: Callable[[], None]) -> bool:
        try:
            action()
        except Exception as error:
            log.exception("profiling session: %s can not be watched", what)
            self._failures.append(f"{what} could not be watched: {error}")
            return False
        return True

    def stop(self) -> ProfileReport:
        """The report; operations hold only what ended within the session."""
        stacks = self._stopped_stacks()
        duration_s = max(self._clock_ns() - self._begin_ns, 0) / 1e9
        allocations = self._allocations.stop() if self._allocations else None
        collector = self._gc.stop() if self._gc else None
        samples = self._resources.stop() if self._resources else ()
        operations = tuple(
            within
            for snapshot in self._recorder.snapshots()
            if (within := difference(snapshot, self._operations.get(_key(snapshot)))).count
        )
        repeats = tuple(
            since
            for repeat in self._recorder.repeated_calls()
            if (since := _since(repeat, self._repeats.get(_repeat_key(repeat)))).calls
        )
        report = ProfileReport(
            profile_id=self.profile_id,
            start_unix_ns=self._start_unix_ns,
            duration_s=duration_s,
            operations=operations,
            resources=samples,
            repeated_calls=repeats,
            findings=(),
            cpu_count=self._resources.cpu_count if self._resources else 0.0,
            memory_limit_bytes=self._resources.memory_limit_bytes if self._resources else 0,
            notes=tuple(self._notes(operations)),
            stacks=stacks,
            sampler=self._stacks.activity if self._stacks else None,
            allocations=allocations,
            gc=collector,
            loop_blocks=self._stacks.loop_blocks if self._stacks else (),
            labels=_labels(),
        )
        return replace(report, findings=findings(self._config, report))

    def abandon(self) -> None:
        """In the child of a fork: what watches stayed with the parent."""
        if self._stacks is not None:
            self._stacks.abandon()
        if self._allocations is not None:
            self._allocations.stop()

    def _stopped_stacks(self) -> StackProfile | None:
        if self._stacks is None:
            return None
        stacks = self._stacks.stop()
        return stacks if self._stacks.activity is not None else None

    def _notes(self, operations: tuple[OperationSnapshot, ...]) -> list[str]:
        notes = list(self._failures)
        for part in (self._resources, self._stacks, self._allocations):
            if part is not None:
                notes.extend(part.notes)
        if self._gc is not None and self._gc.failures:
            notes.append(f"{self._gc.failures} garbage collections could not be timed")
        if not self._config.enabled:
            notes.append("profiling is switched off (profiler.enabled): nothing was recorded")
        elif not operations:
            notes.append("no operation ended in this session: durations are 0.0")
        if self._resources is None:
            notes.append("resources were not sampled: CPU and memory are 0.0")
        if self._recorder.failures:
            notes.append(f"{self._recorder.failures} operations could not be recorded; see the log")
        return notes


def _labels() -> dict[str, str]:
    """What was measured: the program, its Python, and which core recorded."""
    program = sys.argv[0] if getattr(sys, "argv", None) else ""
    return {
        "program": os.path.basename(program) or "python",  # noqa: PTH119 - no pathlib for one name
        "python": platform.python_version(),
        "core": CORE,
    }


def _key(snapshot: OperationSnapshot) -> tuple[str, tuple[tuple[str, str], ...]]:
    return snapshot.name, snapshot.labels


def _repeat_key(repeat: RepeatedCall) -> _RepeatKey:
    return repeat.operation, repeat.kind, repeat.key, repeat.file, repeat.line


def _since(newer: RepeatedCall, older: RepeatedCall | None) -> RepeatedCall:
    if older is None or newer.calls < older.calls:
        return newer
    return RepeatedCall(
        operation=newer.operation,
        kind=newer.kind,
        key=newer.key,
        file=newer.file,
        line=newer.line,
        function=newer.function,
        executions=newer.executions - older.executions,
        calls=newer.calls - older.calls,
        most=newer.most,  # of the process: the most within the session alone is not kept
        duration_ns=newer.duration_ns - older.duration_ns,
    )
