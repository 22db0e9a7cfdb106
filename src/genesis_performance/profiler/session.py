"""One profiling session: what the recorder and the process did between start and stop."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from ..config.profiler import ProfilerConfig
from ..model.operation import OperationSnapshot, RepeatedCall
from ..model.profile import ProfileReport
from ..operations import Recorder
from ..stats.histogram import difference
from .findings import findings
from .resources import ResourceSampler

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
        self._resources: ResourceSampler | None = None
        if config.enabled and (config.enable_cpu_profiling or config.enable_memory_profiling):
            self._resources = ResourceSampler(
                config.sampling_interval,
                with_cpu=config.enable_cpu_profiling,
                with_memory=config.enable_memory_profiling,
                wall_clock_ns=wall_clock_ns,
            )
            self._resources.start()

    def stop(self) -> ProfileReport:
        """The report; operations hold only what ended within the session."""
        samples = self._resources.stop() if self._resources else ()
        cpu_count = self._resources.cpu_count if self._resources else 0.0
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
            duration_s=(self._clock_ns() - self._begin_ns) / 1e9,
            operations=operations,
            resources=samples,
            repeated_calls=repeats,
            findings=(),
            cpu_count=cpu_count,
            memory_limit_bytes=self._resources.memory_limit_bytes if self._resources else 0,
            notes=tuple(self._notes(operations)),
        )
        return replace(report, findings=findings(self._config, report))

    def _notes(self, operations: tuple[OperationSnapshot, ...]) -> list[str]:
        notes = list(self._resources.notes) if self._resources else []
        if not self._config.enabled:
            notes.append("profiling is switched off (profiler.enabled): nothing was recorded")
        elif not operations:
            notes.append("no operation ended in this session: durations are 0.0")
        if self._resources is None:
            notes.append("resources were not sampled: CPU and memory are 0.0")
        if self._recorder.failures:
            notes.append(f"{self._recorder.failures} operations could not be recorded; see the log")
        return notes


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
