"""Quantiles of a sample.

Source: Hyndman and Fan, "Sample Quantiles in Statistical Packages", The American Statistician 50 (1996),
type 7: linear between the order statistics, as in R, NumPy and Excel.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import InvalidInputError


def quantile(values: Sequence[float], q: float) -> float:
    """The quantile ``q`` (0 to 1) of values in any order.

    Raises:
        InvalidInputError: there are no values, or ``q`` is not within 0 to 1.
    """
    return sorted_quantile(sorted(values), q)


def sorted_quantile(ordered: Sequence[float], q: float) -> float:
    """The same of values in ascending order."""
    if not ordered:
        raise InvalidInputError("a quantile of no values does not exist")
    if not 0 <= q <= 1:
        raise InvalidInputError(f"quantile q is {q!r}; it must be a number from 0 to 1")
    position = q * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    low, high = ordered[below], ordered[above]
    # Clamped, because rounding may lead a hair beyond the neighbours.
    return min(max(low + (position - below) * (high - low), low), high)
