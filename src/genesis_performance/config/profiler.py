"""Settings of the profiler."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from .section import Percent, Positive, PositiveInt, Section


class ProfilerConfig(Section, frozen=True, kw_only=True):
    """How operations are recorded and sessions sampled.

    Args:
        enabled: False makes operations and sessions do nothing.
        enable_cpu_profiling: sample the CPU use of the process during a session.
        enable_memory_profiling: sample its memory use during a session.
        sampling_interval: seconds between two resource samples of a session.
        cpu: how often an operation's thread CPU time is read: 1 in 16 and scaled (``"sampled"``),
            each time (``"always"``), or not at all (``"never"``). Reading it costs about 18 times
            as much as reading the wall clock.
        stack_rate_hz: stack samples a second during a session; 0 takes none. Fewer are taken where they would
            cost more than the budget below.
        fidelity: ``"high"`` shortens the interpreter's switch interval to 0.2 ms or less while a session
            runs, without which samples fall on the places that release the GIL; ``"standard"`` leaves it.
        overhead_budget_percent: CPU that the sampler itself may use, in percent of one core.
        trace_allocations: record which lines allocate (tracemalloc) during a session. It slows the process.
        blocked_loop_threshold_ms: an event loop held longer by one callback is a finding.
        max_operations: operation names kept apart in one process; later ones go to ``__other__``.
        cpu_threshold_percent, memory_threshold_percent: a session above them is a finding; CPU in
            percent of the cores that the process may use, memory in percent of its limit.
        response_time_threshold_ms: an operation whose 95th percentile is above it is a finding.
        max_profile_history: reports kept, in memory and in the store.
        retention_days: age at which a stored report is deleted.
        enable_persistent_storage: keep the reports in the history store.
        cloud_profiler: upload each finished session to Cloud Profiler; it needs a project and a service.
        service, service_version, zone: what Cloud Profiler files a profile under. The service and its
            version are those of Cloud Run (``K_SERVICE``, ``K_REVISION``) where they are not set.
    """

    NAME: ClassVar[str] = "profiler"

    enabled: bool = True
    enable_cpu_profiling: bool = True
    enable_memory_profiling: bool = True
    sampling_interval: Positive = 0.1
    cpu: Literal["sampled", "always", "never"] = "sampled"
    stack_rate_hz: Annotated[float, Meta(ge=0, le=1000)] = 100.0
    fidelity: Literal["high", "standard"] = "high"
    overhead_budget_percent: Percent = 1.0
    trace_allocations: bool = False
    blocked_loop_threshold_ms: Positive = 100.0
    max_operations: PositiveInt = 200
    cpu_threshold_percent: Percent = 80.0
    memory_threshold_percent: Percent = 85.0
    response_time_threshold_ms: Positive = 500.0
    max_profile_history: PositiveInt = 100
    retention_days: PositiveInt = 30
    enable_persistent_storage: bool = True
    cloud_profiler: bool = False
    service: str | None = None
    service_version: str | None = None
    zone: str | None = None
