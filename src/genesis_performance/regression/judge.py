"""The verdict on one operation: pure, from two sets of runs to a ``RegressionResult``.

Verdict: the calibrated probability that the operation is slower by more than ``min_effect_ratio`` is at least
``confidence``: regressed; at most ``1 - confidence``: pass; between the two: inconclusive. Too few values are
always inconclusive.

Severity of a regression, by the estimated change: minor below 20 %, major below 50 %, critical from there on.
"""

from __future__ import annotations

import math

from ..model.change import RegressionResult, RegressionSeverity, Verdict
from ..stats.quantiles import sorted_quantile
from ..stats.two_sample import change_interval, measure_shift, probability_above
from .advice import Measured, recommendations
from .confidence import calibration
from .samples import Runs

MAJOR_FROM = 0.2
CRITICAL_FROM = 0.5


def judge(
    operation_name: str,
    baseline_runs: Runs,
    current_runs: Runs,
    *,
    min_effect_ratio: float,
    confidence: float,
    min_samples: int,
    counts: tuple[int, int] | None = None,
    live: bool = False,
    notes: tuple[str, ...] = (),
) -> RegressionResult:
    """Compare two sets of runs.

    Args:
        counts: executions behind the values of each side, where the values only stand for more.
        live: they come from live traffic.
    """
    known = calibration()
    shift = measure_shift(baseline_runs, current_runs)
    probability = probability_above(shift, min_effect_ratio, known.coefficients)
    change = math.expm1(min(shift.shift, 700.0))
    low, high = change_interval(shift, known.coefficients)
    baseline = sorted(value for run in baseline_runs for value in run)
    current = sorted(value for run in current_runs for value in run)
    baseline_count, current_count = counts or (len(baseline), len(current))
    few = min(baseline_count, current_count) < min_samples
    verdict = Verdict.INCONCLUSIVE if few else verdict_of(probability, confidence)
    measured = Measured(
        operation_name=operation_name,
        verdict=verdict,
        change=change,
        interval=(low, high),
        medians=(sorted_quantile(baseline, 0.5), sorted_quantile(current, 0.5)),
        p95s=(sorted_quantile(baseline, 0.95), sorted_quantile(current, 0.95)),
        counts=(baseline_count, current_count),
        runs=(len(baseline_runs), len(current_runs)),
        min_effect_ratio=min_effect_ratio,
        confidence=confidence,
        min_samples=min_samples,
        shift=shift,
        coefficients=known.coefficients,
        live=live,
    )
    if few:
        side = f"{baseline_count} baseline and {current_count} current values"
        notes += (f"{side}; fewer than {min_samples} on a side give no verdict",)
    if shift.run_degrees == 0:
        notes += (
            "one run a side: the variation between runs is estimated from other programs, not from this one",
        )
    return RegressionResult(
        operation_name=operation_name,
        verdict=verdict,
        regression_severity=severity_of(verdict, change),
        confidence_score=probability,
        change_ratio=change,
        change_low=low,
        change_high=high,
        baseline_median_ms=measured.medians[0],
        current_median_ms=measured.medians[1],
        baseline_p95_ms=measured.p95s[0],
        current_p95_ms=measured.p95s[1],
        baseline_count=baseline_count,
        current_count=current_count,
        min_effect_ratio=min_effect_ratio,
        calibration=known.describe(min_effect_ratio, live=live),
        recommendations=recommendations(measured),
        notes=notes,
    )


def verdict_of(probability: float, confidence: float) -> Verdict:
    if probability >= confidence:
        return Verdict.REGRESSED
    return Verdict.PASS if probability <= 1 - confidence else Verdict.INCONCLUSIVE


def severity_of(verdict: Verdict, change_ratio: float) -> RegressionSeverity:
    if verdict is not Verdict.REGRESSED:
        return RegressionSeverity.NONE
    if change_ratio >= CRITICAL_FROM:
        return RegressionSeverity.CRITICAL
    return RegressionSeverity.MAJOR if change_ratio >= MAJOR_FROM else RegressionSeverity.MINOR
