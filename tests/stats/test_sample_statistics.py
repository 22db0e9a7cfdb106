"""Quantiles, medians and intervals of samples."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genesis_performance.errors import InvalidInputError
from genesis_performance.stats.bootstrap import (
    bootstrap_interval,
    median_coverage,
    median_interval,
    median_ranks,
)
from genesis_performance.stats.quantiles import quantile
from genesis_performance.stats.robust import mad, median

values_strategy = st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=60)


@pytest.mark.parametrize(("q", "expected"), [(0, 1.0), (0.25, 1.75), (0.5, 2.5), (0.95, 3.85), (1, 4.0)])
def test_a_quantile_lies_linearly_between_order_statistics(q: float, expected: float) -> None:
    assert quantile([4, 1, 3, 2], q) == pytest.approx(expected)


@given(values_strategy, st.floats(0, 1), st.floats(0, 1))
def test_a_sample_quantile_never_falls_as_q_grows(values: list[float], a: float, b: float) -> None:
    low, high = quantile(values, min(a, b)), quantile(values, max(a, b))
    assert min(values) <= low <= high + 1e-6
    assert high <= max(values)


@pytest.mark.parametrize("q", [-1, 2, float("nan")])
def test_a_sample_quantile_outside_0_to_1_is_refused(q: float) -> None:
    with pytest.raises(InvalidInputError, match="0 to 1"):
        quantile([1.0], q)


def test_no_values_have_no_quantile_and_no_interval() -> None:
    with pytest.raises(InvalidInputError):
        quantile([], 0.5)
    with pytest.raises(InvalidInputError):
        median_interval([])
    with pytest.raises(InvalidInputError):
        bootstrap_interval([], median)


def test_the_median_of_an_even_number_is_the_mean_of_the_two_middle_ones() -> None:
    assert median([1, 10, 3, 4]) == 3.5


def test_an_outlier_does_not_move_the_mad() -> None:
    assert mad([1, 2, 3, 4, 5]) == mad([1, 2, 3, 4, 5000]) == 1


@pytest.mark.parametrize("count", [6, 7, 8, 30, 100, 199, 200, 201, 400, 1001])
def test_the_ranks_of_the_median_reach_the_confidence_and_hardly_more(count: int) -> None:
    low, high = median_ranks(count, 0.95)
    assert low == count - 1 - high
    assert median_coverage(count, low, high) >= 0.9495
    assert median_coverage(count, low + 1, high - 1) < 0.951


def test_the_ranks_of_few_values_are_the_extremes() -> None:
    assert median_ranks(1, 0.95) == (0, 0)
    assert median_ranks(4, 0.95) == (0, 3)
    assert median_coverage(4, 0, 3) == 0.875


def test_95_percent_of_intervals_hold_the_median() -> None:
    drawn = random.Random(3)
    held = 0
    for _ in range(1000):
        low, high = median_interval([drawn.expovariate(1) for _ in range(25)])
        held += low <= 0.6931 <= high
    assert 940 <= held <= 985


@pytest.mark.parametrize("confidence", [0, 1, -1, float("nan")])
def test_a_confidence_outside_0_to_1_is_refused(confidence: float) -> None:
    with pytest.raises(InvalidInputError, match="confidence"):
        median_interval([1.0, 2.0], confidence)
    with pytest.raises(InvalidInputError, match="confidence"):
        bootstrap_interval([1.0, 2.0], median, confidence)


def test_a_bootstrap_gives_the_same_interval_again() -> None:
    values = [1.0, 2.0, 3.0, 4.0, 10.0]
    first = bootstrap_interval(values, median, resamples=200)
    assert first == bootstrap_interval(values, median, resamples=200)
    assert first[0] <= 3.0 <= first[1]


@given(values_strategy)
def test_a_bootstrap_interval_lies_within_the_values(values: list[float]) -> None:
    low, high = bootstrap_interval(values, median, resamples=20)
    assert min(values) <= low <= high <= max(values)
