"""OTLP in over HTTP and gRPC, time series out through the official client; what is refused and why."""

from __future__ import annotations

import gzip
import json
import time

import grpc
import pytest
from google.cloud.monitoring_v3 import MetricServiceClient
from google.rpc import status_pb2

from genesis_performance.emulator.monitoring.messages import CUMULATIVE, DELTA, GAUGE
from genesis_performance.emulator.services.otlp_messages import message
from genesis_performance.emulator.services.otlp_points import TEMPORALITY_CUMULATIVE, TEMPORALITY_DELTA

METHOD = "opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
PROTOBUF = {"Content-Type": "application/x-protobuf"}
SECOND_NS = 1_000_000_000
RESOURCE = {
    "gcp.project_id": "p",
    "cloud.region": "europe-west3",
    "service.name": "shop",
    "service.instance.id": "i-1",
}


def fill(attributes, values):
    for key, value in values.items():
        pair = attributes.add(key=key)
        if isinstance(value, bool):
            pair.value.bool_value = value
        elif isinstance(value, int):
            pair.value.int_value = value
        elif isinstance(value, list):
            fill_list(pair.value.array_value, value)
        else:
            pair.value.string_value = value


def fill_list(array, values):
    array.SetInParent()
    for value in values:
        array.values.add(string_value=value)


def exported(resource=None, scope=""):
    """A request and its one metric, to be filled."""
    request = message("ExportMetricsServiceRequest")()
    given = request.resource_metrics.add()
    fill(given.resource.attributes, RESOURCE if resource is None else resource)
    scoped = given.scope_metrics.add()
    if scope:
        scoped.scope.name = scope
    return request, scoped.metrics.add(name="queue.length", unit="1")


def gauge(value=1.5, *, name="queue.length", resource=None, scope="", at_ns=None, attributes=None):
    request, metric = exported(resource, scope)
    metric.name = name
    point = metric.gauge.data_points.add(as_double=value, time_unix_nano=at_ns or time.time_ns())
    fill(point.attributes, attributes or {})
    return request


def counter(value, *, temporality=TEMPORALITY_CUMULATIVE, monotonic=True, start_ns=None, end_ns=None):
    request, metric = exported()
    metric.sum.aggregation_temporality, metric.sum.is_monotonic = temporality, monotonic
    end_ns = end_ns or time.time_ns()
    point = metric.sum.data_points.add(as_int=value, time_unix_nano=end_ns)
    point.start_time_unix_nano = end_ns - 60 * SECOND_NS if start_ns is None else start_ns
    return request


def histogram(bounds, counts, total, *, temporality=TEMPORALITY_CUMULATIVE, count=None):
    request, metric = exported()
    metric.histogram.aggregation_temporality = temporality
    now = time.time_ns()
    metric.histogram.data_points.add(
        start_time_unix_nano=now - SECOND_NS,
        time_unix_nano=now,
        count=sum(counts) if count is None else count,
        sum=total,
        explicit_bounds=bounds,
        bucket_counts=counts,
    )
    return request


def export(http, request, **headers):
    response = http.post("/v1/metrics", content=request.SerializeToString(), headers={**PROTOBUF, **headers})
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == PROTOBUF["Content-Type"]
    return message("ExportMetricsServiceResponse").FromString(response.content).partial_success


def refusal(http, request) -> str:
    partial = export(http, request)
    assert partial.rejected_data_points == 1
    return partial.error_message


@pytest.fixture
def stored(connect):
    client = connect(MetricServiceClient)

    def listed(metric_type):
        now = time.time()
        return list(
            client.list_time_series(
                name="projects/p",
                filter=f'metric.type="{metric_type}" AND resource.type="prometheus_target"',
                interval={"start_time": {"seconds": int(now) - 7200}, "end_time": {"seconds": int(now) + 60}},
            )
        )

    return listed


def test_a_gauge_is_read_back_on_prometheus_target_with_its_labels_and_unit(http, stored):
    attributes = {"http.route": "/a/{id}", "ok": True, "n": 7, "tags": ["a", "b"]}
    assert not export(http, gauge(2.5, attributes=attributes)).rejected_data_points
    (series,) = stored("prometheus.googleapis.com/queue.length/gauge")
    assert dict(series.metric.labels) == {
        "http.route": "/a/{id}",
        "ok": "true",
        "n": "7",
        "tags": '["a", "b"]',
    }
    assert dict(series.resource.labels) == {
        "project_id": "p",
        "location": "europe-west3",
        "cluster": "",
        "namespace": "",
        "job": "shop",
        "instance": "i-1",
    }
    assert (series.points[0].value.double_value, series.unit) == (2.5, "1")
    assert series.metric_kind == GAUGE


def test_a_label_with_dots_can_be_filtered_by(http, connect):
    export(http, gauge(attributes={"http.route": "/a"}))
    client, now = connect(MetricServiceClient), int(time.time())
    found = client.list_time_series(
        name="projects/p",
        filter='metric.type="prometheus.googleapis.com/queue.length/gauge" AND '
        'metric.labels."http.route"="/a" AND resource.type="prometheus_target"',
        interval={"start_time": {"seconds": now - 60}, "end_time": {"seconds": now + 60}},
    )
    assert len(list(found)) == 1


@pytest.mark.parametrize(
    ("temporality", "monotonic", "suffix", "kind"),
    [
        (TEMPORALITY_CUMULATIVE, True, "counter", CUMULATIVE),
        (TEMPORALITY_CUMULATIVE, False, "gauge", GAUGE),
        (TEMPORALITY_DELTA, True, "delta", DELTA),
    ],
)
def test_a_sum_is_stored_as_double_under_the_suffix_of_its_kind(
    http, stored, temporality, monotonic, suffix, kind
):
    export(http, counter(7, temporality=temporality, monotonic=monotonic))
    (series,) = stored(f"prometheus.googleapis.com/queue.length/{suffix}")
    assert (series.metric_kind, series.points[0].value.double_value) == (kind, 7.0)


def test_a_non_monotonic_delta_sum_is_rejected(http):
    said = refusal(http, counter(1, temporality=TEMPORALITY_DELTA, monotonic=False))
    assert "not supported" in said


def test_a_sum_without_a_temporality_is_rejected(http):
    assert "temporality" in refusal(http, counter(1, temporality=0))


def test_a_counter_grows_from_its_start(http, stored):
    now = time.time_ns()
    start = now - 600 * SECOND_NS
    export(http, counter(3, start_ns=start, end_ns=now - 60 * SECOND_NS))
    export(http, counter(5, start_ns=start, end_ns=now))
    (series,) = stored("prometheus.googleapis.com/queue.length/counter")
    assert [point.value.double_value for point in series.points] == [5.0, 3.0]


def test_a_counter_without_a_start_is_rejected(http):
    assert "start time" in refusal(http, counter(1, start_ns=0))


@pytest.mark.parametrize(
    ("temporality", "suffix"), [(TEMPORALITY_CUMULATIVE, "histogram"), (TEMPORALITY_DELTA, "histogram:delta")]
)
def test_a_histogram_is_a_distribution_with_a_deviation_of_its_buckets(http, stored, temporality, suffix):
    export(http, histogram((1.0, 3.0), (0, 2, 0), 4.0, temporality=temporality))
    (series,) = stored(f"prometheus.googleapis.com/queue.length/{suffix}")
    value = series.points[0].value.distribution_value
    assert (value.count, value.mean, value.sum_of_squared_deviation) == (2, 2.0, 0.0)
    assert list(value.bucket_counts) == [0, 2, 0]
    assert list(value.bucket_options.explicit_buckets.bounds) == [1.0, 3.0]


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (histogram((1.0,), (1, 2, 3), 1.0), "do not fit"),
        (histogram((1.0, 2.0), (1, 2, 3), 1.0, count=5), "sum up to"),
        (histogram((2.0, 1.0), (1, 2, 3), 1.0), "strictly increasing"),
        (histogram(range(200), [1] * 201, 1.0), "200 allowed"),
        (histogram((1.0,), (1, 1), 1.0, temporality=0), "temporality"),
        (gauge(float("nan")), "not finite"),
        (gauge(name="1queue"), "does not match"),
        (gauge(name="größe"), "does not match"),
        (gauge(name="a//b"), "URL-formatted"),
        (gauge(attributes={"bad-key": "x"}), "does not match"),
        (gauge(attributes={"key": "x" * 1025}), "1024 characters"),
    ],
)
def test_a_point_that_breaks_a_rule_is_rejected_with_the_reason(http, request_, said):
    assert said in refusal(http, request_)


@pytest.mark.parametrize(("from_now_s", "said"), [(-26 * 3600, "at most 25h"), (400, "5 minutes")])
def test_a_point_too_old_or_too_new_is_rejected_with_the_reason(http, from_now_s, said):
    assert said in refusal(http, gauge(at_ns=time.time_ns() + from_now_s * SECOND_NS))


def many(points, resources=1):
    request = message("ExportMetricsServiceRequest")()
    for number in range(resources):
        each = gauge(1.0, resource={**RESOURCE, "service.instance.id": f"i-{number}"})
        data = each.resource_metrics[0].scope_metrics[0].metrics[0].gauge.data_points
        for index in range(points - 1):
            point = data.add(as_double=1.0, time_unix_nano=time.time_ns())
            fill(point.attributes, {"n": str(index)})
        request.resource_metrics.extend(each.resource_metrics)
    return request


@pytest.mark.parametrize(("points", "resources"), [(200, 1), (1, 200)])
def test_two_hundred_points_and_as_many_resources_are_taken(http, points, resources):
    assert not export(http, many(points, resources)).rejected_data_points
    assert ingested(http)["points"] == 200


@pytest.mark.parametrize(
    ("request_", "what"),
    [(many(201), "200 points"), (many(0, 201), "200 ResourceMetrics")],
    ids=["points", "resources"],
)
def test_more_refuse_the_whole_request(http, request_, what):
    for each in request_.resource_metrics if what.endswith("ResourceMetrics") else ():
        each.ClearField("scope_metrics")
    response = http.post("/v1/metrics", content=request_.SerializeToString(), headers=PROTOBUF)
    assert response.status_code == 400
    assert f"A maximum of {what} can be written in a single request." in response.text
    assert ingested(http)["points"] == 0


def test_a_summary_has_at_most_ten_quantiles(http):
    request, metric = exported()
    now = time.time_ns()
    point = metric.summary.data_points.add(start_time_unix_nano=now - SECOND_NS, time_unix_nano=now, count=1)
    for number in range(11):
        point.quantile_values.add(quantile=number / 10, value=1.0)
    assert "at most 10 quantiles" in refusal(http, request)


def test_good_points_of_a_request_with_bad_ones_are_stored(http, stored):
    request = gauge(1.0, attributes={"a": "1"})
    points = request.resource_metrics[0].scope_metrics[0].metrics[0].gauge.data_points
    bad = points.add(as_double=float("inf"), time_unix_nano=time.time_ns())
    fill(bad.attributes, {"a": "2"})
    assert export(http, request).rejected_data_points == 1
    assert len(stored("prometheus.googleapis.com/queue.length/gauge")) == 1


@pytest.mark.parametrize("missing", ["cloud.region", "service.instance.id"])
def test_points_of_a_resource_without_location_or_instance_are_rejected(http, missing):
    resource = {key: value for key, value in RESOURCE.items() if key != missing}
    assert "prometheus_target" in refusal(http, gauge(resource=resource))


@pytest.mark.parametrize(
    ("attributes", "label", "value"),
    [
        ({"location": "us-east1", "cloud.region": "us-west1"}, "location", "us-east1"),
        ({"cloud.availability_zone": "us-east1-b"}, "location", "us-east1-b"),
        ({"cluster": "c", "k8s.cluster.name": "d"}, "cluster", "c"),
        ({"cloud.platform": "gcp_cloud_run"}, "cluster", "__run__"),
        ({"cloud.platform": "gcp_compute_engine"}, "cluster", "__gce__"),
        ({"service.namespace": "n"}, "namespace", "n"),
        ({"service.namespace": "n"}, "job", "n/shop"),
        ({"service.name": "unknown_service:python", "faas.name": "f"}, "job", "f"),
        ({"job": "j"}, "job", "j"),
        ({"instance": "x"}, "instance", "x"),
        ({"service.instance.id": "", "k8s.pod.name": "pod", "k8s.container.name": "c"}, "instance", "pod:c"),
        ({"service.instance.id": "", "host.id": "h"}, "instance", "h"),
    ],
)
def test_labels_of_the_target_come_from_the_documented_attributes(http, stored, attributes, label, value):
    export(http, gauge(resource={**RESOURCE, **attributes}))
    (series,) = stored("prometheus.googleapis.com/queue.length/gauge")
    assert series.resource.labels[label] == value


def test_what_does_not_identify_the_resource_is_in_target_info(http, stored):
    export(http, gauge(resource={**RESOURCE, "service.version": "7"}))
    (series,) = stored("prometheus.googleapis.com/target_info/gauge")
    labels = dict(series.metric.labels)
    assert labels["service.version"] == "7"
    assert "service.name" not in labels
    assert series.points[0].value.double_value == 1.0


def test_the_scope_is_a_label_where_it_has_a_name(http, stored):
    export(http, gauge(scope="library"))
    (series,) = stored("prometheus.googleapis.com/queue.length/gauge")
    assert series.metric.labels["otel_scope_name"] == "library"


def test_an_exponential_histogram_has_exponential_buckets(http, stored):
    request, metric = exported()
    metric.exponential_histogram.aggregation_temporality = TEMPORALITY_CUMULATIVE
    now = time.time_ns()
    point = metric.exponential_histogram.data_points.add(
        start_time_unix_nano=now - SECOND_NS, time_unix_nano=now, count=6, sum=12.0, scale=0, zero_count=1
    )
    point.positive.offset = -1
    point.positive.bucket_counts.extend([0, 2, 3, 0])  # (1, 2] and (2, 4]
    export(http, request)
    (series,) = stored("prometheus.googleapis.com/queue.length/histogram")
    value = series.points[0].value.distribution_value
    buckets = value.bucket_options.exponential_buckets
    assert (buckets.num_finite_buckets, buckets.growth_factor, buckets.scale) == (2, 2.0, 1.0)
    assert list(value.bucket_counts) == [1, 2, 3, 0]


def test_a_summary_is_three_metrics(http, stored):
    request, metric = exported()
    now = time.time_ns()
    point = metric.summary.data_points.add(
        start_time_unix_nano=now - SECOND_NS, time_unix_nano=now, count=4, sum=8.0
    )
    point.quantile_values.add(quantile=0.5, value=2.0)
    export(http, request)
    (count,) = stored("prometheus.googleapis.com/queue.length_count/summary")
    (total,) = stored("prometheus.googleapis.com/queue.length_sum/summary:counter")
    (median,) = stored("prometheus.googleapis.com/queue.length/summary")
    assert (count.points[0].value.double_value, total.points[0].value.double_value) == (4.0, 8.0)
    assert (median.metric.labels["quantile"], median.points[0].value.double_value) == ("0.5", 2.0)


def test_a_name_of_another_domain_is_the_type_itself(http, stored):
    export(http, gauge(name="workload.googleapis.com/queue"))
    assert stored("workload.googleapis.com/queue")


def test_a_point_flagged_as_having_no_value_is_neither_stored_nor_rejected(http, genesis_emulator):
    request = gauge()
    request.resource_metrics[0].scope_metrics[0].metrics[0].gauge.data_points[0].flags = 1
    assert not export(http, request).rejected_data_points
    assert ingested(http)["samples"] == 1  # target_info


def test_points_less_than_5_s_apart_are_rejected_in_the_words_of_cloud_monitoring(http):
    now = time.time_ns()
    export(http, gauge(at_ns=now - SECOND_NS))
    assert "more frequently than the maximum sampling period" in refusal(http, gauge(at_ns=now))


def test_a_metric_keeps_its_value_type(http):
    export(http, counter(1))
    request, metric = exported()
    now = time.time_ns()
    metric.name = "queue.length"
    metric.sum.aggregation_temporality, metric.sum.is_monotonic = TEMPORALITY_CUMULATIVE, True
    metric.sum.data_points.add(time_unix_nano=now, start_time_unix_nano=now - SECOND_NS)
    assert "no value" in refusal(http, request)


def test_a_resource_without_a_project_refuses_the_whole_request(http):
    body = gauge(resource={"service.name": "shop"}).SerializeToString()
    response = http.post("/v1/metrics", content=body, headers=PROTOBUF)
    assert response.status_code == 400
    status = status_pb2.Status.FromString(response.content)
    assert (status.code, "gcp.project_id" in status.message) == (3, True)


def test_gzip_is_unpacked(http):
    body = gzip.compress(gauge().SerializeToString())
    response = http.post("/v1/metrics", content=body, headers={**PROTOBUF, "Content-Encoding": "gzip"})
    assert (response.status_code, response.content) == (200, b"")


def json_gauge(**resource):
    attributes = [{"key": key, "value": {"stringValue": value}} for key, value in resource.items()]
    point = {"asInt": "7", "timeUnixNano": str(time.time_ns())}
    metric = {"name": "jobs", "gauge": {"dataPoints": [point]}, "unknownField": 1}
    return {
        "resourceMetrics": [{"resource": {"attributes": attributes}, "scopeMetrics": [{"metrics": [metric]}]}]
    }


def test_json_is_taken_and_answered_in_json(http, stored):
    response = http.post("/v1/metrics", json=json_gauge(**RESOURCE))
    assert (response.status_code, response.json()) == (200, {})
    assert stored("prometheus.googleapis.com/jobs/gauge")[0].points[0].value.double_value == 7.0


def test_json_errors_are_json(http):
    response = http.post("/v1/metrics", json=json_gauge())
    assert response.status_code == 400
    assert response.json()["error"]["status"] == "INVALID_ARGUMENT"


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"\xff\xff", PROTOBUF, 400),
        (b"{", {"Content-Type": "application/json"}, 400),
        (b"", {"Content-Type": "text/plain"}, 415),
        (b"no gzip", {**PROTOBUF, "Content-Encoding": "gzip"}, 400),
        (gzip.compress(b"x" * 1000, mtime=0)[:-12], {**PROTOBUF, "Content-Encoding": "gzip"}, 400),
        (b"", {**PROTOBUF, "Content-Encoding": "br"}, 400),
        (gzip.compress(bytes((64 << 20) + 1), 1, mtime=0), {**PROTOBUF, "Content-Encoding": "gzip"}, 413),
    ],
)
def test_a_body_that_can_not_be_read_is_refused(http, genesis_emulator, content, headers, status):
    assert http.post("/v1/metrics", content=content, headers=headers).status_code == status
    assert genesis_emulator.cloud.internal_errors == 0


def test_the_method_is_served_over_grpc_too(genesis_emulator, stored):
    with grpc.insecure_channel(genesis_emulator.grpc) as channel:
        assert channel.unary_unary(f"/{METHOD}")(gauge().SerializeToString()) == b""
    assert stored("prometheus.googleapis.com/queue.length/gauge")


def test_faults_strike_and_calls_are_counted(http, genesis_emulator):
    genesis_emulator.fail("Export", "UNAVAILABLE")
    response = http.post("/v1/metrics", content=gauge().SerializeToString(), headers=PROTOBUF)
    assert response.status_code == 503
    export(http, gauge())
    assert genesis_emulator.calls()[METHOD] == 2


def ingested(http):
    return json.loads(http.get("/control/ingested").text)["otlp"]


def test_samples_are_counted_as_they_are_billed(http):
    export(http, histogram((1.0, 2.0, 3.0), (0, 4, 1, 0), 8.0))
    refusal(http, gauge(float("nan")))
    # 2 and two buckets, and target_info.
    assert ingested(http) == {"points": 1, "samples": 5, "rejected": 1}
