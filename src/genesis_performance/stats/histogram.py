"""Log-linear histograms of durations: buckets, quantiles, sums and differences.

32 linear sub-buckets in each octave, over integer nanoseconds. A value and the middle of its bucket
differ by at most 1/64 of the value (1.6 %), a bucket is 1/32 to 1/64 of its values wide. Values below 32
have a bucket each. The recorder in ``operations`` inlines ``bucket_index``.

Source: Gil Tene, HdrHistogram (sub-buckets in power-of-two ranges), https://hdrhistogram.github.io/HdrHistogram/
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from ..errors import InvalidInputError
from ..model.operation import Histogram, OperationSnapshot

SUB_BUCKET_BITS = 5
SUB_BUCKETS = 1 << SUB_BUCKET_BITS

EXPORT_LOWEST_BITS = 10  # 2**10 ns, 1.024 us: below it the clock and the recorder are most of a value
EXPORT_OCTAVES = 24  # up to 2**34 ns, 17.2 s
EXPORT_PER_OCTAVE = 8  # 193 bounds: Cloud Monitoring takes at most 200 buckets


def bucket_index(value_ns: int) -> int:
    """The bucket that holds a duration; monotone and without gaps."""
    if value_ns < SUB_BUCKETS:
        return value_ns
    shift = value_ns.bit_length() - (SUB_BUCKET_BITS + 1)
    return (shift << SUB_BUCKET_BITS) + (value_ns >> shift)


def bucket_bounds(index: int) -> tuple[int, int]:
    """Lowest value of a bucket, and the lowest of the next one."""
    if index < 2 * SUB_BUCKETS:
        return index, index + 1
    shift = (index >> SUB_BUCKET_BITS) - 1
    low = (index - (shift << SUB_BUCKET_BITS)) << shift
    return low, low + (1 << shift)


def bucket_middle(index: int) -> float:
    """The value that stands for a bucket: the middle of the integers it holds."""
    low, high = bucket_bounds(index)
    return (low + high - 1) / 2


def quantile(
    counts: Mapping[int, int], q: float, *, min_ns: int | None = None, max_ns: int | None = None
) -> float:
    """The value at rank ``q`` in nanoseconds, at most one half bucket (1.6 %) away from the true one.

    The rank is the inverse of the empirical distribution (type 1 of Hyndman and Fan 1996): the
    smallest value with at least ``q`` of all values at or below it.

    Args:
        counts: bucket index to number of values.
        q: 0 to 1.
        min_ns, max_ns: the true extremes where they are known; the answer is kept within them.

    Raises:
        InvalidInputError: ``q`` is not within 0 to 1, or there are no values.
    """
    if not 0 <= q <= 1:
        raise InvalidInputError(f"quantile q is {q!r}; it must be a number from 0 to 1")
    total = sum(counts.values())
    if total <= 0:
        raise InvalidInputError("a quantile of an empty histogram does not exist")
    if q == 0 and min_ns is not None:
        return float(min_ns)
    if q == 1 and max_ns is not None:
        return float(max_ns)
    wanted = q * total
    seen = 0
    index = 0
    for index in sorted(index for index, count in counts.items() if count):
        seen += counts[index]
        if seen >= wanted:
            break
    value = bucket_middle(index)
    if max_ns is not None:
        value = min(value, max_ns)
    if min_ns is not None:
        value = max(value, min_ns)
    return float(value)


def merge(a: Mapping[int, int], b: Mapping[int, int]) -> dict[int, int]:
    """The counts of both together."""
    merged = dict(a)
    for index, count in b.items():
        merged[index] = merged.get(index, 0) + count
    return merged


def difference(newer: OperationSnapshot, older: OperationSnapshot | None) -> OperationSnapshot:
    """What happened between two snapshots of one operation.

    When the process restarted in between (another ``start_unix_ns``, or a counter that fell), all of
    ``newer`` happened since then and it is returned as it is. The extremes of a difference are those of
    its buckets, because the true ones may lie before ``older``; they are kept within those of ``newer``.
    ``in_flight`` is that of ``newer``.
    """
    if older is None or newer.start_unix_ns != older.start_unix_ns or newer.count < older.count:
        return newer
    if newer.name != older.name:
        raise InvalidInputError(f"{newer.name!r} and {older.name!r} are different operations")
    then = older.histogram.counts
    counts = {
        index: count - then.get(index, 0)
        for index, count in newer.histogram.counts.items()
        if count > then.get(index, 0)
    }
    low = bucket_bounds(min(counts))[0] if counts else 0
    high = bucket_bounds(max(counts))[1] - 1 if counts else 0
    errors = {
        name: count - older.error_types.get(name, 0)
        for name, count in newer.error_types.items()
        if count > older.error_types.get(name, 0)
    }
    cpu_ns = None
    if newer.cpu_ns is not None:
        cpu_ns = max(0, newer.cpu_ns - (older.cpu_ns or 0))
    return OperationSnapshot(
        name=newer.name,
        labels=newer.labels,
        count=newer.count - older.count,
        errors=max(0, newer.errors - older.errors),
        error_types=errors,
        sum_ns=max(0, newer.sum_ns - older.sum_ns),
        min_ns=max(low, newer.min_ns) if counts else 0,
        max_ns=min(high, newer.max_ns) if counts else 0,
        histogram=Histogram(counts),
        cpu_ns=cpu_ns,
        cpu_samples=max(0, newer.cpu_samples - older.cpu_samples),
        in_flight=newer.in_flight,
        start_unix_ns=newer.start_unix_ns,
    )


@cache
def export_bounds_ns(per_octave: int = EXPORT_PER_OCTAVE) -> tuple[int, ...]:
    """Bounds of the exported buckets: every 4th local bound from 1.024 us to 17.2 s.

    Being a subset of the local bounds they split no local bucket, so exporting counts is exact. A bucket is
    at most 1/8 of its values wide, so its middle is within 6.3 %.
    """
    if per_octave < 1 or SUB_BUCKETS % per_octave:
        raise InvalidInputError(f"bounds_per_octave is {per_octave!r}; it must divide {SUB_BUCKETS}")
    bounds = [
        (1 << octave) + step * ((1 << octave) // per_octave)
        for octave in range(EXPORT_LOWEST_BITS, EXPORT_LOWEST_BITS + EXPORT_OCTAVES)
        for step in range(per_octave)
    ]
    return (*bounds, 1 << (EXPORT_LOWEST_BITS + EXPORT_OCTAVES))


def explicit_buckets(
    counts: Mapping[int, int], bounds_per_octave: int = EXPORT_PER_OCTAVE
) -> tuple[tuple[float, ...], tuple[int, ...]]:
    """Counts in explicit buckets for a sink: bounds in milliseconds, and one more count than bounds.

    ``counts[i]`` values lie in ``[bounds[i-1], bounds[i])``; the first and the last bucket are open.
    """
    bounds_ns = export_bounds_ns(bounds_per_octave)
    first = bucket_index(bounds_ns[0])
    step = SUB_BUCKETS // bounds_per_octave
    exported = [0] * (len(bounds_ns) + 1)
    for index, count in counts.items():
        place = (index - first) // step + 1 if index >= first else 0
        exported[min(place, len(bounds_ns))] += count
    return _export_bounds_ms(bounds_per_octave), tuple(exported)


@cache  # of thousands of series each would have 193 floats of its own
def _export_bounds_ms(per_octave: int) -> tuple[float, ...]:
    return tuple(bound / 1e6 for bound in export_bounds_ns(per_octave))


def spread(counts: Mapping[int, int], limit: int) -> list[float]:
    """At most ``limit`` values in nanoseconds that stand for a histogram, in ascending order.

    They lie at evenly spaced ranks, and the values of one bucket are spread evenly over it, so that
    statistics of them do not see the buckets' steps. The same histogram gives the same values.
    """
    total = sum(counts.values())
    wanted = min(limit, total)
    values: list[float] = []
    seen = 0
    for index in sorted(counts):
        count = counts[index]
        low, high = bucket_bounds(index)
        while len(values) < wanted and (rank := (len(values) + 0.5) * total / wanted) <= seen + count:
            values.append(low + (high - low) * (rank - seen) / count)
        seen += count
    return values
