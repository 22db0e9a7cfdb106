"""The bridge from OpenTelemetry, with its real SDK: spans become operations, metrics the monitor's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from genesis_performance import PerformanceMonitor, PerformanceProfiler, config
from genesis_performance.config.profiler import ProfilerConfig
from genesis_performance.errors import MissingDependencyError
from genesis_performance.export.sinks.memory import MemorySink
from genesis_performance.integrations import opentelemetry as bridge
from genesis_performance.model.operation import OperationSnapshot

trace: Any = pytest.importorskip("opentelemetry.sdk.trace", reason="opentelemetry-sdk is not installed")
metrics: Any = pytest.importorskip("opentelemetry.sdk.metrics", reason="opentelemetry-sdk is not installed")
api: Any = pytest.importorskip("opentelemetry.trace", reason="opentelemetry-sdk is not installed")

MILLISECOND_NS = 1_000_000
START_NS = 1_700_000_000_000_000_000


@pytest.fixture
def operations() -> bridge.SpanOperations:
    return bridge.SpanOperations()


@pytest.fixture
def record(operations: bridge.SpanOperations) -> Callable[..., None]:
    """``record(name, **attributes)``: one finished span of 10 ms."""
    provider = trace.TracerProvider()
    provider.add_span_processor(operations)
    tracer = provider.get_tracer("test")

    def one(
        name: str = "span",
        attributes: dict[str, Any] | None = None,
        *,
        kind: str = "SERVER",
        failed: Exception | bool = False,
        took_ms: float = 10,
    ) -> None:
        span = tracer.start_span(name, kind=api.SpanKind[kind], attributes=attributes, start_time=START_NS)
        if failed:
            span.set_status(api.Status(api.StatusCode.ERROR))
        if isinstance(failed, Exception):
            span.record_exception(failed)
        span.end(end_time=START_NS + round(took_ms * MILLISECOND_NS))

    return one


def snapshot(operations: bridge.SpanOperations, name: str) -> OperationSnapshot:
    (found,) = [one for one in operations.recorder.snapshots() if one.name == name]
    return found


def names(operations: bridge.SpanOperations) -> list[str]:
    return [one.name for one in operations.recorder.snapshots()]


def test_a_server_span_is_an_operation_with_its_route_and_duration(
    operations: bridge.SpanOperations, record: Callable[..., None]
) -> None:
    for took_ms in (10, 30):
        record("GET", {"http.request.method": "GET", "http.route": "/orders/{id}"}, took_ms=took_ms)
    found = snapshot(operations, "GET /orders/{id}")
    assert (found.count, found.errors, found.sum_ns) == (2, 0, 40 * MILLISECOND_NS)
    assert (found.min_ns, found.max_ns) == (10 * MILLISECOND_NS, 30 * MILLISECOND_NS)


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        ({"http.request.method": "GET"}, "GET <unmatched>"),
        ({"http.request.method": "BREW", "http.route": "/a"}, "OTHER /a"),
        ({"http.method": "POST", "http.route": "orders/<int:pk>/"}, "POST /orders/<int:pk>/"),
        ({"rpc.system": "grpc"}, "shop.Cart/Add"),
    ],
)
def test_names_are_those_of_our_own_middleware(
    operations: bridge.SpanOperations,
    record: Callable[..., None],
    attributes: dict[str, str],
    name: str,
) -> None:
    record("shop.Cart/Add", attributes)
    assert names(operations) == [name]


def test_consumer_spans_are_operations_and_clients_and_inner_ones_are_not(
    operations: bridge.SpanOperations, record: Callable[..., None]
) -> None:
    for kind in ("CONSUMER", "CLIENT", "INTERNAL", "PRODUCER"):
        record(kind, kind=kind)
    assert names(operations) == ["CONSUMER"]


@pytest.mark.parametrize(
    ("attributes", "failed", "error"),
    [
        ({}, ValueError("x"), "ValueError"),
        ({"http.request.method": "GET", "http.response.status_code": 503}, False, "503"),
        ({"error.type": "timeout"}, True, "timeout"),
        ({}, True, "error"),
    ],
)
def test_a_failed_span_is_an_error_of_its_kind(
    operations: bridge.SpanOperations,
    record: Callable[..., None],
    attributes: dict[str, Any],
    failed: Exception | bool,
    error: str,
) -> None:
    record("span", attributes, failed=failed)
    (found,) = operations.recorder.snapshots()
    assert found.error_types == {error: 1}


def test_a_client_error_is_no_error(operations: bridge.SpanOperations, record: Callable[..., None]) -> None:
    record("span", {"http.request.method": "GET", "http.response.status_code": 404})
    assert snapshot(operations, "GET <unmatched>").errors == 0


def test_a_request_within_our_middleware_is_counted_once(
    operations: bridge.SpanOperations, record: Callable[..., None]
) -> None:
    profiler = PerformanceProfiler(ProfilerConfig(enable_persistent_storage=False))
    with profiler.profile_context("GET <unmatched>") as execution:
        record("span", {"http.request.method": "GET", "http.route": "/a"})
        execution.rename("GET /a")
    assert names(operations) == []


def test_a_request_around_our_middleware_is_counted_once(
    operations: bridge.SpanOperations, record: Callable[..., None]
) -> None:
    profiler = PerformanceProfiler(ProfilerConfig(enable_persistent_storage=False))
    with profiler.profile_context("GET /a"):
        pass
    record("span", {"http.request.method": "GET", "http.route": "/a"})
    record("span", {"http.request.method": "GET", "http.route": "/b"})
    assert names(operations) == ["GET /b"]


def test_an_odd_span_is_counted_and_does_not_reach_the_host(
    operations: bridge.SpanOperations, caplog: pytest.LogCaptureFixture
) -> None:
    operations.on_end(object())
    operations.on_end(object())
    assert operations.failures == 2
    assert len(caplog.records) == 1


@pytest.fixture
def sink() -> MemorySink:
    return MemorySink()


@pytest.fixture
def monitor(sink: MemorySink) -> Iterator[PerformanceMonitor]:
    config.reset()
    with PerformanceMonitor(service_name="shop", sink=sink) as made:
        yield made
    config.reset()


def reading(monitor: PerformanceMonitor, **said: Any) -> tuple[Any, Any]:
    reader = bridge.metric_reader(monitor, interval_s=3600, **said)
    provider = metrics.MeterProvider(metric_readers=[reader], shutdown_on_exit=False)
    return provider, provider.get_meter("test")


def test_counters_and_gauges_arrive_with_their_labels(monitor: PerformanceMonitor, sink: MemorySink) -> None:
    provider, meter = reading(monitor)
    counter, level = meter.create_counter("jobs.done"), meter.create_up_down_counter("queue.length")
    for _ in range(2):  # what was taken over is not taken over again
        counter.add(3, {"job.kind": "mail"})
        level.add(2)
        provider.force_flush()
    provider.shutdown()
    monitor.flush()
    assert sink.value("jobs.done", job_kind="mail") == 6.0
    assert sink.value("queue.length") == 4.0


def test_a_histogram_keeps_count_and_sum(monitor: PerformanceMonitor, sink: MemorySink) -> None:
    provider, meter = reading(monitor)
    histogram = meter.create_histogram("wait", unit="ms")
    for value in (3.0, 7.0, 8.0, 260.0, 12_000.0):
        histogram.record(value)
    provider.shutdown()
    monitor.flush()
    found: Any = sink.value("wait")
    assert found.count == 5
    assert found.sum == pytest.approx(12_278.0)


def test_only_wanted_metrics_are_taken_over(monitor: PerformanceMonitor, sink: MemorySink) -> None:
    provider, meter = reading(monitor, wanted=lambda name: name == "a")
    for name in ("a", "b"):
        meter.create_counter(name).add(1)
    provider.shutdown()
    monitor.flush()
    recorded = {name for name, _ in sink.series}
    assert "a" in recorded
    assert "b" not in recorded


def test_requests_can_be_response_times_for_alerts(monitor: PerformanceMonitor) -> None:
    monitor.create_response_time_alert("shop", 100, apply="local")
    provider, meter = reading(monitor, response_times=True)
    requests = meter.create_histogram("http.server.request.duration", unit="s")
    for _ in range(20):
        requests.record(2.0, {"http.request.method": "GET", "http.route": "/slow"})
    monitor.check_performance_thresholds()
    provider.shutdown()
    (incident,) = monitor.check_performance_thresholds()
    assert incident.operation == "GET /slow"


class Point:
    """A histogram's data point as the SDK has it."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)


def test_the_values_of_a_bucket_lie_where_the_sum_is_right() -> None:
    point = Point(explicit_bounds=(1.0, 2.0), bucket_counts=(0, 4, 0), count=4, sum=5.0, min=1.1, max=1.9)
    assert list(bridge.values(point)) == [(pytest.approx(1.25), 4)]


def test_a_sum_that_the_buckets_can_not_give_is_the_nearest_that_they_can() -> None:
    point = Point(explicit_bounds=(1.0, 2.0), bucket_counts=(0, 4, 0), count=4, sum=99.0, min=1.5, max=1.5)
    assert list(bridge.values(point)) == [(1.5, 4)]


def test_an_exponential_histogram_has_both_signs_and_zero() -> None:
    side = Point(offset=0, bucket_counts=(0, 2))
    point = Point(scale=0, zero_count=1, positive=side, negative=side, sum=0.0)
    assert [(value, count) for value, count in bridge.values(point)] == [(0.0, 1), (3.0, 2), (-3.0, 2)]


def test_without_the_sdk_one_is_told_what_to_install(
    monitor: PerformanceMonitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "opentelemetry.sdk.metrics.export", None)
    with pytest.raises(MissingDependencyError, match="opentelemetry-sdk"):
        bridge.metric_reader(monitor)
