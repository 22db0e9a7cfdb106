"""Aligners: the points of one series become one value for each alignment period.

Periods end at the end of the query's interval and at every whole period before it; each takes the points
that end in ``(end - period, end]``, also those before the start of the interval where the first period
reaches back.

ALIGN_DELTA and ALIGN_RATE see a counter as a line between its points, so a period that begins or ends
between two points gets its share of the increase, and the sum over all periods is the whole increase, also
for whole numbers and bucket counts. A counter that starts again (a new start time) counts from zero at that
time. ALIGN_RATE divides by the length of the period, also where the series covers only a part of it.

Source: the documentation of ``Aggregation.Aligner`` (which kinds and value types are valid, what comes
out). The kind that comes out of ALIGN_SUM and ALIGN_COUNT is not documented there: it is left as it went
in.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence

from . import distribution
from .distribution import Distribution
from .messages import (
    BOOL,
    CUMULATIVE,
    DELTA,
    DISTRIBUTION,
    DOUBLE,
    GAUGE,
    INT64,
    KIND_NAMES,
    NUMERIC,
    TYPE_NAMES,
    Aggregation,
)
from .series import RETENTION_NS, SECOND_NS, Value
from .streams import Source, Stream

Shape = tuple[int, int]  # metric kind, value type

QUANTILES = {"99": 0.99, "95": 0.95, "50": 0.50, "05": 0.05}
ALIGNER_NAMES: dict[int, str] = {number: name for name, number in Aggregation.Aligner.items()}


def quantile_of(name: str) -> float | None:
    """0.95 for ALIGN_PERCENTILE_95 and REDUCE_PERCENTILE_95."""
    return QUANTILES.get(name[-2:]) if "_PERCENTILE_" in name else None


def output_shape(aligner: str, kind: int, value_type: int) -> Shape | None:
    """What an aligner makes of a metric, or ``None`` where it can not be applied."""
    numbers_and_distributions = (*NUMERIC, DISTRIBUTION)
    kinds: tuple[int, ...] = (GAUGE, DELTA)
    types: tuple[int, ...] = NUMERIC
    shape = (GAUGE, value_type)
    match aligner:
        case "ALIGN_NONE":
            return kind, value_type
        case "ALIGN_DELTA":
            kinds, types, shape = (CUMULATIVE, DELTA), numbers_and_distributions, (DELTA, value_type)
        case "ALIGN_RATE":
            kinds, shape = (CUMULATIVE, DELTA), (GAUGE, DOUBLE)
        case "ALIGN_MEAN":
            shape = (GAUGE, DOUBLE)
        case "ALIGN_COUNT":
            types, shape = (*NUMERIC, BOOL), (kind, INT64)
        case "ALIGN_SUM":
            types, shape = numbers_and_distributions, (kind, value_type)
        case _ if quantile_of(aligner) is not None:
            types, shape = numbers_and_distributions if kind == GAUGE else (DISTRIBUTION,), (GAUGE, DOUBLE)
    return shape if kind in kinds and value_type in types else None


IMPLEMENTED = (
    "ALIGN_NONE",
    "ALIGN_DELTA",
    "ALIGN_RATE",
    "ALIGN_MIN",
    "ALIGN_MAX",
    "ALIGN_MEAN",
    "ALIGN_COUNT",
    "ALIGN_SUM",
    "ALIGN_PERCENTILE_99",
    "ALIGN_PERCENTILE_95",
    "ALIGN_PERCENTILE_50",
    "ALIGN_PERCENTILE_05",
)


def cannot(what: str, kind: int, value_type: int) -> str:
    return (
        f"The {what} cannot be applied to metrics with kind {KIND_NAMES[kind]} and value type "
        f"{TYPE_NAMES[value_type]}."
    )


def align(source: Source, aligner: str, period_ns: int, after_ns: int, until_ns: int) -> Stream:
    """The aligned values of the periods that end in ``(after_ns, until_ns]``; periods without data have "
    "none."""
    if aligner == "ALIGN_NONE":
        return _copy(source, after_ns, until_ns)
    shape = output_shape(aligner, source.kind, source.value_type)
    if shape is None:
        raise AssertionError("the query was checked against the metric's descriptor")
    result = _empty(source, shape)
    counts_up = aligner in {"ALIGN_DELTA", "ALIGN_RATE"}
    window_of = _increase if counts_up else _points(aligner)
    for end_ns in _window_ends(source, counts_up, period_ns, after_ns, until_ns):
        value = window_of(source, end_ns - period_ns, end_ns)
        if value is None:
            continue
        if aligner == "ALIGN_RATE":
            assert not isinstance(value, Distribution | str)
            value = value * SECOND_NS / period_ns
        result.add(end_ns - period_ns if shape[0] == DELTA else end_ns, end_ns, value)
    return result


def _empty(source: Source, shape: Shape) -> Stream:
    return Stream(
        source.metric_type,
        source.metric_labels,
        source.resource_type,
        source.resource_labels,
        shape[0],
        shape[1],
    )


def _copy(source: Source, after_ns: int, until_ns: int) -> Stream:
    result = _empty(source, (source.kind, source.value_type))
    first, last = bisect_right(source.ends, after_ns), bisect_right(source.ends, until_ns)
    result.starts = list(source.starts[first:last])
    result.ends = list(source.ends[first:last])
    result.values = list(source.values[first:last])
    return result


def _window_ends(
    source: Source, counts_up: bool, period_ns: int, after_ns: int, until_ns: int
) -> Iterator[int]:
    """Ends of the periods that the series' points can reach, oldest first: never more than its data is "
    "long."""
    if not source.ends:
        return
    first_ns = max(source.starts[0] + 1, source.ends[0] - RETENTION_NS) if counts_up else source.ends[0]
    newest = max(0, (until_ns - period_ns - source.ends[-1]) // period_ns + 1)
    oldest = min((until_ns - after_ns - 1) // period_ns, (until_ns - first_ns) // period_ns)
    for steps in range(oldest, newest - 1, -1):
        yield until_ns - steps * period_ns


def _points(aligner: str) -> Callable[[Source, int, int], Value | None]:
    combine = _COMBINE.get(aligner)
    if combine is None:
        q = quantile_of(aligner)
        assert q is not None
        quantile = q
        combine = lambda values: quantile_among(values, quantile)  # noqa: E731

    def window(source: Source, after_ns: int, until_ns: int) -> Value | None:
        first, last = bisect_right(source.ends, after_ns), bisect_right(source.ends, until_ns)
        return combine(source.values[first:last]) if last > first else None

    return window


def total(values: Sequence[Value]) -> Value:
    """The sum of numbers, or the merged distribution."""
    if isinstance(values[0], Distribution):
        return distribution.merge(_distributions(values))
    return sum(_numbers(values))


def mean(values: Sequence[Value]) -> Value:
    """The mean of numbers, or of the merged population."""
    if isinstance(values[0], Distribution):
        return distribution.merge(_distributions(values)).mean
    return sum(_numbers(values)) / len(values)


def quantile_among(values: Sequence[Value], q: float) -> float | None:
    """The ``q`` quantile: of numbers between the two nearest ranks, of distributions from the merged "
    "buckets."""
    if isinstance(values[0], Distribution):
        return distribution.percentile(distribution.merge(_distributions(values)), q)
    ordered = sorted(_numbers(values))
    rank = q * (len(ordered) - 1)
    below = int(rank)
    if below + 1 == len(ordered):
        return float(ordered[below])
    share = rank - below
    return ordered[below] * (1 - share) + ordered[below + 1] * share


def _numbers(values: Sequence[Value]) -> list[int | float]:
    return [value for value in values if isinstance(value, int | float)]


def _distributions(values: Sequence[Value]) -> list[Distribution]:
    return [value for value in values if isinstance(value, Distribution)]


_COMBINE: dict[str, Callable[[Sequence[Value]], Value | None]] = {
    "ALIGN_MIN": lambda values: min(_numbers(values)),
    "ALIGN_MAX": lambda values: max(_numbers(values)),
    "ALIGN_MEAN": mean,
    "ALIGN_COUNT": len,
    "ALIGN_SUM": total,
}


def _increase(source: Source, after_ns: int, until_ns: int) -> Value | None:
    """How much the series grew in ``(after_ns, until_ns]``, or ``None`` where no point covers any of it."""
    parts: list[Value] = []
    index = bisect_right(source.ends, after_ns)
    while index < len(source.ends):
        from_ns, before = _step(source, index)
        if from_ns >= until_ns:
            break
        last = index
        if from_ns >= after_ns:
            # Whole steps of one counter need no look at the points between.
            while (
                last + 1 < len(source.ends)
                and source.ends[last + 1] <= until_ns
                and _continues(source, last + 1)
            ):
                last += 1
        growth = _difference(source.values[last], before)
        to_ns = source.ends[last]
        parts.append(_share(growth, from_ns, to_ns, max(after_ns, from_ns), min(until_ns, to_ns)))
        index = last + 1
    return total(parts) if parts else None


def _continues(source: Source, index: int) -> bool:
    return source.kind == CUMULATIVE and index > 0 and source.starts[index] == source.starts[index - 1]


def _step(source: Source, index: int) -> tuple[int, Value | None]:
    """Where the growth that point ``index`` reports begins, and the value it grew from."""
    if _continues(source, index):
        return source.ends[index - 1], source.values[index - 1]
    return source.starts[index], None


def _difference(later: Value, earlier: Value | None) -> Value:
    if earlier is None:
        return later
    if isinstance(later, Distribution) and isinstance(earlier, Distribution):
        return distribution.subtract(later, earlier)
    assert not isinstance(later, Distribution | str)
    assert not isinstance(earlier, Distribution | str)
    return later - earlier


def _share(growth: Value, from_ns: int, to_ns: int, after_ns: int, until_ns: int) -> Value:
    """The part of an even growth over ``(from, to]`` that lies in ``(after, until]``, rounded at both "
    "of its ends."""
    if after_ns == from_ns and until_ns == to_ns:
        return growth
    length = to_ns - from_ns
    begin, end = (after_ns - from_ns) / length, (until_ns - from_ns) / length
    if isinstance(growth, Distribution):
        upper = distribution.part_of(growth, end)
        return distribution.subtract(upper, distribution.part_of(growth, begin)) if begin > 0 else upper
    assert not isinstance(growth, str)
    if isinstance(growth, int):
        # Whole nanoseconds keep the rounding exact for numbers that a float can not hold.
        return _rounded(growth, until_ns - from_ns, length) - _rounded(growth, after_ns - from_ns, length)
    return growth * end - growth * begin


def _rounded(value: int, numerator: int, denominator: int) -> int:
    return (2 * value * numerator + denominator) // (2 * denominator)
