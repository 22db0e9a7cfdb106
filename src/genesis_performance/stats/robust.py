"""Location and spread that a few outliers do not move.

Source: Rousseeuw and Croux, "Alternatives to the Median Absolute Deviation", JASA 88 (1993).
"""

from __future__ import annotations

from collections.abc import Sequence

from .quantiles import quantile

MAD_TO_SIGMA = 1.4826022185056018
"""1 / Phi^-1(3/4): the MAD times this estimates the standard deviation of normal values."""


def median(values: Sequence[float]) -> float:
    """The middle value; the mean of the two middle ones of an even number."""
    return quantile(values, 0.5)


def mad(values: Sequence[float]) -> float:
    """Median absolute deviation from the median, as it is (times ``MAD_TO_SIGMA`` for a sigma)."""
    middle = median(values)
    return median([abs(value - middle) for value in values])
