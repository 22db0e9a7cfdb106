"""Series made of totals again and again."""

from __future__ import annotations

import gc
import weakref
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from genesis_performance.export.blocks import COUNTER, DISTRIBUTION, GAUGE, OPERATION, SeriesKey
from genesis_performance.export.rendering import Rendering, durations, rendered
from genesis_performance.export.totals import Known, OperationTotal, Totals, sparse
from genesis_performance.model.series import Distribution
from genesis_performance.stats.histogram import bucket_middle, explicit_buckets

START_NS, NOW_NS = 5, 100


def totals_of(*ones: tuple[int, str, Any]) -> Totals:
    found = [Known(SeriesKey(kind, name, ()), value, "1", START_NS) for kind, name, value in ones]
    return {one.key: one for one in found}


def test_a_counter_does_not_fall_when_its_parts_are_added_in_another_order() -> None:
    totals, rendering = totals_of((COUNTER, "a", 0.3)), Rendering("s", "e")
    sent = []
    for value in (0.1 + 0.2 + 0.3, 0.3 + 0.2 + 0.1, 0.7):
        totals = dict(totals)
        next(iter(totals.values())).value = value
        sent.append(rendering.series(totals, NOW_NS)[0].points[0].value)
    assert sent == [0.6000000000000001, 0.6000000000000001, 0.7]


def test_names_labels_and_what_sinks_keep_are_the_same_at_every_export() -> None:
    values = ((COUNTER, "a", 1.0), (DISTRIBUTION, "b", sparse({3: 1}, 1, 0)), (OPERATION, "pay", one_run()))
    totals, rendering = totals_of(*values), Rendering("s", "e")
    first = rendering.series(totals, NOW_NS)
    kept = [(id(one.metric), id(one.labels), id(one.kept)) for one in first]
    second = rendering.series({**totals, **totals_of((COUNTER, "new", 1.0))}, NOW_NS + 1)
    assert {(id(one.metric), id(one.labels), id(one.kept)) for one in second} > set(kept)
    assert len(set(kept)) == len(kept) == 5
    assert [one.points[0].end_unix_ns for one in first] == [NOW_NS] * 5


def one_run() -> OperationTotal:
    return OperationTotal({800: 1}, 0, 1_000_000)


def test_what_is_new_begins_where_it_was_noted_and_a_gauge_nowhere() -> None:
    totals = totals_of((COUNTER, "a", 1.0), (COUNTER, "b", 1.0), (GAUGE, "c", (1.0, 2.0)))
    starts = {key: 77 for key in totals if key.name != "b"}
    found = Rendering("s", "e").series(totals, NOW_NS, starts)
    assert {one.metric.name: one.points[0].start_unix_ns for one in found} == {"a": 77, "b": 5, "c": None}


class Watched(Known):
    __slots__ = ("__weakref__",)


def test_what_is_not_there_any_more_is_let_go() -> None:
    rendering = Rendering("s", "e")
    gone = Watched(SeriesKey(COUNTER, "a", ()), 1.0, "1", START_NS)
    watched = weakref.ref(gone)
    rendering.series({gone.key: gone}, NOW_NS)
    del gone
    assert rendering.series({}, NOW_NS) == []
    gc.collect()
    assert watched() is None


@given(
    st.dictionaries(st.integers(0, 2000), st.integers(-3, 2**40), max_size=20),
    st.integers(-5, 2**60),
)
def test_durations_have_the_buckets_that_are_exported(buckets: dict[int, int], sum_ns: int) -> None:
    value = durations(OperationTotal(buckets, 0, sum_ns))
    there = {index: count for index, count in buckets.items() if count > 0}
    bounds, counts = explicit_buckets(there)
    mean = max(sum_ns, 0) / 1e6 / max(sum(counts), 1)
    squares = sum(count * (bucket_middle(index) / 1e6 - mean) ** 2 for index, count in there.items())
    assert value == Distribution(bounds, counts, max(sum_ns, 0) / 1e6, squares)
    assert value.count == sum(counts)
    assert value.first % 16 == 0


def test_an_operation_is_three_series() -> None:
    total = OperationTotal({800: 3}, 1, 3_000_000)
    found = rendered(totals_of((OPERATION, "pay", total)), NOW_NS, service="s", environment="e")
    values = {(one.metric.name, dict(one.labels).get("status")): one.points[0].value for one in found}
    assert values["operation/count", "ok"] == 2
    assert values["operation/count", "error"] == 1
    duration = values["operation/duration", None]
    assert isinstance(duration, Distribution)
    assert (duration.count, duration.sum) == (3, 3.0)
    assert all(dict(one.labels)["operation"] == "pay" for one in found)
