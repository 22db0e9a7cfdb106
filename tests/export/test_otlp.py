"""The OTLP sink against the emulator, and against real servers that answer what the emulator does not."""

import json
import logging
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from zlib import decompress

import pytest

from genesis_performance import config
from genesis_performance.errors import ConfigurationError
from genesis_performance.export.catalog import (
    CPU_UTILIZATION,
    MEMORY_BYTES,
    OPERATION_COUNT,
    OPERATION_DURATION,
)
from genesis_performance.export.exporter import Exporter
from genesis_performance.export.opening import open_sink
from genesis_performance.export.otlp_http import Connection
from genesis_performance.export.resource import acting_as
from genesis_performance.export.sinks.otlp import OtlpSink
from genesis_performance.gcp import each
from genesis_performance.model.series import Distribution, Metric, MetricKind, Point, Series
from genesis_performance.stats.histogram import explicit_buckets

from ..conftest import FakeClock

if TYPE_CHECKING:
    from genesis_performance.emulator import RunningEmulator

EXPORT = "opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
START_NS = time.time_ns() - 3_600_000_000_000
OURS = "prometheus.googleapis.com/genesis.performance"
GZIP = 31


def opened(clock: FakeClock, *, project: str | None = None, service: str = "shop", **said: Any) -> OtlpSink:
    sink = open_sink(
        "otlp",
        project=project,
        prefix="genesis.performance",
        service=service,
        environment="test",
        location=said.pop("location", None),
        clock=clock,
    )
    assert isinstance(sink, OtlpSink)
    _opened.append(sink)
    return sink


_opened: list[OtlpSink] = []


@pytest.fixture(autouse=True)
def _close_what_was_opened() -> Iterator[None]:
    yield
    while _opened:
        _opened.pop().close()


def count(clock: FakeClock, value: int = 1, **labels: str) -> Series:
    point = Point(end_unix_ns=clock.unix_ns(), value=value, start_unix_ns=START_NS)
    return Series(metric=OPERATION_COUNT, labels=tuple(sorted(labels.items())), points=(point,))


def gauge(clock: FakeClock, metric: Metric, value: float) -> Series:
    return Series(metric=metric, labels=(), points=(Point(end_unix_ns=clock.unix_ns(), value=value),))


def duration(clock: FakeClock, operation: str) -> Series:
    bounds, counts = explicit_buckets({100: 3, 400: 1})
    value = Distribution(bounds=bounds, counts=counts, sum=4.0, sum_of_squared_deviation=1.5)
    point = Point(end_unix_ns=clock.unix_ns(), value=value, start_unix_ns=START_NS)
    return Series(metric=OPERATION_DURATION, labels=(("operation", operation),), points=(point,))


# Google, played by the emulator


def stored(metric_type: str, clock: FakeClock) -> list[Any]:
    request = {
        "name": "projects/p",
        "filter": f'metric.type="{metric_type}"',
        "interval": {
            "start_time": {"seconds": clock.unix_ns() // 10**9 - 7200},
            "end_time": {"seconds": clock.unix_ns() // 10**9 + 60},
        },
    }
    return list(each("metrics", "list_time_series", request))


def test_counters_arrive_with_their_labels_on_the_target_of_this_process(
    cloud: "RunningEmulator", clock: FakeClock
) -> None:
    result = opened(clock, location="europe-west3").write([count(clock, 7, status="ok")], timeout_s=5)
    assert (result.sent, result.rejected, result.retry, result.errors) == (1, (), (), ())
    (series,) = stored(f"{OURS}.operation.count/counter", clock)
    assert series.points[0].value.double_value == 7.0
    assert dict(series.metric.labels) == {"status": "ok"}
    resource = dict(series.resource.labels)
    assert (resource["job"], resource["location"]) == ("shop", "europe-west3")
    assert resource["instance"]


def test_an_http_request_is_the_semantic_conventions_metric_in_seconds(
    cloud: "RunningEmulator", clock: FakeClock
) -> None:
    opened(clock).write([duration(clock, "GET /orders/{id}")], timeout_s=5)
    (series,) = stored("prometheus.googleapis.com/http.server.request.duration/histogram", clock)
    assert dict(series.metric.labels) == {
        "operation": "GET /orders/{id}",
        "http.request.method": "GET",
        "http.route": "/orders/{id}",
    }
    value = series.points[0].value.distribution_value
    assert (value.count, value.mean, series.unit) == (4, 0.001, "s")


def test_an_operation_that_is_no_request_keeps_our_name_and_unit(
    cloud: "RunningEmulator", clock: FakeClock
) -> None:
    opened(clock).write([duration(clock, "checkout")], timeout_s=5)
    (series,) = stored(f"{OURS}.operation.duration/histogram", clock)
    assert (series.points[0].value.distribution_value.mean, series.unit) == (1.0, "ms")


def test_a_request_that_no_route_matched_has_no_route(cloud: "RunningEmulator", clock: FakeClock) -> None:
    opened(clock).write([duration(clock, "OTHER <unmatched>")], timeout_s=5)
    (series,) = stored("prometheus.googleapis.com/http.server.request.duration/histogram", clock)
    assert dict(series.metric.labels) == {"operation": "OTHER <unmatched>", "http.request.method": "_OTHER"}


def test_cpu_and_memory_have_the_conventions_names(cloud: "RunningEmulator", clock: FakeClock) -> None:
    opened(clock).write([gauge(clock, CPU_UTILIZATION, 0.5), gauge(clock, MEMORY_BYTES, 1e8)], timeout_s=5)
    assert stored("prometheus.googleapis.com/process.cpu.utilization/gauge", clock)
    (memory,) = stored("prometheus.googleapis.com/process.memory.usage/gauge", clock)
    assert memory.points[0].value.double_value == 1e8


def test_points_less_than_5_s_after_the_last_are_held(cloud: "RunningEmulator", clock: FakeClock) -> None:
    sink = opened(clock)
    sink.write([count(clock)], timeout_s=5)
    clock.advance(2)
    result = sink.write([count(clock, 2)], timeout_s=5)
    assert (result.sent, len(result.held), result.held_s) == (0, 1, 3.0)
    assert cloud.calls()[EXPORT] == 1


def test_the_last_points_of_a_process_are_dated_ahead_rather_than_not_sent(
    cloud: "RunningEmulator", clock: FakeClock
) -> None:
    sink = opened(clock)
    sink.write([count(clock)], timeout_s=5)
    clock.advance(2)
    assert sink.write([count(clock, 2)], timeout_s=5, final=True).sent == 1
    (series,) = stored(f"{OURS}.operation.count/counter", clock)
    assert [point.value.double_value for point in series.points] == [2.0, 1.0]


def test_a_rejected_point_is_counted_with_the_words_of_the_endpoint(
    cloud: "RunningEmulator", clock: FakeClock
) -> None:
    old = FakeClock()
    old.advance(-26 * 3600)
    early = Series(
        metric=OPERATION_COUNT,
        labels=(("status", "error"),),
        points=(Point(end_unix_ns=old.unix_ns(), value=1, start_unix_ns=old.unix_ns() - 10**9),),
    )
    result = opened(clock).write([count(clock, status="ok"), early], timeout_s=5)
    assert (result.sent, result.rejected[0].count) == (1, 1)
    assert "at most 25h" in result.rejected[0].reason
    assert result.is_complete


def test_google_gets_200_points_a_request(cloud: "RunningEmulator", clock: FakeClock) -> None:
    many = [count(clock, number, operation=f"o{number}") for number in range(450)]
    assert opened(clock).write(many, timeout_s=10).sent == 450
    assert cloud.calls()[EXPORT] == 3


@pytest.mark.parametrize("code", ["UNAVAILABLE", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED"])
def test_what_may_succeed_later_comes_with_the_next_write(
    cloud: "RunningEmulator", clock: FakeClock, code: str
) -> None:
    sink = opened(clock)
    cloud.fail("Export", code)
    many = [count(clock, 1, operation=f"o{number}") for number in range(250)]
    result = sink.write(many, timeout_s=5)
    assert (result.sent, len(result.retry), result.rejected) == (0, 250, ())
    assert cloud.calls()[EXPORT] == 1  # the second batch was not tried
    assert code in result.errors[0]
    clock.advance(5)
    later = [count(clock, 2, operation=f"o{number}") for number in range(250)]
    assert sink.write(later, timeout_s=5).sent == 250


def test_a_refused_request_is_final_for_its_batch_alone(cloud: "RunningEmulator", clock: FakeClock) -> None:
    cloud.fail("Export", "INVALID_ARGUMENT")
    many = [count(clock, 1, operation=f"o{number}") for number in range(250)]
    result = opened(clock).write(many, timeout_s=5)
    assert (result.sent, result.rejected[0].count, result.retry) == (50, 200, ())


def test_missing_permission_is_tried_again(cloud: "RunningEmulator", clock: FakeClock) -> None:
    cloud.fail("Export", "PERMISSION_DENIED")
    result = opened(clock).write([count(clock)], timeout_s=5)
    assert (result.rejected, len(result.retry)) == ((), 1)


def test_the_exporter_flushes_the_newest_points_at_the_end(
    cloud: "RunningEmulator", clock: FakeClock
) -> None:
    totals = iter([1, 2])
    exporter = Exporter(
        lambda _now: [count(clock, next(totals))], lambda: opened(clock), interval_s=60, clock=clock
    )
    exporter.start()
    assert exporter.flush(60)
    clock.advance(20)
    assert exporter.close(5)
    (series,) = stored(f"{OURS}.operation.count/counter", clock)
    assert [point.value.double_value for point in series.points] == [2.0, 1.0]


# Any other endpoint, played by a server of the test


class Collector:
    """Answers what it was told to, in turn, then 200 with an empty body; keeps what it got."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.answers: list[tuple[int, dict[str, str], bytes]] = []
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.connections: set[tuple[str, int]] = set()
        self.delay = threading.Event()
        self.delays = False
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = decompress(body, GZIP)
                collector.connections.add(self.client_address)
                collector.requests.append((self.path, dict(self.headers), body))
                if collector.delays:
                    collector.delay.wait(300)
                status, headers, content = collector.answers.pop(0) if collector.answers else (200, {}, b"")
                self.send_response(status)
                for key, value in headers.items():
                    self.send_header(key, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_arguments: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}).start()

    def close(self) -> None:
        self.delay.set()
        self.server.shutdown()
        self.server.server_close()

    def answer(self, status: int, content: bytes = b"", **headers: str) -> None:
        self.answers.append(
            (status, {key.replace("_", "-"): value for key, value in headers.items()}, content)
        )


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with closing(Collector()) as made:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", made.url)
        config.reset()
        yield made


@pytest.fixture
def sink(collector: Collector, clock: FakeClock) -> OtlpSink:
    return opened(clock)


def partial(rejected: int, message: str) -> bytes:
    text = message.encode()
    inner = bytes((0x08, rejected, 0x12, len(text))) + text
    return bytes((0x0A, len(inner))) + inner


def test_a_collector_gets_its_path_headers_and_gzip_and_no_credentials(
    collector: Collector, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20b,x-tenant=shop")
    config.reset()
    assert opened(clock).write([count(clock)], timeout_s=5).sent == 1
    ((path, headers, body),) = collector.requests
    assert path == "/v1/metrics"
    assert (headers["api-key"], headers["x-tenant"]) == ("a b", "shop")
    assert headers["Content-Type"] == "application/x-protobuf"
    assert headers["Content-Encoding"] == "gzip"
    assert "Authorization" not in headers
    assert b"genesis.performance.operation.count" in body


def test_the_endpoint_for_metrics_is_used_as_it_is(
    collector: Collector, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", f"{collector.url}/own/path?tenant=1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
    config.reset()
    opened(clock).write([count(clock)], timeout_s=5)
    ((path, headers, _),) = collector.requests
    assert path == "/own/path?tenant=1"
    assert "Content-Encoding" not in headers


def test_one_connection_serves_every_write(sink: OtlpSink, collector: Collector, clock: FakeClock) -> None:
    for _ in range(3):
        sink.write([count(clock)], timeout_s=5)
    assert (len(collector.requests), len(collector.connections)) == (3, 1)


def test_a_connection_that_was_closed_meanwhile_is_opened_again(
    sink: OtlpSink, collector: Collector, clock: FakeClock
) -> None:
    collector.answer(200, Connection="close")
    assert sink.write([count(clock)], timeout_s=5).sent == 1
    assert sink.write([count(clock)], timeout_s=5).sent == 1
    assert len(collector.connections) == 2


def test_a_collector_may_get_points_as_often_as_one_wants(
    sink: OtlpSink, collector: Collector, clock: FakeClock
) -> None:
    assert sink.write([count(clock)], timeout_s=5).sent == 1
    assert sink.write([count(clock)], timeout_s=5).sent == 1


def test_partial_success_is_counted_and_not_tried_again(
    sink: OtlpSink, collector: Collector, clock: FakeClock
) -> None:
    collector.answer(200, partial(2, "bad points"))
    result = sink.write([count(clock, operation=f"o{number}") for number in range(3)], timeout_s=5)
    assert (result.sent, result.rejected[0].count, result.rejected[0].reason) == (1, 2, "bad points")
    assert result.is_complete
    assert len(collector.requests) == 1


def test_points_that_another_process_was_just_before_are_held_and_not_refused_for_good(
    cloud: "RunningEmulator", clock: FakeClock
) -> None:
    series = {}
    for process in ("first", "second"):
        with acting_as("one task"):
            series[process] = opened(clock)
    assert series["first"].write([count(clock, value=1)], timeout_s=5).sent == 1
    clock.advance(1)
    soon = series["second"].write(
        [count(clock, value=2), count(clock, value=2, operation="new")], timeout_s=5
    )
    assert (soon.sent, soon.rejected, len(soon.held), soon.held_s) == (1, (), 2, 5)
    assert "more frequently" in soon.errors[0]
    clock.advance(soon.held_s)
    later = series["second"].write(
        [count(clock, value=3), count(clock, value=3, operation="new")], timeout_s=5
    )
    assert (later.sent, later.is_complete) == (2, True)
    assert {one.points[0].value.double_value for one in stored(f"{OURS}.operation.count/counter", clock)} == {
        3
    }


def test_partial_success_in_json_is_read_too(sink: OtlpSink, collector: Collector, clock: FakeClock) -> None:
    told = {"partialSuccess": {"rejectedDataPoints": "1", "errorMessage": "no"}}
    collector.answer(200, json.dumps(told).encode(), Content_Type="application/json")
    assert sink.write([count(clock)], timeout_s=5).rejected[0].reason == "no"


def test_a_warning_of_the_endpoint_is_logged_once(
    sink: OtlpSink, collector: Collector, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        collector.answer(200, partial(0, "deprecated"))
        assert sink.write([count(clock)], timeout_s=5).sent == 1
    said = [record for record in caplog.records if "deprecated" in record.getMessage()]
    assert [record.levelno for record in said] == [logging.WARNING]


@pytest.mark.parametrize("content", [b"\xff\xff\xff", b"\x0a\x7f", b"\x0b", b"\x80" * 12])
def test_an_answer_that_is_no_protobuf_does_not_undo_the_success(
    sink: OtlpSink, collector: Collector, clock: FakeClock, content: bytes
) -> None:
    collector.answer(200, content)
    assert sink.write([count(clock)], timeout_s=5).sent == 1


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_retry_after_is_honoured_in_seconds(
    sink: OtlpSink, collector: Collector, clock: FakeClock, status: int
) -> None:
    collector.answer(status, Retry_After="30")
    result = sink.write([count(clock)], timeout_s=5)
    assert (len(result.held), result.held_s, result.retry) == (1, 30.0, ())
    clock.advance(29)
    assert sink.write([count(clock)], timeout_s=5).held_s == 1.0
    assert len(collector.requests) == 1
    clock.advance(1)
    assert sink.write([count(clock)], timeout_s=5).sent == 1


def test_retry_after_may_be_a_date(sink: OtlpSink, collector: Collector, clock: FakeClock) -> None:
    collector.answer(503, Retry_After=formatdate(time.time() + 100, usegmt=True))
    assert 90 < sink.write([count(clock)], timeout_s=5).held_s <= 100


@pytest.mark.parametrize("said", ["soon", "-5", "1e400", "Mon, 99 Foo"])
def test_a_retry_after_that_says_nothing_is_ignored(
    sink: OtlpSink, collector: Collector, clock: FakeClock, said: str
) -> None:
    collector.answer(503, Retry_After=said)
    assert len(sink.write([count(clock)], timeout_s=5).retry) == 1


@pytest.mark.parametrize("status", [400, 405, 500, 501])
def test_other_statuses_are_final(
    sink: OtlpSink, collector: Collector, clock: FakeClock, status: int
) -> None:
    collector.answer(status, bytes((0x08, 3, 0x12, 4)) + b"why?")
    result = sink.write([count(clock)], timeout_s=5)
    assert (result.sent, result.retry, result.rejected[0].count) == (0, (), 1)
    assert result.rejected[0].reason.startswith(f"HTTP {status}")
    assert result.rejected[0].reason.endswith(": why?")


def test_a_request_that_is_too_large_is_halved_until_it_fits(
    sink: OtlpSink, collector: Collector, clock: FakeClock
) -> None:
    collector.answer(413)
    collector.answer(413)
    many = [count(clock, operation=f"o{number}") for number in range(100)]
    assert sink.write(many, timeout_s=5).sent == 100
    assert len(collector.requests) == 2 + 4
    sink.write(many, timeout_s=5)
    assert len(collector.requests) == 6 + 4  # it learned


def test_one_point_that_is_too_large_is_refused_for_good(
    sink: OtlpSink, collector: Collector, clock: FakeClock
) -> None:
    collector.answer(413)
    assert sink.write([count(clock)], timeout_s=5).rejected[0].count == 1


def test_an_endpoint_that_hangs_costs_the_time_allowed_and_no_more(
    sink: OtlpSink, collector: Collector, clock: FakeClock
) -> None:
    collector.delays = True
    begin = time.monotonic()
    result = sink.write([count(clock)], timeout_s=0.2)
    assert (len(result.retry), result.rejected) == (1, ())
    assert time.monotonic() - begin < 60


def test_an_endpoint_that_is_not_there_is_one_failure(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(Collector()) as gone:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", gone.url)
    config.reset()
    result = opened(clock).write(
        [count(clock, operation=f"o{number}") for number in range(1500)], timeout_s=5
    )
    assert len(result.retry) == 1500
    assert len(result.errors) == 1
    assert "refused" in result.errors[0]


# Which target, and what is said of the process


@pytest.fixture
def set_variables(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def apply(**variables: str) -> None:
        for name, text in variables.items():
            monkeypatch.setenv(name, text)
        config.reset()

    return apply


def test_without_an_endpoint_google_is_meant_with_credentials(
    clock: FakeClock, set_variables: Callable[..., None]
) -> None:
    set_variables(GOOGLE_CLOUD_PROJECT="p")
    target = opened(clock).target
    assert target.url == "https://telemetry.googleapis.com/v1/metrics"
    assert target.with_credentials
    assert target.spacing_s == 5


def test_an_endpoint_that_is_google_gets_credentials_too(
    clock: FakeClock, set_variables: Callable[..., None]
) -> None:
    set_variables(GOOGLE_CLOUD_PROJECT="p", OTEL_EXPORTER_OTLP_ENDPOINT="https://telemetry.googleapis.com")
    assert opened(clock).target.with_credentials


def test_an_access_token_and_the_quota_project_go_with_the_request(
    clock: FakeClock, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dataclasses

    from google.oauth2.credentials import Credentials

    monkeypatch.setattr(
        "genesis_performance.gcp.project.credentials",
        lambda: Credentials("token-1", quota_project_id="payer"),
    )
    target = dataclasses.replace(opened(clock).target, with_credentials=True)
    with closing(Connection(target)) as connection:
        assert connection.post(b"", timeout_s=5).status == 200
    ((_, headers, _),) = collector.requests
    sent = {key.lower(): value for key, value in headers.items()}
    assert (sent["authorization"], sent["x-goog-user-project"]) == ("Bearer token-1", "payer")


def test_google_without_a_project_says_what_to_set(
    clock: FakeClock, set_variables: Callable[..., None], genesis_emulator: "RunningEmulator"
) -> None:
    config.reset()
    with pytest.raises(ConfigurationError, match="GOOGLE_CLOUD_PROJECT"):
        opened(clock)


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "http/protobuf"),
        ({"GENESIS_PERF__OTLP__ENDPOINT": "localhost:4318"}, "URL"),
        ({"GENESIS_PERF__OTLP__HEADERS": "key"}, "key=value"),
        ({"GENESIS_PERF__GCP__RESIDENCY": "strict"}, "residency"),
        ({"GENESIS_PERF_EMULATOR": "127.0.0.1:1"}, "GENESIS_PERF_EMULATOR_HTTP"),
    ],
)
def test_a_target_that_can_not_be_is_refused_in_words(
    clock: FakeClock, set_variables: Callable[..., None], variables: dict[str, str], said: str
) -> None:
    set_variables(GOOGLE_CLOUD_PROJECT="p", **variables)
    with pytest.raises(ConfigurationError, match=said):
        opened(clock)


def test_a_disabled_sdk_sends_nothing(clock: FakeClock, set_variables: Callable[..., None]) -> None:
    set_variables(OTEL_SDK_DISABLED="true")
    sink = open_sink(
        "otlp", project=None, prefix="p", service="s", environment="e", location=None, clock=clock
    )
    assert type(sink).__name__ == "NoSink"


def test_two_sinks_are_two_instances(clock: FakeClock, set_variables: Callable[..., None]) -> None:
    set_variables(GOOGLE_CLOUD_PROJECT="p")
    instances = {opened(clock).target.resource["service.instance.id"] for _ in range(2)}
    assert len(instances) == 2


def test_resource_attributes_of_the_environment_win_over_our_own(
    clock: FakeClock, set_variables: Callable[..., None]
) -> None:
    set_variables(
        GOOGLE_CLOUD_PROJECT="p",
        OTEL_RESOURCE_ATTRIBUTES="cloud.region=us-east1,deployment.environment.name=qa,team=a%2Cb",
    )
    resource = opened(clock, location="europe-west3").target.resource
    assert resource["deployment.environment.name"] == "qa"
    assert resource["team"] == "a,b"
    assert resource["cloud.region"] == "us-east1"
    assert "location" not in resource


def test_without_a_region_the_location_is_global(
    clock: FakeClock, set_variables: Callable[..., None]
) -> None:
    set_variables(GOOGLE_CLOUD_PROJECT="p")
    assert opened(clock).target.resource["location"] == "global"


@pytest.mark.parametrize(
    ("service", "variables", "name"),
    [
        ("shop", {"OTEL_SERVICE_NAME": "other"}, "shop"),
        ("default", {"OTEL_SERVICE_NAME": "other"}, "other"),
        ("default", {"OTEL_RESOURCE_ATTRIBUTES": "service.name=third"}, "third"),
        ("default", {"OTEL_SERVICE_NAME": "a", "OTEL_RESOURCE_ATTRIBUTES": "service.name=b"}, "a"),
        ("default", {}, "default"),
    ],
)
def test_the_service_is_the_codes_then_the_environments(
    clock: FakeClock,
    set_variables: Callable[..., None],
    service: str,
    variables: dict[str, str],
    name: str,
) -> None:
    set_variables(GOOGLE_CLOUD_PROJECT="p", **variables)
    assert opened(clock, service=service).target.resource["service.name"] == name


def test_cloud_run_is_recognised(clock: FakeClock, set_variables: Callable[..., None]) -> None:
    set_variables(GOOGLE_CLOUD_PROJECT="p", K_SERVICE="checkout", K_REVISION="checkout-7")
    resource = opened(clock).target.resource
    assert resource["cloud.platform"] == "gcp_cloud_run"
    assert (resource["faas.name"], resource["service.version"]) == ("checkout", "checkout-7")


def test_a_key_in_the_headers_is_not_shown(clock: FakeClock, set_variables: Callable[..., None]) -> None:
    set_variables(GOOGLE_CLOUD_PROJECT="p", OTEL_EXPORTER_OTLP_HEADERS="api-key=hidden")
    assert "hidden" not in repr(opened(clock).target)


def test_the_sink_loads_neither_grpc_nor_protobuf(tmp_path: Any) -> None:
    import subprocess
    import sys

    program = (
        "import os, sys, time\n"
        "os.environ['OTEL_EXPORTER_OTLP_ENDPOINT'] = 'http://127.0.0.1:1'\n"
        "from genesis_performance.export.opening import open_sink\n"
        "from genesis_performance.export.clock import SystemClock\n"
        "from genesis_performance.export.catalog import OPERATION_COUNT\n"
        "from genesis_performance.model.series import Point, Series\n"
        "sink = open_sink('otlp', project='p', prefix='p', service='s', environment='e', location=None,\n"
        "                 clock=SystemClock())\n"
        "point = Point(end_unix_ns=time.time_ns(), value=1, start_unix_ns=1)\n"
        "result = sink.write([Series(metric=OPERATION_COUNT, labels=(), points=(point,))], timeout_s=1)\n"
        "assert result.retry\n"
        "heavy = {'grpc', 'google.protobuf', 'requests', 'opentelemetry'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"


def test_recorded_kinds_have_their_counterparts() -> None:
    from genesis_performance.export.otlp_names import described, otlp_name

    recorded = Metric(name="queue/wait-ms", kind=MetricKind.GAUGE, value_type="DOUBLE", unit="ms")
    name, _ = described("shop-1.performance/x", recorded, ())
    assert (name.name, name.kind) == ("shop_1.performance.x.queue.wait_ms", "gauge")
    assert otlp_name("1st", "a") == "x1st.a"
