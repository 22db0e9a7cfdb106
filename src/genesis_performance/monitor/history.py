"""What series did over the last window: the local twin of Cloud Monitoring's alignment.

Cumulative series are kept at several moments; their difference is what happened in between. Quantiles are
those of the exported buckets, interpolated as Cloud Monitoring does, so that both sides come to one answer
but for a bucket's width.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from ..export.labels import Labels
from ..model.series import Distribution, Series

Key = tuple[str, Labels]
Value = float | Distribution

SECOND_NS = 1_000_000_000
APART_NS = SECOND_NS
"""Between two moments: who looks more often replaces the newest one."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Cumulative values at one time, with the start of each."""

    at_ns: int
    values: dict[Key, tuple[Value, int]]


class History:
    """The last moments of some metrics."""

    def __init__(self) -> None:
        self._moments: deque[Moment] = deque()
        self._waits = False  # for a whole window, as what happened before is another process's to say

    @property
    def newest_ns(self) -> int | None:
        """When it was last looked."""
        return self._moments[-1].at_ns if self._moments else None

    def add(self, at_ns: int, series: Iterable[Series], names: Collection[str], keep_s: float) -> None:
        """Remember these metrics as of now, and forget what is older than ``keep_s``.

        One moment from before that time stays: it is what the oldest window is measured from.
        """
        values: dict[Key, tuple[Value, int]] = {}
        for one in series:
            point = one.points[-1]
            if one.metric.name in names and point.start_unix_ns is not None:
                values[one.metric.name, one.labels] = (point.value, point.start_unix_ns)
        moments = self._moments
        while moments and moments[-1].at_ns >= at_ns:  # the clock was set back
            moments.pop()
        if len(moments) > 1 and at_ns - moments[-2].at_ns < APART_NS:
            moments.pop()
        moments.append(Moment(at_ns, values))
        oldest = at_ns - round(keep_s * SECOND_NS)
        while len(moments) > 2 and moments[1].at_ns <= oldest:
            moments.popleft()

    def clear(self) -> None:
        self._moments.clear()
        self._waits = False

    def begin_anew(self) -> None:
        """Forget every moment, and say nothing until looking has gone on for a whole window."""
        self._moments.clear()
        self._waits = True

    def shift(self, by_ns: int) -> None:
        """Date every moment so much later: the clock jumped, the time between them did not change."""
        self._moments = deque(Moment(one.at_ns + by_ns, one.values) for one in self._moments)

    def increases(self, name: str, window_s: float) -> Iterator[tuple[Labels, Value]]:
        """What each series of a metric grew by in the window that ends with the newest moment.

        A series that is younger than the window grew from zero. So does every series until looking has gone
        on for a whole window: its first point stands for all since its start, as in Cloud Monitoring.
        After ``begin_anew`` there is nothing until then.
        """
        if not self._moments:
            return
        newest = self._moments[-1]
        base = self._base(newest.at_ns - round(window_s * SECOND_NS))
        if base is None and self._waits:
            return
        for key, (value, start_ns) in newest.values.items():
            if key[0] != name:
                continue
            then = base.values.get(key) if base is not None else None
            if then is None or then[1] != start_ns:
                yield key[1], value
            else:
                yield key[1], _increase(value, then[0])

    def _base(self, at_ns: int) -> Moment | None:
        """The newest moment at or before ``at_ns``; None when looking began after that."""
        return next((moment for moment in reversed(self._moments) if moment.at_ns <= at_ns), None)


def _increase(value: Value, then: Value) -> Value:
    if not isinstance(value, Distribution) or not isinstance(then, Distribution):
        if isinstance(value, Distribution) or isinstance(then, Distribution):
            return value
        return max(value - then, 0)
    if value is then:
        return Distribution(bounds=value.bounds, counts=(0,) * len(value.counts), sum=0.0)
    return Distribution(
        bounds=value.bounds,
        counts=tuple(max(now - before, 0) for now, before in zip(value.counts, then.counts, strict=True)),
        sum=value.sum - then.sum,
    )


def merged(values: Iterable[Distribution]) -> Distribution | None:
    """All of them together, None when there is none; those with other bounds than the first are left out."""
    total: Distribution | None = None
    for value in values:
        if total is None:
            total = value
        elif total.bounds == value.bounds:
            total = Distribution(
                bounds=total.bounds,
                counts=tuple(a + b for a, b in zip(total.counts, value.counts, strict=True)),
                sum=total.sum + value.sum,
            )
    return total


def quantile(distribution: Distribution, q: float) -> float | None:
    """The value at rank ``q``, interpolated within its bucket; None when there are no values."""
    count = distribution.count
    if not count:
        return None
    if sum(1 for here in distribution.counts if here) == 1:
        return distribution.sum / count  # all in one bucket: the mean is nearer than its middle
    rank = q * count
    seen = 0.0
    bounds = distribution.bounds
    for index, here in enumerate(distribution.counts):
        if here and seen + here >= rank:
            if index == len(bounds):
                return bounds[-1]  # the open bucket: at least so much
            low = bounds[index - 1] if index else min(0.0, bounds[0])
            return low + (bounds[index] - low) * (rank - seen) / here
        seen += here
    return bounds[-1]
