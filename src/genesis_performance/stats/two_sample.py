"""Is one set of runs slower than another? The statistics of the verdict.

Durations are compared on the logarithmic scale, where a relative change is a shift. Each run (process) counts
with its median. The uncertainty of the shift has two parts: noise within a run, which more samples make
smaller, and variation between runs of the same program (layout, host, time of day), which only more runs make
smaller. With one run a side the second part can not be seen in the data, so it has a prior, fitted on
benchmarks whose runs are known to be equal (``Coefficients``).

Source: of the variance of a median from its order statistics: Price and Bonett, "Estimating the variance of
the sample median", Journal of Statistical Computation and Simulation 68 (2001). Of the scaled inverse
chi-square prior of a variance and its t posterior: Gelman et al., "Bayesian Data Analysis" (3rd ed., 2013),
section 3.2. Of calibrating a score by a logistic function: Platt (1999).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from ..errors import InvalidInputError
from .bootstrap import median_coverage, median_ranks
from .quantiles import sorted_quantile
from .student import t_cdf, t_quantile

LOWEST_MS = 1e-6  # one nanosecond: a duration of 0 has no logarithm
QUARTILES_TO_SIGMA = 1.349  # between the quartiles of a normal distribution of sd 1
LOWEST_NOISE = 1e-4  # relative; equal values come from a coarse clock, not from a noiseless program


@dataclass(frozen=True, slots=True, kw_only=True)
class Coefficients:
    """What ``bench/regression/fit_confidence.py`` fits."""

    prior_intercept: float  # ln of the prior sd between runs, at relative noise 1 within a run
    prior_slope: float  # its growth with ln of the noise within a run
    prior_degrees: float  # how many runs that prior is worth
    logit_slope: float  # from the raw probability's logit to the calibrated one
    logit_intercept: float
    interval_scale: float  # widens the 95 % interval to its nominal coverage


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """The difference of two sets of runs, on the logarithmic scale."""

    shift: float  # ln(current / baseline)
    within_variance: float  # of the shift, from the noise within the runs
    noise: float  # typical sd of single values within a run
    run_weight: float  # 1/runs + 1/runs: factor of the variance between runs
    run_squares: float  # sum of squares of the runs' medians about the mean of their side
    run_degrees: int  # degrees of freedom of that sum


def measure_shift(baseline_runs: Sequence[Sequence[float]], current_runs: Sequence[Sequence[float]]) -> Shift:
    """The shift and what is needed for its uncertainty. Values are durations, any unit, at least 0."""
    baseline = [_run(run) for run in baseline_runs if run]
    current = [_run(run) for run in current_runs if run]
    if not baseline or not current:
        raise InvalidInputError("a comparison needs at least one value on each side")
    squares = sum(_squares(side) for side in (baseline, current))
    within = sum(sum(run.variance for run in side) / len(side) ** 2 for side in (baseline, current))
    noises = sorted(run.noise for run in (*baseline, *current))
    return Shift(
        shift=_mean(current) - _mean(baseline),
        within_variance=within,
        noise=sorted_quantile(noises, 0.5),
        run_weight=1 / len(baseline) + 1 / len(current),
        run_squares=squares,
        run_degrees=len(baseline) + len(current) - 2,
    )


def probability_above(shift: Shift, effect_ratio: float, coefficients: Coefficients) -> float:
    """Calibrated probability that the true relative change is above ``effect_ratio``."""
    error, degrees = standard_error(shift, coefficients)
    raw = t_cdf((shift.shift - math.log1p(effect_ratio)) / error, degrees)
    raw = min(max(raw, 1e-12), 1 - 1e-12)
    logit = coefficients.logit_intercept + coefficients.logit_slope * math.log(raw / (1 - raw))
    return 1 / (1 + math.exp(-logit))


def standard_error(shift: Shift, coefficients: Coefficients) -> tuple[float, float]:
    """Standard error of the shift, and the degrees of freedom of its t distribution."""
    prior = math.exp(coefficients.prior_intercept + coefficients.prior_slope * math.log(shift.noise))
    degrees = coefficients.prior_degrees + shift.run_degrees
    between = (coefficients.prior_degrees * prior**2 + shift.run_squares) / degrees
    return math.sqrt(shift.within_variance + between * shift.run_weight), degrees


def change_interval(
    shift: Shift, coefficients: Coefficients, confidence: float = 0.95
) -> tuple[float, float]:
    """Interval of the relative change."""
    error, degrees = standard_error(shift, coefficients)
    half = coefficients.interval_scale * t_quantile((1 + confidence) / 2, degrees) * error
    return math.expm1(shift.shift - half), math.expm1(min(shift.shift + half, 700.0))


@dataclass(frozen=True, slots=True)
class _Run:
    median: float
    variance: float  # of the median
    noise: float


def _run(values: Sequence[float]) -> _Run:
    ordered = sorted(math.log(max(value, LOWEST_MS)) for value in values)
    count = len(ordered)
    low, high = median_ranks(count, 0.95)
    coverage = median_coverage(count, low, high)
    spread = (sorted_quantile(ordered, 0.75) - sorted_quantile(ordered, 0.25)) / QUARTILES_TO_SIGMA
    noise = max(spread, LOWEST_NOISE)
    if coverage > 0:
        error = (ordered[high] - ordered[low]) / (2 * NormalDist().inv_cdf((1 + coverage) / 2))
    else:
        error = noise  # a single value
    return _Run(sorted_quantile(ordered, 0.5), max(error, noise / count) ** 2, noise)


def _mean(runs: Sequence[_Run]) -> float:
    return sum(run.median for run in runs) / len(runs)


def _squares(runs: Sequence[_Run]) -> float:
    mean = _mean(runs)
    return sum((run.median - mean) ** 2 for run in runs)
