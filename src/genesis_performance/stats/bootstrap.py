"""Confidence intervals that assume no distribution.

Source: of the median, from order statistics: Conover, "Practical Nonparametric Statistics" (3rd ed.,
1999), section 3.2. Percentile bootstrap: Efron and Tibshirani, "An Introduction to the Bootstrap"
(1993), chapter 13.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from itertools import accumulate, takewhile
from statistics import NormalDist

from ..errors import InvalidInputError
from .quantiles import sorted_quantile

EXACT_UP_TO = 200
"""Sample size above which the binomial is taken as normal; the ranks then differ by at most one."""


def median_ranks(count: int, confidence: float) -> tuple[int, int]:
    """Positions (from 0) of the order statistics that enclose the median with at least ``confidence``.

    The number of values below the median is binomial with p = 1/2. Below 6 values (at 95 %) even the extremes
    do not reach the confidence; they are returned all the same, see ``median_coverage``.
    """
    if count < 1:
        raise InvalidInputError("an interval of no values does not exist")
    if not 0 < confidence < 1:
        raise InvalidInputError(f"confidence is {confidence!r}; it must be between 0 and 1")
    tail = (1 - confidence) / 2
    if count > EXACT_UP_TO:
        below = int((count - NormalDist().inv_cdf(1 - tail) * math.sqrt(count) - 1) / 2)
    else:
        chances = accumulate(math.comb(count, successes) / 2**count for successes in range(count))
        below = sum(1 for _ in takewhile(lambda chance: chance <= tail, chances)) - 1
    below = max(0, min(below, (count - 1) // 2))
    return below, count - 1 - below


def median_coverage(count: int, low: int, high: int) -> float:
    """Probability that the order statistics at these positions enclose the median."""
    if count > EXACT_UP_TO:
        normal = NormalDist(count / 2, math.sqrt(count) / 2)
        return normal.cdf(high + 0.5) - normal.cdf(low + 0.5)
    return float(sum(math.comb(count, below) for below in range(low + 1, high + 1)) / 2**count)


def median_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """Distribution-free confidence interval of the median."""
    low, high = median_ranks(len(values), confidence)
    ordered = sorted(values)
    return ordered[low], ordered[high]


def bootstrap_interval(
    values: Sequence[float],
    statistic: Callable[[Sequence[float]], float],
    confidence: float = 0.95,
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap interval of any statistic; the same values and seed give the same interval."""
    if not values:
        raise InvalidInputError("an interval of no values does not exist")
    if not 0 < confidence < 1 or resamples < 1:
        raise InvalidInputError(f"confidence={confidence!r}, resamples={resamples!r}")
    drawn = random.Random(seed)
    results = sorted(statistic(drawn.choices(values, k=len(values))) for _ in range(resamples))
    tail = (1 - confidence) / 2
    return sorted_quantile(results, tail), sorted_quantile(results, 1 - tail)
