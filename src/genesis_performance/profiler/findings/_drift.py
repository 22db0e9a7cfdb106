"""Whether a level keeps rising, said with confidence.

Memory is no line with independent noise around it: it wanders, jumps, fills caches and falls back. A
regression line through such a series has a confidence interval that is far too narrow (Granger and Newbold,
"Spurious regressions in econometrics", Journal of Econometrics 2, 1974). So the series is taken as a random
walk with drift: the drift is the mean change from block to block, and its interval is Student's, from how
much the changes differ among themselves (the drift method of Hyndman and Athanasopoulos, "Forecasting:
Principles and Practice", 3rd ed., 2021, section 5.2). One step, however high, is one large change among
many small ones and no drift. The level of a block is its median, so that single samples do not count.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean, median, stdev
from typing import NamedTuple

from ...stats.student import t_quantile

BLOCKS = 24
"""Enough changes for Student's interval, also in the later half alone, and few enough to hold samples."""

CONFIDENCE = 0.99
"""Medians of neighbouring blocks of a random walk have changes correlated by about 1/4 (Working, Econometrica
28, 1960), which makes the interval 1.2 times too narrow: at 99 % one still errs in about 1 of 100."""

LATER_CONFIDENCE = 0.8
LATER_RATIO = 0.5
"""A cache that fills slows down, a leak does not: the later half must rise by itself, and at least half as
fast as the whole."""


class Drift(NamedTuple):
    """Change a block, with its interval."""

    low: float
    mean: float
    high: float


def drift(levels: Sequence[float], confidence: float) -> Drift:
    """Mean change between neighbours and its two-sided interval; at least three levels."""
    changes = [after - before for before, after in pairwise(levels)]
    mean = fmean(changes)
    half = t_quantile((1 + confidence) / 2, len(changes) - 1) * stdev(changes) / math.sqrt(len(changes))
    return Drift(mean - half, mean, mean + half)


def steady_growth(values: Sequence[float]) -> Drift | None:
    """The drift a block, of ``BLOCKS``, of a level that keeps rising; None where that is not sure.

    Args:
        values: at equal distances in time, at least two a block.
    """
    size = len(values) / BLOCKS
    levels = [median(values[round(i * size) : round((i + 1) * size)]) for i in range(BLOCKS)]
    whole = drift(levels, CONFIDENCE)
    later = drift(levels[BLOCKS // 2 :], LATER_CONFIDENCE)
    if whole.low <= 0 or later.low <= 0 or later.mean < LATER_RATIO * whole.mean:
        return None
    return whole
