"""CreateTimeSeries: what is stored, what is refused, and in which words."""

from __future__ import annotations

import math

import pytest
from google.cloud.monitoring_v3 import types

from genesis_performance.emulator.monitoring.series import Limits
from genesis_performance.emulator.monitoring.writes import ranges
from genesis_performance.emulator.rpc_error import RpcError

from .build import TYPE, create, points_of, query, series, timestamp

TASK = {"location": "us-central1", "namespace": "shop", "job": "web", "task_id": "1"}


def refusal(metrics, *items):
    with pytest.raises(RpcError) as caught:
        metrics.CreateTimeSeries(create(items))
    return caught.value


def stored(metrics, cloud, metric=TYPE):
    answer = metrics.ListTimeSeries(
        query(cloud.now_s - 30 * 3600, cloud.now_s + 600, where=f'metric.type = "{metric}"')
    )
    return {tuple(sorted(item.metric.labels.items())): points_of(item) for item in answer.time_series}


def test_a_written_point_is_read_back(metrics, cloud):
    metrics.CreateTimeSeries(create([series(1.5, cloud.now_s)]))
    assert stored(metrics, cloud) == {(): [1.5]}


@pytest.mark.parametrize("value", [True, 7, 2.5])
def test_every_value_type_keeps_its_value(metrics, cloud, value):
    metrics.CreateTimeSeries(create([series(value, cloud.now_s)]))
    assert stored(metrics, cloud) == {(): [value]}


def test_more_than_200_series_refuse_the_whole_call(metrics, cloud):
    items = [series(1.0, cloud.now_s, labels={"n": str(n)}) for n in range(201)]
    error = refusal(metrics, *items)
    assert error.message == (
        "Field timeSeries had an invalid value: A maximum of 200 TimeSeries can be written in a single "
        "request."
    )
    assert metrics.project("demo").descriptors.get(TYPE) is None


def test_200_series_are_taken(metrics, cloud):
    metrics.CreateTimeSeries(create(series(1.0, cloud.now_s, labels={"n": str(n)}) for n in range(200)))
    assert len(stored(metrics, cloud)) == 200


def test_an_empty_call_is_refused(metrics):
    assert "must not be empty" in refusal(metrics).message


def test_a_duplicate_series_is_refused_and_the_first_is_written(metrics, cloud):
    error = refusal(metrics, series(1.0, cloud.now_s), series(2.0, cloud.now_s))
    assert (
        "Field timeSeries[1] had an invalid value: Duplicate TimeSeries encountered. Only one point can "
        "be written "
        "per TimeSeries per request." in error.message
    )
    assert stored(metrics, cloud) == {(): [1.0]}


def test_the_project_label_does_not_hide_a_duplicate(metrics, cloud):
    error = refusal(
        metrics,
        series(1.0, cloud.now_s),
        series(2.0, cloud.now_s, resource_labels={"project_id": "demo"}),
    )
    assert "Duplicate TimeSeries" in error.message


@pytest.mark.parametrize("count", [0, 2])
def test_a_series_needs_exactly_one_point(metrics, cloud, count):
    item = series(1.0, cloud.now_s)
    point = item.points.pop()
    item.points.extend([point] * count)
    assert "Only one point can be written" in refusal(metrics, item).message


def test_good_series_of_a_failed_call_are_written_and_counted(metrics, cloud):
    error = refusal(
        metrics,
        series(1.0, cloud.now_s, labels={"n": "good"}),
        series(math.nan, cloud.now_s, labels={"n": "bad"}),
        series(2.0, cloud.now_s, labels={"n": "also good"}),
    )
    assert error.code == "INVALID_ARGUMENT"
    assert error.message.startswith("One or more TimeSeries could not be written: ")
    (summary,) = error.details
    assert isinstance(summary, types.CreateTimeSeriesSummary.pb())
    assert (summary.total_point_count, summary.success_point_count) == (3, 2)
    assert [(failed.status.code, failed.point_count) for failed in summary.errors] == [(3, 1)]
    assert stored(metrics, cloud) == {(("n", "good"),): [1.0], (("n", "also good"),): [2.0]}


def test_points_within_five_seconds_are_refused_with_code_9(metrics, cloud):
    metrics.CreateTimeSeries(create([series(1.0, cloud.now_s)]))
    error = refusal(metrics, series(2.0, cloud.now_s + 4.999))
    assert "One or more points were written more frequently than the maximum sampling period" in error.message
    assert "Youngest Existing: '2026/09/21-14:13:20.000', New: '2026/09/21-14:13:24.999'" in error.message
    assert error.details[0].errors[0].status.code == 9


def test_points_five_seconds_apart_are_taken(metrics, cloud):
    for offset in (0, 5, 10):
        metrics.CreateTimeSeries(create([series(float(offset), cloud.now_s + offset)]))
    assert stored(metrics, cloud) == {(): [10.0, 5.0, 0.0]}


@pytest.mark.parametrize("offset", [0, -5, -3600])
def test_points_that_are_not_newer_are_refused(metrics, cloud, offset):
    metrics.CreateTimeSeries(create([series(1.0, cloud.now_s)]))
    assert (
        "Points must be written in order. One or more of the points specified had an older end time than "
        "the most "
        "recent point." in refusal(metrics, series(2.0, cloud.now_s + offset)).message
    )


@pytest.mark.parametrize(("offset", "words"), [(-25 * 3600 - 1, "in the past"), (301, "in the future")])
def test_points_outside_the_window_are_refused(metrics, cloud, offset, words):
    message = refusal(metrics, series(1.0, cloud.now_s + offset)).message
    assert "Field timeSeries[0].points[0].interval.end_time had an invalid value" in message
    assert words in message


@pytest.mark.parametrize("offset", [-25 * 3600, 300])
def test_points_at_the_edge_of_the_window_are_taken(metrics, cloud, offset):
    metrics.CreateTimeSeries(create([series(1.0, cloud.now_s + offset)]))


def test_a_gauge_point_has_no_length(metrics, cloud):
    item = series(1.0, cloud.now_s, start_s=cloud.now_s - 60, kind="GAUGE")
    assert "for the gauge metric" in refusal(metrics, item).message


def test_a_gauge_point_may_repeat_its_end_as_its_start(metrics, cloud):
    metrics.CreateTimeSeries(create([series(1.0, cloud.now_s, start_s=cloud.now_s, kind="GAUGE")]))


@pytest.mark.parametrize("start", [None, 0, 10])
def test_a_cumulative_point_has_a_length(metrics, cloud, start):
    start_s = None if start is None else cloud.now_s + start
    item = series(1, cloud.now_s, start_s=start_s, kind="CUMULATIVE")
    message = refusal(metrics, item).message
    assert "The start time must be before the end time" in message
    assert f"for the non-gauge metric '{TYPE}'" in message


def test_a_counter_may_start_again_a_millisecond_after_its_last_point(metrics, cloud):
    now = cloud.now_s
    metrics.CreateTimeSeries(create([series(5, now, start_s=now - 60)]))
    metrics.CreateTimeSeries(create([series(1, now + 10, start_s=now + 0.00101)]))
    assert stored(metrics, cloud) == {(): [1, 5]}


@pytest.mark.parametrize("start", [-61, -30, 0, 0.00099])
def test_a_counter_does_not_start_again_within_the_time_it_covered(metrics, cloud, start):
    now = cloud.now_s
    metrics.CreateTimeSeries(create([series(5, now, start_s=now - 60)]))
    error = refusal(metrics, series(1, now + 10, start_s=now + start))
    assert "had an older start time than the most recent point" in error.message


def test_delta_points_do_not_overlap(metrics, cloud):
    now, metric = cloud.now_s, "workload.googleapis.com/jobs"
    descriptor = types.CreateMetricDescriptorRequest.pb()(name="projects/demo")
    descriptor.metric_descriptor.type = metric
    descriptor.metric_descriptor.metric_kind = 2
    descriptor.metric_descriptor.value_type = 2
    metrics.CreateMetricDescriptor(descriptor)
    metrics.CreateTimeSeries(create([series(5, now, start_s=now - 60, metric=metric, kind="DELTA")]))
    error = refusal(metrics, series(1, now + 60, start_s=now - 1, metric=metric, kind="DELTA"))
    assert "older start time" in error.message
    metrics.CreateTimeSeries(
        create([series(1, now + 60, start_s=now + 0.00101, metric=metric, kind="DELTA")])
    )


def test_another_value_type_is_refused(metrics, cloud):
    metrics.CreateTimeSeries(create([series(1, cloud.now_s)]))
    error = refusal(metrics, series(1.0, cloud.now_s, labels={"other": "series"}))
    assert f"Value type for metric {TYPE} must be INT64, but is DOUBLE." in error.message


def test_another_metric_kind_is_refused(metrics, cloud):
    metrics.CreateTimeSeries(create([series(1, cloud.now_s)]))
    error = refusal(metrics, series(1, cloud.now_s + 10, start_s=cloud.now_s + 1))
    assert f"Metric kind for metric {TYPE} must be GAUGE, but is CUMULATIVE." in error.message


def test_a_declared_value_type_must_be_the_points(metrics, cloud):
    item = series(1, cloud.now_s)
    item.value_type = 3
    assert "must be the same as the type of the point (INT64)" in refusal(metrics, item).message


def test_kind_and_type_may_be_left_out_once_the_descriptor_exists(metrics, cloud):
    metrics.CreateTimeSeries(create([series(1, cloud.now_s, start_s=cloud.now_s - 60)]))
    item = series(2, cloud.now_s + 10, start_s=cloud.now_s - 60)
    item.metric_kind = 0
    metrics.CreateTimeSeries(create([item]))
    assert stored(metrics, cloud) == {(): [2, 1]}


@pytest.mark.parametrize(("value", "kind"), [(True, "CUMULATIVE"), ("text", "CUMULATIVE"), ("text", "GAUGE")])
def test_booleans_only_as_gauges_and_no_text_in_custom_metrics(metrics, cloud, value, kind):
    start = cloud.now_s - 60 if kind == "CUMULATIVE" else None
    assert "value type" in refusal(metrics, series(value, cloud.now_s, start_s=start, kind=kind)).message


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_must_be_finite(metrics, cloud, value):
    assert "must be finite" in refusal(metrics, series(value, cloud.now_s)).message


def test_a_point_needs_a_value(metrics, cloud):
    item = series(1.0, cloud.now_s)
    item.points[0].ClearField("value")
    assert "A value must be specified" in refusal(metrics, item).message


def test_a_point_needs_an_end_time(metrics, cloud):
    item = series(1.0, cloud.now_s)
    item.points[0].interval.Clear()
    assert "interval.end_time" in refusal(metrics, item).message


@pytest.mark.parametrize(("seconds", "nanos"), [(2**62, 0), (-(2**62), 0), (1, -1), (1, 2_000_000_000)])
def test_times_out_of_range_are_refused(metrics, cloud, seconds, nanos):
    item = series(1, cloud.now_s, start_s=cloud.now_s - 1)
    item.points[0].interval.start_time.seconds = seconds
    item.points[0].interval.start_time.nanos = nanos
    assert "It is not a valid time" in refusal(metrics, item).message


@pytest.mark.parametrize(
    "metric",
    [
        "",
        "latency",
        "custom.googleapis.com/",
        "custom.googleapis.com/a b",
        "custom.googleapis.com/ä",
        "custom.googleapis.com/a:b",
        "compute.googleapis.com/instance/cpu",
        f"custom.googleapis.com/{'x' * 200}",
    ],
)
def test_illegal_metric_types_are_refused(metrics, cloud, metric):
    assert (
        "metric.type had an invalid value"
        in refusal(metrics, series(1.0, cloud.now_s, metric=metric)).message
    )


@pytest.mark.parametrize(
    "labels", [{"1st": "x"}, {"a-b": "x"}, {"": "x"}, {"k" * 101: "x"}, {"k": "v" * 1025}]
)
def test_illegal_labels_are_refused(metrics, cloud, labels):
    assert "metric.labels[" in refusal(metrics, series(1.0, cloud.now_s, labels=labels)).message


def test_a_series_has_at_most_30_labels(metrics, cloud):
    labels = {f"k{n}": "v" for n in range(31)}
    error = refusal(metrics, series(1.0, cloud.now_s, labels=labels))
    assert f"The new labels would cause the metric {TYPE} to have over 30 labels." in error.message


def test_new_labels_join_the_descriptor_until_it_has_30(metrics, cloud):
    for n in range(30):
        metrics.CreateTimeSeries(create([series(1.0, cloud.now_s, labels={f"k{n}": "v"})]))
    assert "over 30 labels" in refusal(metrics, series(1.0, cloud.now_s, labels={"k30": "v"})).message
    assert len(metrics.project("demo").descriptors.get(TYPE).message.labels) == 30


@pytest.mark.parametrize(
    ("resource", "labels", "words"),
    [
        ("", {}, "Unrecognized resource type: ."),
        ("nonsense", {}, "Unrecognized resource type: nonsense."),
        ("cloud_run_revision", {}, "Metrics cannot be written to cloud_run_revision. See https://"),
        ("generic_task", {"location": "us-central1", "job": "web"}, "Missing labels: (namespace task_id)."),
        ("generic_task", {**TASK, "pod": "x"}, "Unrecognized resource label: pod"),
        ("generic_task", {**TASK, "location": "my desk"}, "Unrecognized region or location."),
        ("generic_task", {**TASK, "job": "x" * 2000}, "must not be longer than 1024 characters"),
    ],
)
def test_wrong_monitored_resources_are_refused(metrics, cloud, resource, labels, words):
    item = series(1.0, cloud.now_s, resource=resource, resource_labels=labels)
    assert words in refusal(metrics, item).message


@pytest.mark.parametrize("location", ["global", "us-central1", "europe-west4-b", "us", "us-east-1"])
def test_regions_zones_and_global_are_locations(metrics, cloud, location):
    labels = {**TASK, "location": location}
    metrics.CreateTimeSeries(
        create([series(1.0, cloud.now_s, resource="generic_task", resource_labels=labels)])
    )


def test_a_resource_has_so_many_active_series_and_no_more(metrics, cloud):
    metrics.limits = Limits(active_series=3)
    for n in range(3):
        metrics.CreateTimeSeries(create([series(1.0, cloud.now_s, labels={"n": str(n)})]))
    error = refusal(metrics, series(1.0, cloud.now_s, labels={"n": "one too many"}))
    assert "Monitored resource has too many time series (custom metrics)." in error.message
    assert error.code == "RESOURCE_EXHAUSTED"
    assert error.details[0].errors[0].status.code == 8


def test_a_call_that_fails_for_a_quota_and_for_another_reason_is_an_invalid_argument(metrics, cloud):
    metrics.limits = Limits(active_series=1)
    metrics.CreateTimeSeries(create([series(1.0, cloud.now_s, labels={"n": "a"})]))
    error = refusal(
        metrics,
        series(1.0, cloud.now_s, labels={"n": "b"}),
        series(math.nan, cloud.now_s, labels={"n": "a"}),
    )
    assert error.code == "INVALID_ARGUMENT"
    assert {failed.status.code for failed in error.details[0].errors} == {3, 8}


def test_the_active_series_of_global_are_counted_for_each_metric(metrics, cloud):
    metrics.limits = Limits(active_series=1)
    for name in "ab":
        metrics.CreateTimeSeries(create([series(1.0, cloud.now_s, metric=f"{TYPE}/{name}")]))


def test_series_silent_for_a_day_make_room(metrics, cloud):
    metrics.limits = Limits(active_series=2)
    for n in range(2):
        metrics.CreateTimeSeries(create([series(1.0, cloud.now_s, labels={"n": str(n)})]))
    cloud.clock.advance(24 * 3600 + 1)
    metrics.CreateTimeSeries(create([series(1.0, cloud.now_s, labels={"n": "new"})]))


def test_points_older_than_the_retention_are_forgotten(metrics, cloud):
    for _ in range(1024):
        metrics.CreateTimeSeries(create([series(1.0, cloud.now_s)]))
        cloud.clock.advance(300)
    (kept,) = metrics.project("demo").series.of_type(TYPE)
    assert len(kept) <= 26 * 12 + 256


def test_projects_do_not_see_each_other(metrics, cloud):
    metrics.CreateTimeSeries(create([series(1.0, cloud.now_s)], project="projects/other"))
    with pytest.raises(RpcError, match="NOT_FOUND"):
        stored(metrics, cloud)


@pytest.mark.parametrize(
    "name", ["", "demo", "projects/", "projects/a/b", "projects/ü", "folders/1", "projects/-"]
)
def test_malformed_project_names_are_refused(metrics, cloud, name):
    with pytest.raises(RpcError, match="INVALID_ARGUMENT: Field name had an invalid value"):
        metrics.CreateTimeSeries(create([series(1.0, cloud.now_s)], project=name))


def test_two_hundred_different_errors_fit_into_the_trailers(metrics, cloud):
    items = [series(math.nan, cloud.now_s, labels={f"k{n}": "ü" * 1000}) for n in range(200)]
    assert len(refusal(metrics, *items).message) < 2500


def test_the_same_error_of_many_series_is_said_once(metrics, cloud):
    items = [series(1.0, cloud.now_s, resource="cloud_run_revision", labels={"n": str(n)}) for n in range(5)]
    error = refusal(metrics, *items)
    assert error.message.endswith("for a list of writable resource types.: timeSeries[0-4]")
    assert error.message.count("cloud_run_revision") == 1


def test_errors_of_storage_show_an_example_and_the_resource(metrics, cloud):
    items = [
        series(1.0, cloud.now_s, labels={"n": str(n)}, resource="generic_task", resource_labels=TASK)
        for n in range(3)
    ]
    metrics.CreateTimeSeries(create(items))
    message = refusal(metrics, *items).message
    assert f'timeSeries[0-2] (example metric.type="{TYPE}", metric.labels={{"n": "0"}})' in message
    assert "write for resource=generic_task{job:web,location:us-central1,namespace:shop,task_id:1}" in message


@pytest.mark.parametrize(
    ("indices", "text"), [([0], "0"), ([0, 1], "0,1"), ([0, 1, 2, 5], "0-2,5"), ([3, 7, 8, 9], "3,7-9")]
)
def test_runs_of_indices_are_shortened(indices, text):
    assert ranges(indices) == text


def test_a_refused_first_write_leaves_no_descriptor(metrics, cloud):
    refusal(metrics, series(math.nan, cloud.now_s))
    assert metrics.project("demo").descriptors.get(TYPE) is None


def test_sub_second_times_survive(metrics, cloud):
    item = series(1.0, cloud.now_s)
    timestamp(item.points[0].interval.end_time, cloud.now_s - 1)
    item.points[0].interval.end_time.nanos = 123_456_789
    metrics.CreateTimeSeries(create([item]))
    answer = metrics.ListTimeSeries(query(cloud.now_s - 60, cloud.now_s))
    assert answer.time_series[0].points[0].interval.end_time.nanos == 123_456_789
