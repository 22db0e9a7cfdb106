"""Values of several places added up, taken away again, and kept in a file."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genesis_performance.export.blocks import BOUNDS, COUNTER, DISTRIBUTION, GAUGE, OPERATION, SeriesKey
from genesis_performance.export.totals import (
    Known,
    OperationTotal,
    Sums,
    Totals,
    add_all,
    added_up,
    less,
    negated,
    restored,
    sparse,
    state,
)

START_NS = 5
recorded = st.lists(st.sampled_from([0.5, 1.0, 3.0, 70.0, 2000.0]), max_size=6)


def distribution(values: list[float]) -> Any:
    counts: dict[int, int] = {}
    for value in values:
        index = sum(1 for bound in BOUNDS if bound <= value)
        counts[index] = counts.get(index, 0) + 1
    mean = sum(values) / len(values) if values else 0.0
    return sparse(counts, sum(values), sum((value - mean) ** 2 for value in values))


def known(kind: int, value: Any, name: str = "a") -> Known:
    return Known(SeriesKey(kind, name, ()), value, "1", START_NS)


def filled(value: Any) -> dict[int, int]:
    return {index: count for index, count in enumerate(value.counts) if count}


def alike(value: Any, values: list[float]) -> None:
    wanted = distribution(values)
    assert filled(value) == filled(wanted)
    assert value.count == len(values)
    assert value.sum == pytest.approx(wanted.sum)
    assert value.sum_of_squared_deviation == pytest.approx(wanted.sum_of_squared_deviation, abs=1e-6)


@given(st.lists(recorded, min_size=1, max_size=5))
def test_parts_of_a_distribution_add_up_to_that_of_all_values(parts: list[list[float]]) -> None:
    value = added_up(DISTRIBUTION, [distribution(part) for part in parts])
    alike(value, [one for part in parts for one in part])


@given(recorded, recorded)
def test_what_is_taken_away_is_gone(first: list[float], second: list[float]) -> None:
    both = added_up(DISTRIBUTION, [distribution(first), distribution(second)])
    alike(added_up(DISTRIBUTION, [both, negated(DISTRIBUTION, distribution(second))]), first)


def test_of_a_gauge_that_is_set_in_several_places_the_last_value_counts() -> None:
    assert added_up(GAUGE, [(3.0, 1.0), (5.0, 2.0), (4.0, 9.0)]) == (5.0, 2.0)
    assert added_up(GAUGE, [(3.0, 1.0), negated(GAUGE, (5.0, 2.0))]) == (3.0, 1.0)


@given(recorded, st.floats(-1e9, 1e9), st.integers(0, 9))
def test_totals_are_read_from_a_file_as_they_were(values: list[float], number: float, errors: int) -> None:
    ones = [
        known(COUNTER, number),
        known(GAUGE, (number, number)),
        known(DISTRIBUTION, distribution(values)),
        known(OPERATION, OperationTotal({40: 2, 7: 1}, errors, 99)),
    ]
    written = json.dumps(state({one.key: one for one in ones}))
    found = restored(json.loads(written))
    assert json.dumps(state(found))[:40] == written[:40]
    counter, gauge, spread, operation = (one.read() for one in found.values())
    assert (counter, gauge) == (number, (number, number))
    alike(spread, values)
    assert (operation.buckets, operation.errors, operation.sum_ns) == ({40: 2, 7: 1}, errors, 99)
    assert {one.start_unix_ns for one in found.values()} == {START_NS}


def test_a_sum_follows_its_parts() -> None:
    first, second = known(COUNTER, 1.0), known(COUNTER, 2.0)
    (whole,) = Sums().of([[first], [second]]).values()
    second.value = 5.0
    assert whole.read() == 6.0


def test_one_sum_of_another_leaves_that_as_it_is() -> None:
    first, second, third = known(COUNTER, 1.0), known(COUNTER, 2.0), known(COUNTER, 4.0, "b")
    sums, admitted = Sums(), Sums()
    (whole, other) = sums.of([[first], [second, third]]).values()
    for one in (whole, other):
        admitted.take(whole.key, one)
    assert (whole.read(), other.read()) == (3.0, 4.0)
    assert [one.read() for one in admitted.totals.values()] == [7.0]


def test_a_place_that_is_gone_is_not_counted_any_more() -> None:
    first, second = [known(COUNTER, 1.0)], [known(COUNTER, 2.0)]
    sums = Sums()
    assert [one.read() for one in sums.of([first, second]).values()] == [3.0]
    assert [one.read() for one in sums.of([second]).values()] == [2.0]


def test_what_was_taken_away_and_is_not_there_any_more_leaves_no_negative_counts() -> None:
    gone = known(DISTRIBUTION, negated(DISTRIBUTION, distribution([1.0, 70.0])))
    there = known(DISTRIBUTION, distribution([1.0, 1.0, 1.0]))
    (whole,) = Sums().of([[gone], [there]]).values()
    assert filled(whole.read()) == filled(distribution([1.0, 1.0]))
    (alone,) = Sums().of([[gone]]).values()
    assert alone.read().count == 0


def test_what_is_added_to_totals_changes_nothing_that_was_there() -> None:
    one, totals = known(COUNTER, 1.0), Totals()
    add_all(totals, [one])
    add_all(totals, [one, one], -1)
    assert [each.read() for each in totals.values()] == [-1.0]
    assert one.read() == 1.0
    assert [each.read() for each in less(totals, {one.key: 5.0}).values()] == [-6.0]
    assert [each.read() for each in totals.values()] == [-1.0]
