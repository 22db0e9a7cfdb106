"""Distributions: reading them from a point, the documented rules, and the arithmetic of aligners and
reducers.

Percentiles: the bucket that holds rank ``q * count`` is found, and the value is interpolated linearly
between the bucket's bounds by the share of the bucket's count below that rank. The first bucket has no
lower bound: the range's minimum serves where the writer sent one, else 0 (or the bound itself when that is
negative). The last one has no upper bound: the range's maximum serves, else the bound. Without a histogram
every percentile is the mean.

Distributions with different buckets are merged by moving each bucket's count to the bucket of the first one
that holds its midpoint; what the real service does then is not documented.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

from . import messages

MAX_BUCKETS = 200


class DistributionError(ValueError):
    """A distribution that the service refuses; the text is the reason."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the buckets lie; equal layouts are one object."""

    bounds: tuple[float, ...]  # empty: no histogram
    options: bytes  # the bucket_options as they were written


@dataclass(frozen=True, slots=True)
class Distribution:
    """Count, moments and histogram of a population."""

    count: int
    total: float
    squares: float  # sum of the squared values, so that adding and subtracting are exact
    layout: Layout
    counts: tuple[int, ...]  # one more than bounds; empty without a histogram
    low: float | None = None
    high: float | None = None
    exemplars: bytes = b""

    @property
    def mean(self) -> float:
        return self.total / self.count if self.count else 0.0


@lru_cache(maxsize=4096)
def _layout(options: bytes) -> Layout:
    buckets = messages.Distribution.BucketOptions.FromString(options)
    which = buckets.WhichOneof("options")
    if which is None:
        return Layout((), b"")
    if which == "explicit_buckets":
        bounds = tuple(buckets.explicit_buckets.bounds)
        if not bounds:
            raise DistributionError("Distribution |explicit_buckets.bounds| does not have at least one entry")
    else:
        spec = buckets.linear_buckets if which == "linear_buckets" else buckets.exponential_buckets
        finite = spec.num_finite_buckets
        if finite <= 0:
            raise DistributionError(f"Distribution |{which}.num_finite_buckets| must be greater than 0")
        if finite + 2 > MAX_BUCKETS:
            raise DistributionError(
                f"Distribution has {finite + 2} buckets, more than the {MAX_BUCKETS} allowed"
            )
        bounds = _computed_bounds(which, spec, finite)
    if len(bounds) + 1 > MAX_BUCKETS:
        raise DistributionError(
            f"Distribution has {len(bounds) + 1} buckets, more than the {MAX_BUCKETS} allowed"
        )
    # Written so that NaN fails too.
    if not all(math.isfinite(bound) for bound in bounds):
        raise DistributionError(f"Distribution |{which}| has a bound that is not finite")
    if not all(low < high for low, high in pairwise(bounds)):
        raise DistributionError(f"Distribution |{which}.bounds| must be strictly increasing")
    return Layout(bounds, options)


def _computed_bounds(which: str, spec: Any, finite: int) -> tuple[float, ...]:
    if which == "linear_buckets":
        if not spec.width > 0:
            raise DistributionError("Distribution |linear_buckets.width| must be greater than 0")
        return tuple(spec.offset + spec.width * i for i in range(finite + 1))
    if not spec.growth_factor > 1:
        raise DistributionError("Distribution |exponential_buckets.growth_factor| must be greater than 1")
    if not spec.scale > 0:
        raise DistributionError("Distribution |exponential_buckets.scale| must be greater than 0")
    try:
        return tuple(spec.scale * spec.growth_factor**i for i in range(finite + 1))
    except OverflowError:
        raise DistributionError("Distribution |exponential_buckets| has a bound that is not finite") from None


def read(message: Any) -> Distribution:
    """Check a written distribution and keep what later reads need.

    Raises:
        DistributionError: a documented rule is broken.
    """
    count, mean, deviation = message.count, message.mean, message.sum_of_squared_deviation
    layout = _layout(message.bucket_options.SerializeToString())
    counts = tuple(message.bucket_counts)
    if count < 0:
        raise DistributionError("Distribution |count| must not be negative")
    if not (math.isfinite(mean) and math.isfinite(deviation)):
        raise DistributionError("Distribution |mean| and |sum_of_squared_deviation| must be finite")
    if deviation < 0:
        raise DistributionError("Distribution |sum_of_squared_deviation| must not be negative")
    if count == 0 and (mean != 0 or deviation != 0 or message.HasField("range")):
        raise DistributionError(
            "Distribution with |count| 0 must have |mean| 0, |sum_of_squared_deviation| 0 and no |range|"
        )
    counts = _histogram(layout, counts, count)
    low = high = None
    if message.HasField("range"):
        low, high = message.range.min, message.range.max
        if not (math.isfinite(low) and math.isfinite(high) and low <= high):
            raise DistributionError("Distribution |range| must be finite with |min| not above |max|")
    exemplars = b""
    if message.exemplars:
        exemplars = messages.Distribution(exemplars=message.exemplars).SerializeToString()
    total = mean * count
    if not math.isfinite(total):
        raise DistributionError("Distribution |mean| times |count| is not finite")
    return Distribution(count, total, deviation + mean * total, layout, counts, low, high, exemplars)


def _histogram(layout: Layout, counts: tuple[int, ...], count: int) -> tuple[int, ...]:
    """The bucket counts, one for each bucket."""
    if not layout.bounds:
        if counts:
            raise DistributionError("Distribution has |bucket_counts| without |bucket_options|")
        return ()
    buckets = len(layout.bounds) + 1
    if len(counts) > buckets:
        raise DistributionError(f"Distribution has {len(counts)} |bucket_counts| for {buckets} buckets")
    if counts and min(counts) < 0:
        raise DistributionError("Distribution |bucket_counts| must not be negative")
    if sum(counts) != count:
        raise DistributionError(
            f"Distribution |bucket_counts| sum up to {sum(counts)}, but |count| is {count}"
        )
    return counts + (0,) * (buckets - len(counts))  # trailing zeros may be left out on the wire


def write(value: Distribution, message: Any) -> None:
    """Fill a protobuf distribution."""
    if value.exemplars:
        message.MergeFromString(value.exemplars)
    message.count = value.count
    message.mean = value.mean
    message.sum_of_squared_deviation = max(0.0, value.squares - value.mean * value.total)
    if value.low is not None and value.high is not None and value.count:
        message.range.min, message.range.max = value.low, value.high
    if value.layout.bounds:
        message.bucket_options.MergeFromString(value.layout.options)
        message.bucket_counts.extend(value.counts)


def merge(values: Iterable[Distribution]) -> Distribution:
    """The distribution of all populations together."""
    parts = list(values)
    layout = next((part.layout for part in parts if part.layout.bounds), parts[0].layout)
    columns = [_in_layout(part, layout) for part in parts]
    lows = [part.low for part in parts if part.low is not None]
    highs = [part.high for part in parts if part.high is not None]
    # A range is known only where every part that has values knows its own.
    has_range = len(lows) == sum(1 for part in parts if part.count)
    return Distribution(
        sum(part.count for part in parts),
        sum(part.total for part in parts),
        sum(part.squares for part in parts),
        layout,
        tuple(map(sum, zip(*columns, strict=True))) if layout.bounds else (),
        min(lows, default=None) if has_range else None,
        max(highs, default=None) if has_range else None,
        b"".join(part.exemplars for part in parts),
    )


def subtract(later: Distribution, earlier: Distribution) -> Distribution:
    """What came to ``earlier`` to make it ``later``; no bucket goes below zero."""
    before = _in_layout(earlier, later.layout)
    counts = tuple(max(0, b - a) for a, b in zip(before, later.counts, strict=True))
    count = sum(counts) if later.layout.bounds else max(0, later.count - earlier.count)
    total = later.total - earlier.total if count else 0.0
    return Distribution(
        count,
        total,
        max(later.squares - earlier.squares, total * total / count) if count else 0.0,
        later.layout,
        counts,
        exemplars=later.exemplars,
    )


def part_of(value: Distribution, share: float) -> Distribution:
    """The first ``share`` of a population that came evenly; every bucket is rounded to whole values."""
    if share >= 1:
        return value
    counts = tuple(round(bucket * share) for bucket in value.counts)
    count = sum(counts) if value.layout.bounds else round(value.count * share)
    total = value.mean * count
    spread = value.squares - value.mean * value.total
    return Distribution(count, total, value.mean * total + spread * share, value.layout, counts)


def percentile(value: Distribution, q: float) -> float | None:
    """The ``q`` quantile, 0 to 1, by the rule at the head of this module; ``None`` for an empty "
    "population."""
    if value.count <= 0:
        return None
    bounds = value.layout.bounds
    if not bounds:
        return value.mean
    rank = q * value.count
    below = 0
    last = max(i for i, bucket in enumerate(value.counts) if bucket)
    for i, bucket in enumerate(value.counts):
        if bucket and (below + bucket >= rank or i == last):
            lower, upper = _edges(value, i)
            return lower + (upper - lower) * min(1.0, max(0.0, (rank - below) / bucket))
        below += bucket
    raise AssertionError("a population that is not empty has a last bucket")


def _edges(value: Distribution, index: int) -> tuple[float, float]:
    bounds = value.layout.bounds
    if index == 0:
        known = value.low if value.low is not None else 0.0
        return min(known, bounds[0]), bounds[0]
    if index == len(bounds):
        known = value.high if value.high is not None else bounds[-1]
        return bounds[-1], max(known, bounds[-1])
    return bounds[index - 1], bounds[index]


def _in_layout(value: Distribution, layout: Layout) -> tuple[int, ...]:
    if value.layout is layout or value.layout.bounds == layout.bounds:
        return value.counts
    counts = [0] * (len(layout.bounds) + 1 if layout.bounds else 0)
    if not counts:
        return ()
    bounds = value.layout.bounds
    if not bounds:
        counts[bisect_right(layout.bounds, value.mean)] += value.count
        return tuple(counts)
    for i, bucket in enumerate(value.counts):
        if bucket:
            lower, upper = _edges(value, i)
            counts[bisect_right(layout.bounds, (lower + upper) / 2)] += bucket
    return tuple(counts)
