"""The kinds of alerts: which metric each looks at, how its series become one value, and in which unit.

Policies, the local evaluation and the texts for people all follow this table, so that they can not differ.
Source of aligners and reducers: https://cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.alertPolicies
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ..export.catalog import CPU_UTILIZATION, MEMORY_BYTES, OPERATION_COUNT, OPERATION_DURATION
from ..model.alert import Comparison, PerformanceAlert
from ..model.series import Metric

RESPONSE_TIME, ERROR_RATE, THROUGHPUT = "response_time", "error_rate", "throughput"
CPU, MEMORY, ABSENCE, BURN_RATE = "cpu", "memory", "absence", "burn_rate"


@dataclass(frozen=True, slots=True)
class Kind:
    """What alerts of one kind have in common."""

    title: str
    quantity: str  # what is compared, for people
    metric: Metric
    unit: str
    per_unit: float  # the metric's own unit times this is ``unit``
    aligner: str
    reducer: str  # "" where the quantile chooses it
    is_ratio: bool = False  # of failed executions to all


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        RESPONSE_TIME: Kind("response time", "", OPERATION_DURATION, "ms", 1, "ALIGN_DELTA", ""),
        ERROR_RATE: Kind(
            "error rate", "error rate", OPERATION_COUNT, "%", 100, "ALIGN_RATE", "REDUCE_SUM", is_ratio=True
        ),
        THROUGHPUT: Kind("throughput", "throughput", OPERATION_COUNT, "/min", 60, "ALIGN_RATE", "REDUCE_SUM"),
        CPU: Kind("CPU", "CPU utilization", CPU_UTILIZATION, "%", 100, "ALIGN_MEAN", "REDUCE_MAX"),
        MEMORY: Kind("memory", "memory", MEMORY_BYTES, "MiB", 2**-20, "ALIGN_MEAN", "REDUCE_MAX"),
        # A gauge that every process sends, busy or not.
        ABSENCE: Kind("absence", "silence", MEMORY_BYTES, "s", 1, "ALIGN_MEAN", "REDUCE_MAX"),
        BURN_RATE: Kind(
            "burn rate", "burn rate", OPERATION_COUNT, "x", 1, "ALIGN_RATE", "REDUCE_SUM", is_ratio=True
        ),
    }
)


def kind_of(alert: PerformanceAlert) -> Kind:
    return KINDS[alert.condition]


def is_ratio(alert: PerformanceAlert) -> bool:
    """Whether failed executions are divided by all."""
    return kind_of(alert).is_ratio


def per_unit(alert: PerformanceAlert) -> float:
    """What a value in the metric's own unit is multiplied by to be in the alert's."""
    if alert.condition == BURN_RATE:
        return 1 / budget(alert)
    return kind_of(alert).per_unit


def budget(alert: PerformanceAlert) -> float:
    """The share of executions that may fail: 0.001 for an objective of 99.9 %."""
    return 1 - (alert.objective_percent or 0.0) / 100


def quantity(alert: PerformanceAlert) -> str:
    """What is compared, for people: ``p95`` or ``error rate``."""
    return f"p{alert.quantile * 100:g}" if alert.quantile is not None else kind_of(alert).quantity


def sign(alert: PerformanceAlert) -> str:
    return "<" if alert.comparison is Comparison.LESS else ">"


def windows_s(alert: PerformanceAlert) -> tuple[int, ...]:
    """The windows that must all be violated, the longest first."""
    return (alert.alignment_s, *((alert.short_alignment_s,) if alert.short_alignment_s else ()))


def held_for_s(alert: PerformanceAlert) -> int:
    """How long the value must be beyond the threshold; an absence is its own duration."""
    return 0 if alert.condition == ABSENCE else alert.duration_s


def violates(alert: PerformanceAlert, value: float) -> bool:
    if alert.condition == ABSENCE:  # silent for exactly so long is silent for so long
        return value >= alert.threshold
    return value < alert.threshold if alert.comparison is Comparison.LESS else value > alert.threshold


def worse(alert: PerformanceAlert, one: float, other: float) -> float:
    """Of two values the one further beyond the threshold."""
    return min(one, other) if alert.comparison is Comparison.LESS else max(one, other)
