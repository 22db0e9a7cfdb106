"""What a benchmark measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What decides whether two runs can be compared."""

    node: str
    processor: str
    cpu_count: float
    system: str
    python: str

    def as_mapping(self) -> dict[str, str]:
        return {
            "node": self.node,
            "processor": self.processor,
            "cpu_count": str(self.cpu_count),
            "system": self.system,
            "python": self.python,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkResult:
    """One run of one benchmark: durations of single iterations, in milliseconds.

    ``runs_ms`` has one tuple a process; where ``batch`` is above 1 each value is the mean of that
    many iterations timed together, because one alone is too short for the clock.
    """

    benchmark_name: str
    runs_ms: tuple[tuple[float, ...], ...]
    batch: int
    warmup_iterations: int
    median_ms: float
    mean_ms: float
    stdev_ms: float
    min_ms: float
    max_ms: float
    p95_ms: float
    p99_ms: float
    median_low_ms: float  # confidence interval of the median
    median_high_ms: float
    confidence_level: float
    noise_ratio: float  # half width of the interval over the median: what a difference must exceed
    meets_targets: bool | None  # None: no target was set
    missed_targets: tuple[str, ...]
    performance_grade: str | None  # A to F; None without target and without baseline
    grade_reason: str
    machine: Machine
    start_unix_ns: int
    errors: int = 0
    notes: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def samples_ms(self) -> tuple[float, ...]:
        return tuple(sample for run in self.runs_ms for sample in run)
