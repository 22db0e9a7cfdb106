"""Baselines, and the verdict on new measurements against them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Verdict(StrEnum):
    """Three values: noise is not a pass."""

    PASS = "pass"
    REGRESSED = "regressed"
    INCONCLUSIVE = "inconclusive"


class RegressionSeverity(StrEnum):
    """Size of a regression by the estimated relative change."""

    NONE = "none"
    MINOR = "minor"
    MAJOR = "major"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """Runs that new runs of the same operation are compared with.

    Args:
        runs_ms: durations in milliseconds, one tuple a run (process); a flat list is one run.
    """

    operation_name: str
    runs_ms: tuple[tuple[float, ...], ...]
    created_unix_ns: int
    environment: Mapping[str, str] = field(default_factory=dict)  # machine, Python, commit

    @property
    def samples_ms(self) -> tuple[float, ...]:
        return tuple(sample for run in self.runs_ms for sample in run)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegressionResult:
    """The verdict on one operation."""

    operation_name: str
    verdict: Verdict
    regression_severity: RegressionSeverity
    confidence_score: float  # calibrated probability, 0 to 1, that it is slower by more than min_effect
    change_ratio: float  # estimated relative change of the typical duration: 0.25 is 25 % slower
    change_low: float  # 95 % interval of change_ratio
    change_high: float
    baseline_median_ms: float
    current_median_ms: float
    baseline_p95_ms: float
    current_p95_ms: float
    baseline_count: int
    current_count: int
    min_effect_ratio: float
    calibration: str  # where the confidence was calibrated, and when it does not apply
    recommendations: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def has_regression(self) -> bool:
        return self.verdict is Verdict.REGRESSED
