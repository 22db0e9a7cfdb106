"""Series of totals, as sinks write them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from ..model.series import Distribution, Kept, Metric, MetricKind, Point, Series
from ..stats.histogram import bucket_middle, explicit_buckets
from .blocks import COUNTER, DISTRIBUTION, GAUGE, OPERATION, PER_BLOCK, SeriesKey
from .catalog import (
    ENVIRONMENT,
    OPERATION_COUNT,
    OPERATION_DURATION,
    SERVICE,
    STATUS,
    STATUS_ERROR,
    STATUS_OK,
)
from .catalog import OPERATION as OPERATION_LABEL
from .labels import Labels
from .totals import Known, OperationTotal, Totals


def metric_of(key: SeriesKey, unit: str) -> Metric:
    """What a recorded series measures."""
    if key.kind == GAUGE:
        return Metric(name=key.name, kind=MetricKind.GAUGE, value_type="DOUBLE", unit=unit)
    value_type = "DOUBLE" if key.kind == COUNTER else "DISTRIBUTION"
    return Metric(name=key.name, kind=MetricKind.CUMULATIVE, value_type=value_type, unit=unit)


def rendered(totals: Totals, now_unix_ns: int, *, service: str, environment: str) -> list[Series]:
    """Every series with one point at ``now_unix_ns``.

    Args:
        service, environment: labels of operations; recorded metrics have theirs.
    """
    return Rendering(service, environment).series(totals, now_unix_ns)


class _Row(Kept):
    """What of a series does not change, and what its sink keeps with it.

    Attributes:
        highest: that a counter ever was.
        last: the series with its last point. The garbage collector looks through the whole process when much
            more is made than is let go, so the last one is let go when the next one is there, one by one.
    """

    __slots__ = ("highest", "known", "labels", "last", "metric", "start")

    def __init__(self, known: Known, metric: Metric, labels: Labels) -> None:
        super().__init__()
        self.known = known
        self.metric = metric
        self.labels = labels
        self.start: int | None = known.start_unix_ns
        self.highest = float("-inf")
        self.last: Series | None = None

    def series(self, now: int, value: float | Distribution) -> Series:
        """With a point of this value."""
        self.last = made = Series(self.metric, self.labels, (Point(now, value, self.start),), self)
        return made


class Rendering:
    """Makes series of totals again and again; what does not change of them is made once.

    Args:
        service, environment: labels of operations; recorded metrics have theirs.
    """

    def __init__(self, service: str, environment: str) -> None:
        self.names = service, environment
        self._totals: Totals | None = None
        self._rows: dict[SeriesKey, list[_Row]] = {}  # three of an operation, else one
        self._by_kind: dict[int, list[_Row]] = {}
        self._metrics: dict[tuple[int, str, str], Metric] = {}

    def series(
        self, totals: Totals, now_unix_ns: int, starts: Mapping[SeriesKey, int] | None = None
    ) -> list[Series]:
        """Every series with one point at ``now_unix_ns``.

        Args:
            totals: the same dictionary as before where there are no new series.
            starts: when a series began; by default what is known with it. Never changes for a series.
        """
        if totals is not self._totals:
            self._arrange(totals, starts or {})
        made: list[Series] = []
        append = made.append
        for row in self._by_kind[COUNTER]:
            value = row.known.read()
            # Sums of floats depend on their order; a counter must not fall by that.
            if value < row.highest:
                value = row.highest
            else:
                row.highest = value
            append(row.series(now_unix_ns, value))
        for row in self._by_kind[GAUGE]:
            set_at, value = row.known.read()
            if set_at:
                append(row.series(now_unix_ns, value))
        for row in self._by_kind[DISTRIBUTION]:
            value = row.known.read()
            if value.count > 0:
                append(row.series(now_unix_ns, value))
        operations = self._by_kind[OPERATION]
        for at in range(0, len(operations), 3):
            made += _operation(operations[at : at + 3], now_unix_ns)
        return made

    def _arrange(self, totals: Totals, starts: Mapping[SeriesKey, int]) -> None:
        self._totals = totals
        self._by_kind = {COUNTER: [], GAUGE: [], DISTRIBUTION: [], OPERATION: []}
        for key, known in totals.items():
            rows = self._rows.get(key)
            if rows is None:
                rows = self._rows[key] = self._new(key, known)
            start = None if key.kind == GAUGE else starts.get(key, known.start_unix_ns)
            for row in rows:
                row.known, row.start = known, start
            self._by_kind[key.kind] += rows
        for key, rows in self._rows.items():
            if key not in totals:  # keep no memory of a region that is gone
                for row in rows:
                    row.known, row.last = _NOBODY, None

    def _new(self, key: SeriesKey, known: Known) -> list[_Row]:
        if key.kind != OPERATION:
            # Of a few metrics there are many series.
            metric = self._metrics.get((key.kind, key.name, known.unit))
            if metric is None:
                metric = self._metrics[key.kind, key.name, known.unit] = metric_of(key, known.unit)
            return [_Row(known, metric, key.labels)]
        service, environment = self.names
        fixed = ((SERVICE, service), (OPERATION_LABEL, key.name), (ENVIRONMENT, environment))
        labels = tuple(sorted((*key.labels, *fixed)))
        counts = [tuple(sorted((*labels, (STATUS, status)))) for status in (STATUS_OK, STATUS_ERROR)]
        return [
            _Row(known, OPERATION_DURATION, labels),
            *(_Row(known, OPERATION_COUNT, own) for own in counts),
        ]


_NOBODY = Known(SeriesKey(COUNTER, "", ()), 0.0, "", 0)


def _operation(rows: list[_Row], now: int) -> list[Series]:
    total = rows[0].known.read()
    value = durations(total)
    errors = min(max(total.errors, 0), value.count)
    return [
        row.series(now, each) for row, each in zip(rows, (value, value.count - errors, errors), strict=True)
    ]


def durations(total: OperationTotal) -> Distribution:
    """The times of an operation in milliseconds, in the buckets that are exported."""
    found = [(*_exported(index), count) for index, count in total.buckets.items() if count > 0]
    bounds, sum_ms = explicit_buckets({})[0], max(total.sum_ns, 0) / 1e6
    if not found:
        return Distribution(bounds, (), sum_ms)
    places = [place for place, _, _ in found]
    first = min(places) // PER_BLOCK * PER_BLOCK  # whole groups, so that what is sent seldom changes its form
    counts = [0] * (min((max(places) // PER_BLOCK + 1) * PER_BLOCK, len(bounds) + 1) - first)
    for place, _, number in found:
        counts[place - first] += number
    count = sum(counts)
    mean_ms = sum_ms / count
    squares = sum([number * (middle - mean_ms) ** 2 for _, middle, number in found])
    return Distribution(bounds, tuple(counts), sum_ms, squares, first, count)


@cache
def _exported(index: int) -> tuple[int, float]:
    """The exported bucket that holds one of ours, and the middle of ours in milliseconds."""
    return explicit_buckets({index: 1})[1].index(1), bucket_middle(index) / 1e6
