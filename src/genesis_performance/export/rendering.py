"""Series of totals, as sinks write them."""

from __future__ import annotations

from collections.abc import Callable

from ..model.series import Distribution, Metric, MetricKind, Point, Series
from ..stats.histogram import bucket_middle, explicit_buckets
from .blocks import COUNTER, GAUGE, SeriesKey
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
from .totals import DistributionTotal, GaugeTotal, Known, OperationTotal, Totals

BOUNDS = tuple(float(f"{10 ** (-4 + step / 16):.4g}") for step in range(12 * 16 + 1))
"""16 buckets a decade, from 0.0001 to 100 million: 193 bounds, Cloud Monitoring takes 199."""


def metric_of(key: SeriesKey, unit: str) -> Metric:
    """What a recorded series measures."""
    if key.kind == GAUGE:
        return Metric(name=key.name, kind=MetricKind.GAUGE, value_type="DOUBLE", unit=unit)
    value_type = "DOUBLE" if key.kind == COUNTER else "DISTRIBUTION"
    return Metric(name=key.name, kind=MetricKind.CUMULATIVE, value_type=value_type, unit=unit)


def rendered(
    totals: Totals,
    now_unix_ns: int,
    *,
    service: str,
    environment: str,
    start_of: Callable[[SeriesKey, Known], int] | None = None,
) -> list[Series]:
    """Every series with one point at ``now_unix_ns``.

    Args:
        service, environment: labels of operations; recorded metrics have theirs.
        start_of: when a series began; by default what is known with it.
    """
    made: list[Series] = []
    for key, known in totals.items():
        start = known.start_unix_ns if start_of is None else start_of(key, known)
        total = known.total
        if isinstance(total, OperationTotal):
            fixed = ((SERVICE, service), (OPERATION_LABEL, key.name), (ENVIRONMENT, environment))
            labels = tuple(sorted((*key.labels, *fixed)))
            made += _operation(labels, total, start, now_unix_ns)
        elif isinstance(total, GaugeTotal):
            if total.set_at:
                made.append(_series(metric_of(key, known.unit), key.labels, total.total, None, now_unix_ns))
        elif isinstance(total, DistributionTotal):
            value = _distribution(total)
            if value.count > 0:
                made.append(_series(metric_of(key, known.unit), key.labels, value, start, now_unix_ns))
        else:
            made.append(_series(metric_of(key, known.unit), key.labels, total.total, start, now_unix_ns))
    return made


def _operation(labels: Labels, total: OperationTotal, start: int, now: int) -> list[Series]:
    value = durations(total)
    count = value.count
    errors = min(max(total.errors, 0), count)
    return [
        _series(OPERATION_DURATION, labels, value, start, now),
        *(
            _series(OPERATION_COUNT, tuple(sorted((*labels, (STATUS, status)))), number, start, now)
            for status, number in ((STATUS_OK, count - errors), (STATUS_ERROR, errors))
        ),
    ]


def durations(total: OperationTotal) -> Distribution:
    """The times of an operation in milliseconds, in the buckets that are exported."""
    buckets = {index: count for index, count in total.buckets.items() if count > 0}
    bounds, counts = explicit_buckets(buckets)
    mean_ms = total.sum_ns / 1e6 / max(sum(counts), 1)
    return Distribution(
        bounds=bounds,
        counts=counts,
        sum=max(total.sum_ns, 0) / 1e6,
        sum_of_squared_deviation=sum(
            count * (bucket_middle(index) / 1e6 - mean_ms) ** 2 for index, count in buckets.items()
        ),
    )


def _distribution(total: DistributionTotal) -> Distribution:
    counts = [0] * (len(BOUNDS) + 1)
    for index, count in total.counts.items():
        if count > 0 and index < len(counts):
            counts[index] = count
    return Distribution(
        bounds=BOUNDS,
        counts=tuple(counts),
        sum=total.mean * total.count,
        sum_of_squared_deviation=max(total.squares, 0.0),
    )


def _series(
    metric: Metric, labels: Labels, value: float | Distribution, start: int | None, now: int
) -> Series:
    point = Point(end_unix_ns=now, value=value, start_unix_ns=start)
    return Series(metric=metric, labels=labels, points=(point,))
