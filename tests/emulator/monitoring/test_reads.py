"""ListTimeSeries: selection, intervals, views and pages; aggregation is in test_alignment."""

from __future__ import annotations

import pytest
from google.cloud.monitoring_v3 import types
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genesis_performance.emulator.rpc_error import RpcError

from .build import TYPE, create, points_of, query, series

HEADERS = types.ListTimeSeriesRequest.TimeSeriesView.HEADERS
ONLY = f'metric.type = "{TYPE}"'


@pytest.fixture
def filled(metrics, cloud):
    """Three operations with six points each, ten seconds apart; the newest is now."""
    start = cloud.now_s
    for at in range(6):
        metrics.CreateTimeSeries(create(series(at + 0.5, start + 10 * at, labels={"op": op}) for op in "abc"))
    cloud.clock.advance(50)
    return metrics


def pages(metrics, request, size):
    request.page_size = size
    while True:
        answer = metrics.ListTimeSeries(request)
        yield answer
        if not answer.next_page_token:
            return
        request.page_token = answer.next_page_token


def test_points_come_newest_first(filled, cloud):
    answer = filled.ListTimeSeries(query(cloud.now_s - 100, cloud.now_s))
    assert [points_of(item) for item in answer.time_series] == [[5.5, 4.5, 3.5, 2.5, 1.5, 0.5]] * 3


def test_the_interval_excludes_its_start_and_includes_its_end(filled, cloud):
    answer = filled.ListTimeSeries(query(cloud.now_s - 30, cloud.now_s - 10))
    assert points_of(answer.time_series[0]) == [4.5, 3.5]


def test_series_without_points_in_the_interval_are_left_out(filled, cloud):
    assert not filled.ListTimeSeries(query(cloud.now_s - 5, cloud.now_s - 1)).time_series


def test_raw_gauge_points_start_where_they_end(filled, cloud):
    point = filled.ListTimeSeries(query(cloud.now_s - 100, cloud.now_s)).time_series[0].points[0]
    assert point.interval.start_time == point.interval.end_time


def test_labels_select_series(filled, cloud):
    answer = filled.ListTimeSeries(
        query(cloud.now_s - 100, cloud.now_s, where=f'{ONLY} AND metric.labels.op = one_of("a", "c")')
    )
    assert [item.metric.labels["op"] for item in answer.time_series] == ["a", "c"]


def test_answers_carry_kind_type_unit_and_project(metrics, cloud):
    item = series(1, cloud.now_s, start_s=cloud.now_s - 60)
    item.unit = "By"
    metrics.CreateTimeSeries(create([item]))
    answer = metrics.ListTimeSeries(query(cloud.now_s - 60, cloud.now_s))
    (found,) = answer.time_series
    assert (found.metric_kind, found.value_type, found.unit, answer.unit) == (3, 2, "By", "By")
    assert dict(found.resource.labels) == {"project_id": "demo"}


def test_headers_have_no_points(filled, cloud):
    answer = filled.ListTimeSeries(query(cloud.now_s - 100, cloud.now_s, view=HEADERS))
    assert len(answer.time_series) == 3
    assert not any(item.points for item in answer.time_series)


def test_a_page_of_headers_counts_series(filled, cloud):
    request = query(cloud.now_s - 100, cloud.now_s, view=HEADERS)
    assert [len(answer.time_series) for answer in pages(filled, request, 2)] == [2, 1]


def test_a_page_counts_points_and_keeps_series_whole(filled, cloud):
    found = list(pages(filled, query(cloud.now_s - 100, cloud.now_s), 13))
    assert [[len(item.points) for item in answer.time_series] for answer in found] == [[6, 6], [6]]


def test_a_series_longer_than_a_page_is_split(filled, cloud):
    found = list(
        pages(filled, query(cloud.now_s - 100, cloud.now_s, where=f'{ONLY} AND metric.labels.op = "a"'), 4)
    )
    assert [points_of(answer.time_series[0]) for answer in found] == [[5.5, 4.5, 3.5, 2.5], [1.5, 0.5]]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(size=st.integers(1, 25), view=st.sampled_from([0, 1]))
def test_pages_cover_every_series_and_point_once(filled, cloud, size, view):
    where = query(cloud.now_s - 100, cloud.now_s, view=view)
    seen = []
    for answer in pages(filled, where, size):
        for item in answer.time_series:
            op = item.metric.labels["op"]
            seen += [op] if view else [(op, value) for value in points_of(item)]
    expected = list("abc") if view else [(op, at + 0.5) for op in "abc" for at in range(6)]
    assert sorted(seen) == sorted(expected)


def test_a_page_token_belongs_to_its_query(filled, cloud):
    token = filled.ListTimeSeries(query(cloud.now_s - 100, cloud.now_s, page_size=6)).next_page_token
    with pytest.raises(RpcError, match="Field page_token"):
        filled.ListTimeSeries(query(cloud.now_s - 99, cloud.now_s, page_size=6, page_token=token))


@pytest.mark.parametrize("token", ["x", "ü", "W10=", "e30=", "WyJhIiwtMSwwXQ==", "bnVsbA=="])
def test_what_is_no_page_token_is_refused(filled, cloud, token):
    with pytest.raises(RpcError, match="Field page_token"):
        filled.ListTimeSeries(query(cloud.now_s - 100, cloud.now_s, page_token=token))


@pytest.mark.parametrize(
    "where",
    [
        "",
        'resource.type = "global"',
        'metric.type = starts_with("custom.")',
        f'{ONLY} OR metric.type = "other"',
    ],
)
def test_a_query_names_one_metric_type(filled, cloud, where):
    with pytest.raises(RpcError, match="INVALID_ARGUMENT: Field filter"):
        filled.ListTimeSeries(query(cloud.now_s - 100, cloud.now_s, where=where))


def test_a_user_defined_metric_without_descriptor_is_not_found(metrics, cloud):
    with pytest.raises(RpcError, match="NOT_FOUND: Cannot find metric"):
        metrics.ListTimeSeries(query(cloud.now_s - 100, cloud.now_s))


def test_googles_own_metrics_are_empty(metrics, cloud):
    where = 'metric.type = "run.googleapis.com/request_count"'
    assert not metrics.ListTimeSeries(query(cloud.now_s - 100, cloud.now_s, where=where)).time_series


def test_slo_selectors_are_not_emulated(metrics, cloud):
    with pytest.raises(RpcError, match="UNIMPLEMENTED"):
        metrics.ListTimeSeries(query(cloud.now_s - 1, cloud.now_s, where='select_slo_health("x")'))


@pytest.mark.parametrize(("after", "until"), [(0, 0), (10, 0)])
def test_the_interval_begins_before_it_ends(filled, cloud, after, until):
    with pytest.raises(RpcError, match=r"Field interval\.start_time"):
        filled.ListTimeSeries(query(cloud.now_s + after, cloud.now_s + until))


@pytest.mark.parametrize("field", ["start_time", "end_time"])
def test_both_ends_of_the_interval_are_required(filled, cloud, field):
    request = query(cloud.now_s - 100, cloud.now_s)
    request.interval.ClearField(field)
    with pytest.raises(RpcError, match=f"Field interval.{field}"):
        filled.ListTimeSeries(request)


@pytest.mark.parametrize("fields", [{"order_by": "metric"}, {"page_size": -1}, {"view": 7}])
def test_other_wrong_arguments_are_refused(filled, cloud, fields):
    with pytest.raises(RpcError, match="INVALID_ARGUMENT"):
        filled.ListTimeSeries(query(cloud.now_s - 100, cloud.now_s, **fields))


def test_an_interval_of_ten_thousand_years_is_answered_at_once(filled, cloud):
    request = query(1, 253402300799, aligner="ALIGN_MEAN", period_s=60)
    assert all(len(item.points) <= 2 for item in filled.ListTimeSeries(request).time_series)
