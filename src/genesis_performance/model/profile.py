"""What a profiling session measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .advice import Finding
from .operation import OperationSnapshot, RepeatedCall
from .stacks import StackProfile


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceSample:
    """The process at one moment."""

    at_unix_ns: int
    cpu_percent: float  # of one core, over the time since the previous sample
    memory_bytes: int  # resident set size
    memory_percent: float  # of the memory limit (cgroup) or of the machine
    read_bytes: int  # since the session began
    write_bytes: int
    threads: int
    context_switches: int  # since the session began


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplerActivity:
    """What the stack sampler did, and what that cost."""

    asked_hz: float
    samples: int  # moments at which stacks were taken
    duration_s: float
    cpu_s: float  # CPU time of the sampler's own thread
    late_ns: int = 0  # mean delay between the moment a sample was due and the moment it was taken
    worst_late_ns: int = 0
    fidelity: str = "high"
    switch_interval_s: float = 0.0  # of the interpreter during the session

    @property
    def rate_hz(self) -> float:
        """Samples a second that were really taken."""
        return self.samples / self.duration_s if self.duration_s else 0.0

    @property
    def overhead_percent(self) -> float:
        """The sampler's CPU in percent of one core; its toggled cost on the host is not in it."""
        return 100 * self.cpu_s / self.duration_s if self.duration_s else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GcActivity:
    """Pauses of the garbage collector within a session."""

    collections: tuple[int, ...] = ()  # by generation
    pause_ns: int = 0
    longest_ns: int = 0
    collected: int = 0  # objects
    by_operation: Mapping[str, int] = field(default_factory=dict)  # pause in ns by operation name


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopBlock:
    """An event loop that one callback held: no other task of that loop ran meanwhile."""

    at_unix_ns: int
    duration_ns: int  # at least: it is known to the distance of two samples
    thread: str
    operation: str
    function: str  # the host's innermost function that was seen most
    file: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileReport:
    """A finished profiling session.

    Operations hold only what happened within the session.
    """

    profile_id: str
    start_unix_ns: int
    duration_s: float
    operations: tuple[OperationSnapshot, ...]
    resources: tuple[ResourceSample, ...]
    repeated_calls: tuple[RepeatedCall, ...]
    findings: tuple[Finding, ...]
    cpu_count: float  # cores the process may use: the cgroup's limit where there is one
    memory_limit_bytes: int
    notes: tuple[str, ...] = ()  # what could not be measured, and why
    stacks: StackProfile | None = None  # None where none were sampled
    sampler: SamplerActivity | None = None
    allocations: StackProfile | None = None  # None unless they were traced
    gc: GcActivity | None = None
    loop_blocks: tuple[LoopBlock, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)  # program, Python version, service

    @property
    def avg_cpu_percent(self) -> float:
        """Mean CPU use in percent of one core; 0.0 with a note when nothing was sampled."""
        return _mean([sample.cpu_percent for sample in self.resources])

    @property
    def max_memory_bytes(self) -> int:
        return max((sample.memory_bytes for sample in self.resources), default=0)

    @property
    def avg_memory_percent(self) -> float:
        return _mean([sample.memory_percent for sample in self.resources])

    @property
    def operation_count(self) -> int:
        return sum(operation.count for operation in self.operations)

    @property
    def avg_duration_ms(self) -> float:
        """Mean wall time of an operation in milliseconds; 0.0 with a note when none was recorded."""
        count = self.operation_count
        return sum(operation.sum_ns for operation in self.operations) / count / 1e6 if count else 0.0


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0
