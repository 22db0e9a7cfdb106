"""The histogram: buckets without gaps, bounded error, sums and differences that add up."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genesis_performance.errors import InvalidInputError
from genesis_performance.model.operation import Histogram, OperationSnapshot
from genesis_performance.stats.histogram import (
    bucket_bounds,
    bucket_index,
    bucket_middle,
    difference,
    explicit_buckets,
    merge,
    quantile,
    spread,
)

durations_ns = st.integers(min_value=0, max_value=2**62)
histograms = st.dictionaries(st.integers(0, 1500), st.integers(0, 10_000), max_size=60)


def snapshot(counts: dict[int, int], **changes: object) -> OperationSnapshot:
    values: dict[str, object] = {
        "name": "checkout",
        "count": sum(counts.values()),
        "errors": 0,
        "sum_ns": sum(int(bucket_middle(index)) * count for index, count in counts.items()),
        "min_ns": bucket_bounds(min(counts))[0] if counts else 0,
        "max_ns": bucket_bounds(max(counts))[1] - 1 if counts else 0,
        "histogram": Histogram(counts),
        "cpu_ns": None,
        "start_unix_ns": 1,
    }
    return OperationSnapshot(**(values | changes))  # type: ignore[arg-type]


@given(durations_ns)
def test_a_value_lies_within_the_bounds_of_its_bucket(value: int) -> None:
    low, high = bucket_bounds(bucket_index(value))
    assert low <= value < high


@given(durations_ns)
def test_the_middle_of_a_bucket_is_within_1_6_percent_of_its_values(value: int) -> None:
    assert abs(bucket_middle(bucket_index(value)) - value) <= value / 64


@given(st.integers(0, 4000))
def test_buckets_follow_one_another_without_gaps(index: int) -> None:
    low, high = bucket_bounds(index)
    assert bucket_index(low) == index
    assert bucket_index(high) == index + 1


@pytest.mark.parametrize(
    ("value", "index"), [(0, 0), (31, 31), (32, 32), (63, 63), (64, 64), (65, 64), (66, 65), (128, 96)]
)
def test_known_values_fall_into_known_buckets(value: int, index: int) -> None:
    assert bucket_index(value) == index


@given(st.lists(durations_ns, min_size=1, max_size=200), st.floats(0, 1))
def test_a_quantile_is_within_1_6_percent_of_the_true_one(values: list[int], q: float) -> None:
    counts: dict[int, int] = {}
    for value in values:
        counts = merge(counts, {bucket_index(value): 1})
    ordered = sorted(values)
    rank = next(rank for rank in range(1, len(values) + 1) if rank >= q * len(values))
    true = ordered[rank - 1]
    assert abs(quantile(counts, q) - true) <= true / 64


@given(histograms.filter(lambda counts: sum(counts.values()) > 0), st.floats(0, 1), st.floats(0, 1))
def test_a_quantile_never_falls_as_q_grows(counts: dict[int, int], a: float, b: float) -> None:
    assert quantile(counts, min(a, b)) <= quantile(counts, max(a, b))


def test_a_quantile_is_kept_within_the_known_extremes() -> None:
    counts = {bucket_index(1_000_000): 1}
    assert quantile(counts, 0.5, min_ns=1_000_000, max_ns=1_000_000) == 1_000_000
    assert quantile(counts, 0, min_ns=999_999) == 999_999
    assert quantile(counts, 1, max_ns=1_000_001) == 1_000_001


@pytest.mark.parametrize("q", [-0.1, 1.1, float("nan"), float("inf")])
def test_a_quantile_outside_0_to_1_is_refused(q: float) -> None:
    with pytest.raises(InvalidInputError, match="0 to 1"):
        quantile({5: 1}, q)


@pytest.mark.parametrize("counts", [{}, {7: 0}])
def test_an_empty_histogram_has_no_quantile(counts: dict[int, int]) -> None:
    with pytest.raises(InvalidInputError, match="empty"):
        quantile(counts, 0.5)


@given(histograms, histograms, histograms)
def test_merging_is_associative_and_commutative(
    a: dict[int, int], b: dict[int, int], c: dict[int, int]
) -> None:
    assert merge(merge(a, b), c) == merge(a, merge(b, c))
    assert merge(a, b) == merge(b, a)


@given(histograms, histograms)
def test_a_difference_gives_back_what_was_added(earlier: dict[int, int], added: dict[int, int]) -> None:
    older, newer = snapshot(earlier), snapshot(merge(earlier, added))
    between = difference(newer, older)
    assert between.count == sum(added.values())
    assert between.histogram.counts == {index: count for index, count in added.items() if count}


def test_the_extremes_of_a_difference_are_those_of_its_buckets() -> None:
    older = snapshot({10: 1, 40: 1})
    between = difference(snapshot({10: 1, 20: 2, 40: 1}), older)
    assert (between.min_ns, between.max_ns) == (20, 20)


def test_a_restart_makes_the_newer_snapshot_the_difference() -> None:
    newer = snapshot({10: 1}, start_unix_ns=2)
    assert difference(newer, snapshot({10: 5})) is newer
    assert difference(newer, None) is newer


def test_a_difference_counts_errors_by_type() -> None:
    older = snapshot({10: 2}, errors=1, error_types={"KeyError": 1})
    newer = snapshot({10: 5}, errors=3, error_types={"KeyError": 1, "OSError": 2})
    between = difference(newer, older)
    assert (between.errors, between.error_types) == (2, {"OSError": 2})


def test_an_empty_difference_is_all_zero() -> None:
    same = snapshot({10: 1})
    between = difference(same, same)
    assert (between.count, between.min_ns, between.max_ns, between.sum_ns) == (0, 0, 0, 0)


def test_different_operations_have_no_difference() -> None:
    with pytest.raises(InvalidInputError, match="different operations"):
        difference(snapshot({1: 1}), snapshot({1: 1}, name="search"))


@given(histograms)
def test_exported_counts_add_up(counts: dict[int, int]) -> None:
    bounds, exported = explicit_buckets(counts)
    assert sum(exported) == sum(counts.values())
    assert len(exported) == len(bounds) + 1 <= 200


@given(st.integers(0, 2**40))
def test_an_exported_bucket_holds_its_values(value: int) -> None:
    bounds, exported = explicit_buckets({bucket_index(value): 1})
    place = exported.index(1)
    assert place == 0 or bounds[place - 1] <= value / 1e6
    assert place == len(bounds) or value / 1e6 < bounds[place]


def test_exported_buckets_are_at_most_an_eighth_wide() -> None:
    bounds, _ = explicit_buckets({})
    assert all(high - low <= low / 8 * 1.000001 for low, high in pairwise(bounds))
    assert list(bounds) == sorted(set(bounds))


def test_a_number_of_bounds_that_would_split_buckets_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="divide"):
        explicit_buckets({}, bounds_per_octave=5)


def test_the_bounds_of_all_exported_histograms_are_one_object() -> None:
    assert explicit_buckets({1: 1})[0] is explicit_buckets({2: 2})[0]


@given(histograms, st.integers(1, 500))
def test_spread_values_are_ordered_and_as_many_as_wanted(counts: dict[int, int], limit: int) -> None:
    values = spread(counts, limit)
    assert len(values) == min(limit, sum(counts.values()))
    assert values == sorted(values)


@given(st.dictionaries(st.integers(0, 1500), st.integers(1, 5), min_size=1, max_size=20))
def test_spreading_everything_gives_every_bucket_its_count(counts: dict[int, int]) -> None:
    values = spread(counts, 1000)
    for index, count in counts.items():
        low, high = bucket_bounds(index)
        assert sum(low < value < high for value in values) == count
