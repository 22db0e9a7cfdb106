"""OTLP's data points as points of Cloud Monitoring: suffix, metric kind, value type and value.

Every number becomes a DOUBLE. The deviation of a distribution, which OTLP does not carry, is made of the
middles of its buckets.

Source: https://docs.cloud.google.com/stackdriver/docs/reference/telemetry/v1.metrics and MIGRATION.md of
GoogleCloudPlatform/opentelemetry-operations-python
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from ..monitoring.distribution import MAX_BUCKETS, Distribution, DistributionError, read
from ..monitoring.messages import CUMULATIVE, DELTA, DISTRIBUTION, DOUBLE, GAUGE
from ..monitoring.messages import Distribution as DistributionMessage

TEMPORALITY_DELTA, TEMPORALITY_CUMULATIVE = 1, 2
NO_VALUE = 1  # DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK
MAX_QUANTILES = 10  # of one summary
MOST_COUNT = 2**63 - 1  # OTLP counts to twice that, Cloud Monitoring does not


class RefusedError(ValueError):
    """A data point that is refused; the text is the reason."""


@dataclass(frozen=True, slots=True)
class Written:
    """One point of Cloud Monitoring."""

    suffix: str  # after the metric's name
    kind: int
    value_type: int
    value: float | Distribution
    labels: dict[str, str] = field(default_factory=dict)  # besides the point's attributes


def data_points(metric: Any) -> Sequence[Any]:
    """The data points of a metric, whatever it is."""
    for name in ("gauge", "sum", "histogram", "exponential_histogram", "summary"):
        if metric.HasField(name):
            points: Sequence[Any] = getattr(metric, name).data_points
            return points
    return ()


def written(metric: Any, point: Any) -> Iterator[Written]:
    """What one data point is stored as; a summary is several.

    Raises:
        RefusedError: a documented rule is broken.
    """
    if point.flags & NO_VALUE:
        return
    if metric.HasField("gauge"):
        yield Written("/gauge", GAUGE, DOUBLE, _number(point))
    elif metric.HasField("sum"):
        yield _of_sum(metric.sum, point)
    elif metric.HasField("histogram"):
        suffix, kind = _of_histogram(metric.histogram)
        yield Written(suffix, kind, DISTRIBUTION, _checked(_explicit(point)))
    elif metric.HasField("exponential_histogram"):
        suffix, kind = _of_histogram(metric.exponential_histogram)
        yield Written(suffix, kind, DISTRIBUTION, _checked(_exponential(point)))
    else:
        if len(point.quantile_values) > MAX_QUANTILES:
            raise RefusedError(f"a summary has at most {MAX_QUANTILES} quantiles")
        yield Written("_count/summary", CUMULATIVE, DOUBLE, float(point.count))
        yield Written("_sum/summary:counter", CUMULATIVE, DOUBLE, _finite(point.sum))
        for each in point.quantile_values:
            label = {"quantile": f"{each.quantile:g}"}
            yield Written("/summary", GAUGE, DOUBLE, _finite(each.value), label)


def _of_sum(given: Any, point: Any) -> Written:
    temporality = given.aggregation_temporality
    if temporality == TEMPORALITY_CUMULATIVE:
        if given.is_monotonic:
            return Written("/counter", CUMULATIVE, DOUBLE, _number(point))
        return Written("/gauge", GAUGE, DOUBLE, _number(point))
    if temporality == TEMPORALITY_DELTA:
        if given.is_monotonic:
            return Written("/delta", DELTA, DOUBLE, _number(point))
        raise RefusedError("non-monotonic sums with delta temporality are not supported")
    raise RefusedError("the aggregation temporality must be specified")


def _of_histogram(given: Any) -> tuple[str, int]:
    if given.aggregation_temporality == TEMPORALITY_CUMULATIVE:
        return "/histogram", CUMULATIVE
    if given.aggregation_temporality == TEMPORALITY_DELTA:
        return "/histogram:delta", DELTA
    raise RefusedError("the aggregation temporality must be specified")


def _number(point: Any) -> float:
    if point.HasField("as_int"):
        return float(point.as_int)
    if point.HasField("as_double"):
        return _finite(point.as_double)
    raise RefusedError("the data point has no value")


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise RefusedError(f"the value {value} is not finite")
    return value


def _checked(message: Any) -> Distribution:
    try:
        return read(message)
    except DistributionError as error:
        raise RefusedError(str(error)) from None


def _explicit(point: Any) -> Any:
    if len(point.explicit_bounds) >= MAX_BUCKETS:
        raise _too_many(len(point.explicit_bounds) + 1)
    bounds, counts = tuple(point.explicit_bounds), tuple(point.bucket_counts[: MAX_BUCKETS + 1])
    if counts and len(counts) != len(bounds) + 1:
        raise RefusedError(
            f"{len(point.bucket_counts)} bucket counts do not fit {len(bounds)} explicit bounds"
        )
    made = _of_count(point.count, counts)
    if counts and bounds:
        made.bucket_options.explicit_buckets.bounds.extend(bounds)
        made.bucket_counts.extend(counts)
    _fill_moments(made, point, bounds, counts)
    return made


def _exponential(point: Any) -> Any:
    if not -10 <= point.scale <= 20:
        raise RefusedError(f"the scale {point.scale} is not between -10 and 20")
    given = point.positive.bucket_counts
    filled = [index for index, count in enumerate(given) if count]
    counts: tuple[int, ...] = ()
    if filled:
        if filled[-1] - filled[0] + 3 > MAX_BUCKETS:
            raise _too_many(filled[-1] - filled[0] + 3)
        counts = tuple(given[filled[0] : filled[-1] + 1])
    offset = point.positive.offset + (filled[0] if filled else 0)
    below = point.zero_count + sum(point.negative.bucket_counts)
    made = _of_count(point.count, (below, *counts))
    bounds: tuple[float, ...] = ()
    if counts:
        try:
            growth = 2.0 ** (2.0**-point.scale)
            bounds = tuple(growth ** (offset + index) for index in range(len(counts) + 1))
        except OverflowError:
            raise RefusedError("a bucket has a bound that is not finite") from None
        buckets = made.bucket_options.exponential_buckets
        buckets.num_finite_buckets, buckets.growth_factor, buckets.scale = len(counts), growth, bounds[0]
        made.bucket_counts.extend((below, *counts, 0))
    _fill_moments(made, point, bounds, (below, *counts, 0) if counts else ())
    return made


def _of_count(count: int, counts: Sequence[int]) -> Any:
    """A distribution of so many values, which its buckets can hold."""
    most = max((count, *counts))
    if most > MOST_COUNT:
        raise RefusedError(f"the count {most} is more than {MOST_COUNT}")
    return DistributionMessage(count=count)


def _too_many(buckets: int) -> RefusedError:
    return RefusedError(f"Distribution has {buckets} buckets, more than the {MAX_BUCKETS} allowed")


def _fill_moments(made: Any, point: Any, bounds: Sequence[float], counts: Sequence[int]) -> None:
    if not point.count:
        return
    made.mean = _finite(point.sum) / point.count
    if point.HasField("min") and point.HasField("max"):
        made.range.min, made.range.max = point.min, point.max
    if not (bounds and counts):
        return
    edges = (min(0.0, bounds[0]), *bounds, bounds[-1])
    away = [low / 2 + high / 2 - made.mean for low, high in pairwise(edges)]
    # Not with **, which raises where a product is infinite and refused later.
    made.sum_of_squared_deviation = sum(count * far * far for count, far in zip(counts, away, strict=True))
