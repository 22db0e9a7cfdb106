"""Distributions: the rules for writing them, and their arithmetic."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genesis_performance.emulator.monitoring import distribution as d
from genesis_performance.emulator.monitoring.messages import Distribution
from genesis_performance.emulator.rpc_error import RpcError

from .build import create, query, series
from .build import distribution as build

BOUNDS = (1.0, 2.0, 4.0)
counts = st.lists(st.integers(0, 1000), min_size=4, max_size=4)


def test_a_written_distribution_is_read_back(metrics, cloud):
    written = build([1, 2, 0, 3])
    written.range.min, written.range.max = 0.5, 9.0
    written.sum_of_squared_deviation = 4.0
    written.exemplars.add(value=1.5)
    metrics.CreateTimeSeries(create([series(written, cloud.now_s)]))
    answer = metrics.ListTimeSeries(query(cloud.now_s - 60, cloud.now_s))
    assert answer.time_series[0].points[0].value.distribution_value == written


def test_trailing_empty_buckets_may_be_left_out():
    assert d.read(build([6, 0, 0, 0])).counts == d.read(build([6])).counts


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m.ClearField("bucket_options"), "without |bucket_options|"),
        (lambda m: setattr(m, "count", 7), "sum up to 6, but |count| is 7"),
        (lambda m: setattr(m, "count", -1), "must not be negative"),
        (lambda m: m.bucket_counts.append(0) or m.bucket_counts.append(0), "for 4 buckets"),
        (
            lambda m: m.bucket_options.explicit_buckets.ClearField("bounds"),
            "does not have at least one entry",
        ),
        (lambda m: m.bucket_options.explicit_buckets.bounds.append(4.0), "strictly increasing"),
        (lambda m: m.bucket_options.explicit_buckets.bounds.append(math.nan), "not finite"),
        (
            lambda m: m.bucket_options.explicit_buckets.bounds.extend(range(5, 300)),
            "more than the 200 allowed",
        ),
        (lambda m: setattr(m, "mean", math.nan), "must be finite"),
        (lambda m: setattr(m, "mean", 1e308), "is not finite"),
        (lambda m: setattr(m, "sum_of_squared_deviation", -1), "must not be negative"),
        (lambda m: setattr(m.range, "min", 3), "|min| not above |max|"),
        (lambda m: setattr(m.bucket_options.linear_buckets, "width", 1), "must be greater than 0"),
        (lambda m: setattr(m.bucket_options.linear_buckets, "num_finite_buckets", 3), "width"),
        (
            lambda m: setattr(m.bucket_options.linear_buckets, "num_finite_buckets", 2**31 - 1),
            "more than the 200",
        ),
        (lambda m: setattr(m.bucket_options.exponential_buckets, "num_finite_buckets", 3), "growth_factor"),
    ],
)
def test_rules_of_distributions(metrics, cloud, change, words):
    message = build([1, 2, 0, 3])
    change(message)
    with pytest.raises(RpcError) as caught:
        metrics.CreateTimeSeries(create([series(message, cloud.now_s)]))
    assert words in caught.value.message


def test_negative_bucket_counts_are_refused():
    message = build([1, 2, 0, 3])
    message.bucket_counts[0], message.bucket_counts[1] = -1, 4
    with pytest.raises(d.DistributionError, match="negative"):
        d.read(message)


@pytest.mark.parametrize("field", ["mean", "sum_of_squared_deviation"])
def test_an_empty_population_has_no_moments(field):
    message = build([0, 0, 0, 0])
    setattr(message, field, 1.0)
    with pytest.raises(d.DistributionError, match="count"):
        d.read(message)


def test_an_exponential_scale_must_be_positive_and_its_bounds_finite():
    message = Distribution()
    spec = message.bucket_options.exponential_buckets
    spec.num_finite_buckets, spec.growth_factor, spec.scale = 3, 2, 0
    with pytest.raises(d.DistributionError, match="scale"):
        d.read(message)
    spec.growth_factor, spec.scale, spec.num_finite_buckets = 1e300, 1, 5
    with pytest.raises(d.DistributionError, match="finite"):
        d.read(message)


def test_linear_and_exponential_bounds_are_computed():
    message = Distribution(count=1, mean=2, bucket_counts=[1])
    message.bucket_options.linear_buckets.num_finite_buckets = 2
    message.bucket_options.linear_buckets.width = 5
    assert d.read(message).layout.bounds == (0.0, 5.0, 10.0)
    message.bucket_options.exponential_buckets.num_finite_buckets = 2
    message.bucket_options.exponential_buckets.growth_factor = 10
    message.bucket_options.exponential_buckets.scale = 1
    assert d.read(message).layout.bounds == (1.0, 10.0, 100.0)


@pytest.mark.parametrize(
    ("buckets", "q", "expected"),
    [
        ([0, 10, 0, 0], 0.5, 1.5),  # half way through [1, 2)
        ([0, 10, 10, 0], 0.5, 2.0),
        ([0, 10, 10, 0], 0.75, 3.0),
        ([10, 0, 0, 0], 0.5, 0.5),  # the first bucket begins at 0
        ([0, 0, 0, 10], 0.99, 4.0),  # the last one has no end
        ([1, 0, 0, 1], 0.99, 4.0),
    ],
)
def test_percentiles_are_interpolated_within_the_bucket(buckets, q, expected):
    assert d.percentile(d.read(build(buckets)), q) == pytest.approx(expected)


def test_the_range_bounds_the_open_buckets():
    message = build([2, 0, 0, 2])
    message.range.min, message.range.max = 0.5, 8.0
    value = d.read(message)
    assert d.percentile(value, 0.0) == 0.5
    assert d.percentile(value, 1.0) == 8.0


def test_without_a_histogram_every_percentile_is_the_mean():
    assert d.percentile(d.read(Distribution(count=3, mean=7.0)), 0.95) == 7.0


def test_an_empty_population_has_no_percentile():
    assert d.percentile(d.read(build([0, 0, 0, 0])), 0.5) is None


@given(counts, st.floats(0, 1))
def test_a_percentile_lies_within_the_bounds_of_its_bucket(buckets, q):
    value = d.read(build(buckets))
    found = d.percentile(value, q)
    if sum(buckets) == 0:
        assert found is None
        return
    edges = [0.0, *BOUNDS, BOUNDS[-1]]
    used = [i for i, count in enumerate(buckets) if count]
    assert edges[used[0]] <= found <= edges[used[-1] + 1]


@given(counts, st.lists(st.floats(0, 1), min_size=2, max_size=5))
def test_a_higher_quantile_is_not_lower(buckets, quantiles):
    value = d.read(build([*buckets[:3], buckets[3] + 1]))
    found = [d.percentile(value, q) for q in sorted(quantiles)]
    assert all(low <= high + 1e-9 for low, high in pairwise(found))


@given(counts, counts)
def test_what_is_merged_and_subtracted_again_is_the_same(first, second):
    a, b = d.read(build(first)), d.read(build(second, mean=3.0))
    difference = d.subtract(d.merge([a, b]), a)
    assert difference.counts == b.counts
    assert difference.count == b.count
    assert difference.mean == pytest.approx(b.mean)


@given(counts, st.lists(st.floats(0, 1), max_size=4))
def test_parts_of_a_population_add_up_to_it(buckets, cuts):
    value = d.read(build(buckets))
    edges = [0.0, *sorted(cuts), 1.0]
    parts = [d.subtract(d.part_of(value, upper), d.part_of(value, lower)) for lower, upper in pairwise(edges)]
    assert d.merge(parts).counts == value.counts


@settings(max_examples=50)
@given(counts, st.lists(st.integers(1, 50), min_size=1, max_size=6, unique=True).map(sorted))
def test_moving_to_other_buckets_loses_nobody(buckets, bounds):
    first = d.read(build([1] + [0] * len(bounds), bounds=[float(bound) for bound in bounds]))
    merged = d.merge([first, d.read(build(buckets))])
    assert sum(merged.counts) == merged.count == sum(buckets) + 1


def test_distributions_with_and_without_histogram_merge():
    merged = d.merge([d.read(build([1, 0, 0, 0])), d.read(Distribution(count=2, mean=3.0))])
    assert merged.counts == (1, 0, 2, 0)
