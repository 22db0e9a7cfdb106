"""What the recorder knows of one operation at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

OVERFLOW_NAME = "__other__"
"""Operations beyond the cap of a process are recorded under this name."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts of durations in log-linear buckets.

    Buckets are those of ``stats.histogram``: 32 linear sub-buckets in each octave, so that a value
    and its bucket's middle differ by at most 1.6 %.

    Args:
        counts: bucket index to number of values; absent means none.
    """

    counts: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationSnapshot:
    """Everything recorded under one operation name and label set since the process started.

    Durations are wall time. Counters only grow, so the difference of two snapshots is what happened
    between them (``stats.histogram.difference``).
    """

    name: str
    labels: tuple[tuple[str, str], ...] = ()
    count: int
    errors: int
    error_types: Mapping[str, int] = field(default_factory=dict)  # exception class name -> count
    sum_ns: int
    min_ns: int
    max_ns: int
    histogram: Histogram
    cpu_ns: int | None  # thread CPU, scaled from the sampled executions; None where it can not be known
    cpu_samples: int = 0  # executions whose CPU time was really read
    in_flight: int = 0
    start_unix_ns: int  # counters run since then; a new value means a reset

    @property
    def mean_ms(self) -> float:
        """Mean wall time in milliseconds, 0.0 when nothing was recorded."""
        return self.sum_ns / self.count / 1e6 if self.count else 0.0

    @property
    def error_ratio(self) -> float:
        """Share of executions that ended in an exception, 0 to 1."""
        return self.errors / self.count if self.count else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatedCall:
    """The same call with the same key, made more than once within one execution of an operation.

    It is the trace that an N+1 query or an uncached read leaves.
    """

    operation: str
    kind: str  # what was called, for example "secret read"
    key: str  # with what, for example the secret's name; never a payload
    file: str  # call site
    line: int
    function: str
    executions: int  # executions of the operation in which it repeated
    calls: int  # calls in those executions, the first of each included
    most: int  # calls in the worst single execution
    duration_ns: int  # wall time spent in those calls

    @property
    def site(self) -> str:
        return f"{self.file}:{self.line}"
