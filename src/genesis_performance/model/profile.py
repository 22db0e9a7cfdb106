"""What a profiling session measured."""

from __future__ import annotations

from dataclasses import dataclass

from .advice import Finding
from .operation import OperationSnapshot, RepeatedCall


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
