"""Requests that no client should send: each gets a clear status, nothing breaks, memory stays bounded."""

from __future__ import annotations

import asyncio
import gzip
import random
import time
import tracemalloc
import zlib
from typing import Any

import grpc
import pytest
from google.cloud.monitoring_v3 import types
from hypothesis import given
from hypothesis import strategies as st

from genesis_performance.emulator.cloud import Cloud
from genesis_performance.emulator.dispatch import answer
from genesis_performance.emulator.http_front import application
from genesis_performance.emulator.rpc_error import RpcError
from genesis_performance.emulator.services.otlp_messages import message

from .monitoring.build import create, create_policy, distribution, policy, query, series
from .scrambling import scramble

EXPORT = "opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
METRICS, POLICIES = "google.monitoring.v3.MetricService", "google.monitoring.v3.AlertPolicyService"
PROTOBUF = {"Content-Type": "application/x-protobuf"}
JSON = {"Content-Type": "application/json"}
GZIP = {**PROTOBUF, "Content-Encoding": "gzip"}
SECOND_NS = 1_000_000_000
MIB = 1 << 20
CUMULATIVE = 2
RESOURCE = {
    "gcp.project_id": "p",
    "cloud.region": "europe-west3",
    "service.name": "shop",
    "service.instance.id": "i-1",
}


def exported(kind: str = "gauge", **fields: Any) -> Any:
    """A request with one point; lists extend, other fields are set, ``positive`` are bucket counts."""
    request = message("ExportMetricsServiceRequest")()
    given = request.resource_metrics.add()
    for key, value in RESOURCE.items():
        given.resource.attributes.add(key=key).value.string_value = value
    metric = given.scope_metrics.add().metrics.add(name="queue", unit="1")
    data = getattr(metric, kind)
    if kind not in {"gauge", "summary"}:
        data.aggregation_temporality = CUMULATIVE
    if kind == "sum":
        data.is_monotonic = True
    now = time.time_ns()
    point = data.data_points.add(time_unix_nano=now, start_time_unix_nano=now - 60 * SECOND_NS)
    for name, value in {"as_double": 1.0, **fields}.items():
        if name == "positive":
            point.positive.bucket_counts.extend(value)
        elif name == "offset":
            point.positive.offset = value
        elif isinstance(value, list):
            getattr(point, name).extend(value)
        elif hasattr(point, name):
            setattr(point, name, value)
    return request


def histogram(count: int, total: float, bounds: list[float], counts: list[int]) -> Any:
    return exported("histogram", count=count, sum=total, explicit_bounds=bounds, bucket_counts=counts)


def exponential(count: int, positive: list[int], **fields: Any) -> Any:
    return exported("exponential_histogram", count=count, sum=1.0, positive=positive, **fields)


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (histogram(2**63, 1.0, [], []), "more than 9223372036854775807"),
        (histogram(5, 1.0, [1.0], [2**64 - 1, 0]), "more than 9223372036854775807"),
        (histogram(2, 1.0, [1e200, 1e300], [1, 1, 0]), "must be finite"),
        (histogram(2, 1.0, [float("nan")], [1, 1]), "not finite"),
        (histogram(2, float("inf"), [1.0], [1, 1]), "not finite"),
        (histogram(1, 1.0, [1.0], [1] * 100_000), "100000 bucket counts do not fit"),
        (histogram(1, 1.0, [float(n) for n in range(100_000)], [1]), "100001 buckets"),
        (exponential(300, [1] * 300), "302 buckets"),
        (exponential(1, [1], scale=-10), "not finite"),
        (exponential(1, [1], scale=2**31 - 1), "scale"),
        (exponential(1, [1], offset=2**31 - 1), "not finite"),
        (exponential(1, [1], offset=-(2**31)), "greater than 0"),
        (exponential(1, [1], zero_count=2**64 - 1), "more than 9223372036854775807"),
        (exported("summary", count=3, sum=float("nan")), "not finite"),
        (exported(time_unix_nano=2**63), "5 minutes"),
        (exported(time_unix_nano=2**64 - 1), "5 minutes"),
        (exported("sum", start_time_unix_nano=2**64 - 1), "start time"),
    ],
    ids=lambda value: value if isinstance(value, str) else "request",
)
def test_a_point_that_can_not_be_stored_is_rejected_with_the_reason(http, genesis_emulator, request_, said):
    response = http.post("/v1/metrics", content=request_.SerializeToString(), headers=PROTOBUF)
    assert response.status_code == 200
    partial = message("ExportMetricsServiceResponse").FromString(response.content).partial_success
    assert partial.rejected_data_points == 1
    assert said in partial.error_message
    assert genesis_emulator.cloud.internal_errors == 0


def test_empty_buckets_without_number_cost_no_time_without_end(http):
    """Two million before the first that is filled."""
    body = exponential(1, [0] * 2_000_000 + [1]).SerializeToString()
    assert http.post("/v1/metrics", content=body, headers=PROTOBUF, timeout=60).status_code == 200


@pytest.mark.parametrize("place", ["NAME", "UNIT", "KEYS", "TEXT", "europe-west3"])
def test_text_that_is_no_utf8_is_a_bad_request(http, genesis_emulator, place):
    request = exported()
    metric = request.resource_metrics[0].scope_metrics[0].metrics[0]
    metric.name, metric.unit = "NAME", "UNIT"
    metric.gauge.data_points[0].attributes.add(key="KEYS").value.string_value = "TEXT"
    body = request.SerializeToString().replace(place.encode(), b"\xff" * len(place))
    assert http.post("/v1/metrics", content=body, headers=PROTOBUF).status_code == 400
    assert genesis_emulator.cloud.internal_errors == 0


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"7",
        b'"x"',
        b'{"resourceMetrics":{}}',
        b'{"resourceMetrics":[null]}',
        b'{"a":' * 10_000,
    ],
    ids=range(8),
)
def test_json_that_is_no_request_is_a_bad_request(http, body):
    assert http.post("/v1/metrics", content=body, headers=JSON).status_code == 400


def test_of_several_attributes_with_one_key_the_last_one_counts(http, genesis_emulator):
    request = exported()
    for project in ("q", "r"):
        pair = request.resource_metrics[0].resource.attributes.add(key="gcp.project_id")
        pair.value.string_value = project
    assert http.post("/v1/metrics", content=request.SerializeToString(), headers=PROTOBUF).status_code == 200
    held = genesis_emulator.cloud.services[METRICS]
    assert list(held.project("r").series.types())
    assert not list(held.project("p").series.types())


async def test_a_client_that_is_gone_before_its_request_is_whole_is_no_fault():
    parts = [{"type": "http.request", "body": b"half", "more_body": True}, {"type": "http.disconnect"}]
    sent = []

    async def receive() -> Any:
        return parts.pop(0)

    async def send(part: Any) -> None:
        sent.append(part)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/metrics",
        "query_string": b"",
        "headers": [(b"content-type", b"application/x-protobuf")],
    }
    await application(Cloud())(scope, receive, send)
    assert sent[0]["status"] == 400


def test_a_gzip_of_several_parts_is_unpacked(http, genesis_emulator):
    content = exported().SerializeToString()
    body = gzip.compress(content[:20]) + gzip.compress(content[20:])
    assert http.post("/v1/metrics", content=body, headers=GZIP).status_code == 200
    assert genesis_emulator.cloud.services[EXPORT.partition("/")[0]].ingested["points"] == 1


def bomb(size: int) -> bytes:
    """So many zeros, packed."""
    packer = zlib.compressobj(1, wbits=16 + zlib.MAX_WBITS)
    return b"".join([*(packer.compress(bytes(MIB)) for _ in range(size // MIB)), packer.flush()])


def test_a_small_body_that_unpacks_to_a_large_one_is_refused_without_unpacking_it(http):
    body = bomb(512 * MIB)
    tracemalloc.start()
    try:
        status = http.post("/v1/metrics", content=body, headers=GZIP, timeout=60).status_code
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert status == 413
    assert peak < 256 * MIB


@pytest.mark.parametrize("method", [EXPORT, f"{METRICS}/CreateTimeSeries"])
def test_a_message_over_grpc_that_is_too_large_is_refused(genesis_emulator, method):
    with grpc.insecure_channel(genesis_emulator.grpc, [("grpc.max_send_message_length", -1)]) as channel:
        for compression in (None, grpc.Compression.Gzip):
            with pytest.raises(grpc.RpcError) as refused:
                channel.unary_unary(f"/{method}")(bytes(65 * MIB), timeout=60, compression=compression)
            assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize(
    "method",
    [EXPORT, f"{METRICS}/CreateTimeSeries", f"{METRICS}/ListTimeSeries", f"{POLICIES}/CreateAlertPolicy"],
)
def test_bytes_over_grpc_that_are_no_message_are_an_invalid_argument(genesis_emulator, method):
    with grpc.insecure_channel(genesis_emulator.grpc) as channel, pytest.raises(grpc.RpcError) as refused:
        channel.unary_unary(f"/{method}")(b"\x0a\xff\xff")
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "can not be read" in refused.value.details() or "is no Export" in refused.value.details()
    assert genesis_emulator.calls()[method] == 1


def requests_of(cloud: Cloud) -> dict[str, Any]:
    """Valid ones, as of now."""
    now_s = cloud.clock.now_ns() / 1e9
    points = [
        series(7, now_s, start_s=now_s - 60, metric="custom.googleapis.com/c", labels={"a": "b"}),
        series(distribution((1, 2, 3, 0)), now_s, start_s=now_s - 60, metric="custom.googleapis.com/d"),
        series(1.5, now_s, metric="custom.googleapis.com/genesis/latency"),
    ]
    described = types.CreateMetricDescriptorRequest.pb()(name="projects/demo")
    described.metric_descriptor.type = "custom.googleapis.com/x"
    described.metric_descriptor.metric_kind, described.metric_descriptor.value_type = 1, 3
    described.metric_descriptor.labels.add(key="a")
    return {
        f"{METRICS}/CreateTimeSeries": create(points),
        f"{METRICS}/CreateMetricDescriptor": described,
        f"{METRICS}/ListTimeSeries": query(
            now_s - 3600,
            now_s,
            aligner="ALIGN_MEAN",
            period_s=60,
            reducer="REDUCE_SUM",
            group_by=["metric.labels.a"],
        ),
        f"{POLICIES}/CreateAlertPolicy": create_policy(policy(reducer="REDUCE_MAX")),
        EXPORT: histogram(4, 8.0, [1.0, 2.0], [1, 2, 1]),
    }


REFUSALS = {"INVALID_ARGUMENT", "NOT_FOUND", "UNIMPLEMENTED", "RESOURCE_EXHAUSTED"}


@given(st.integers(0, 2**64), st.integers(1, 5))
def test_whatever_stands_in_a_request_it_is_answered_or_refused_in_words(seed: int, changes: int) -> None:
    async def attacked() -> None:
        cloud = Cloud()
        for path, valid in requests_of(cloud).items():  # what is written is there to be read
            assert await outcome(cloud, path, valid) == "OK"
        chance = random.Random(seed)
        cloud.clock.advance(10)
        for path, changed in requests_of(cloud).items():
            for _ in range(changes):
                scramble(changed, chance)
            assert await outcome(cloud, path, changed) in {"OK", *REFUSALS}, (path, changed)
        cloud.clock.advance(60)
        cloud.tick()
        assert cloud.internal_errors == 0

    asyncio.run(attacked())


async def outcome(cloud: Cloud, path: str, request: Any) -> str:
    """The status that a call ends with."""
    service, _, rpc = path.partition("/")
    content = request.SerializeToString() if path == EXPORT else request
    try:
        await answer(cloud, path, lambda: getattr(cloud.services[service], rpc)(content))
    except RpcError as error:
        return error.code
    return "OK"
