"""Every kind of alert where the sink is ``otlp``: the policies look at what the Telemetry API makes of it."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from genesis_performance import config
from genesis_performance.errors import CloudNotFoundError
from genesis_performance.export.catalog import (
    MEMORY_BYTES,
    OPERATION,
    OPERATION_DURATION,
    OVERFLOW,
    STANDARD,
)
from genesis_performance.model.alert import PerformanceAlert
from genesis_performance.model.series import Metric
from genesis_performance.monitor import PerformanceMonitor, remote
from genesis_performance.monitor.application import LABELS_OF
from genesis_performance.monitor.first_points import first_points
from genesis_performance.monitor.naming import REQUEST

from .conftest import FakeClock, Operations, made_at_once, pass_time, policies
from .test_dashboards import answered, queries, widgets

if TYPE_CHECKING:
    from genesis_performance.emulator import RunningEmulator

CREATE = "google.monitoring.v3.AlertPolicyService/CreateAlertPolicy"
DESCRIBE = "google.monitoring.v3.MetricService/CreateMetricDescriptor"
EXPORT = "opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
DOMAIN = "prometheus.googleapis.com"
OURS = f"{DOMAIN}/genesis.performance.operation"
REQUESTS = f"{DOMAIN}/http.server.request.duration/histogram"

Make = Callable[[PerformanceMonitor], "PerformanceAlert | list[PerformanceAlert]"]
KINDS: dict[str, tuple[Make, list[str]]] = {
    "response time": (
        lambda monitor: monitor.create_response_time_alert("api", 500),
        [f"{OURS}.duration/histogram", REQUESTS],
    ),
    "error rate": (lambda monitor: monitor.create_error_rate_alert("api", 2), [f"{OURS}.count/counter"]),
    "throughput": (lambda monitor: monitor.create_throughput_alert("api", 30), [f"{OURS}.count/counter"]),
    "cpu": (lambda monitor: monitor.create_cpu_alert("api", 80), [f"{DOMAIN}/process.cpu.utilization/gauge"]),
    "memory": (
        lambda monitor: monitor.create_memory_alert("api", 800),
        [f"{DOMAIN}/process.memory.usage/gauge"],
    ),
    "absence": (
        lambda monitor: monitor.create_absence_alert("api"),
        [f"{DOMAIN}/process.memory.usage/gauge"],
    ),
    "burn rate": (
        lambda monitor: monitor.create_burn_rate_alerts("api", 99.9),
        [f"{OURS}.count/counter"] * 4,
    ),
}


@pytest.fixture
def cloud(cloud: "RunningEmulator", clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> "RunningEmulator":
    monkeypatch.setenv("GENESIS_PERF__MONITORING__SINK", "otlp")
    config.reset()
    # Time passes where the test says so, however slow the machine is. The clock stands still already, so that
    # no point is ahead of the emulator.
    cloud.freeze()
    return cloud


def filters() -> list[str]:
    """Of all conditions with a filter."""
    found = []
    for policy in policies():
        for condition in policy.conditions:
            spec = condition.condition_absent or condition.condition_threshold
            if spec and spec.filter:
                found.append(spec.filter)
    return sorted(found)


def types(found: list[str]) -> list[str]:
    return sorted(one.split('"')[1] for one in found)


def open_there(monitor: PerformanceMonitor) -> set[tuple[str, str]]:
    """Alert and operation of what Cloud Monitoring has opened."""
    monitor.sync_incidents()
    assert monitor._cloud is not None
    return {(one.alert_name, one.operation) for one in monitor._cloud.merged([]) if one.is_open}


def open_here(monitor: PerformanceMonitor) -> set[tuple[str, str]]:
    watch, _ = monitor._watched()
    return {(one.alert_name, one.operation) for one in watch.look()}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_a_policy_on_what_comes_over_otlp_before_anything_was_sent(
    kind: str, monitor: PerformanceMonitor, cloud: "RunningEmulator"
) -> None:
    make, expected = KINDS[kind]
    make(monitor)
    found = filters()
    assert types(found) == sorted(expected)
    assert all('resource.type="prometheus_target"' in one for one in found)
    assert DESCRIBE not in cloud.calls()


@pytest.mark.parametrize("metric", STANDARD, ids=lambda metric: metric.name)
def test_first_points_have_the_labels_of_their_metric(metric: Metric) -> None:
    keys = LABELS_OF[metric.name]
    assert {frozenset(dict(one.labels)) for one in first_points(metric, keys, 10**18)} == {keys}


def test_first_points_of_memory_are_no_operations_and_those_of_durations_have_requests_too() -> None:
    def operations(metric: Metric) -> list[str | None]:
        made = first_points(metric, LABELS_OF[metric.name], 10**18)
        return [dict(one.labels).get(OPERATION) for one in made]

    assert operations(MEMORY_BYTES) == [None]
    assert operations(OPERATION_DURATION) == [OVERFLOW, REQUEST]


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_call_again_changes_nothing(
    kind: str, monitor: PerformanceMonitor, cloud: "RunningEmulator"
) -> None:
    make, _ = KINDS[kind]
    make(monitor)
    before = {method: count for method, count in cloud.calls().items() if "AlertPolicy/" not in method}
    made = policies()
    make(monitor)
    assert policies() == made
    assert cloud.calls().get(EXPORT, 0) == before.get(EXPORT, 0)


def test_a_metric_that_is_new_is_waited_for(
    monitor: PerformanceMonitor, cloud: "RunningEmulator", clock: FakeClock
) -> None:
    object.__setattr__(cloud.cloud.settings, "descriptor_delay_s", 30.0)
    said: list[str] = []
    alert = monitor.create_response_time_alert("api", 500, in_background=True, progress=said.append)
    ends = time.monotonic() + 60
    while not (known := monitor.alerts()[0].resource_name) and time.monotonic() < ends:
        pass_time(cloud, clock, 0.5)
        time.sleep(0.01)
    assert known == policies()[0].name
    assert alert.resource_name is None
    assert said
    assert all(text.startswith("the metric is not known to alerting yet") for text in said)


def test_the_wait_ends_where_the_telemetry_api_takes_nothing(
    monitor: PerformanceMonitor, cloud: "RunningEmulator", caplog: pytest.LogCaptureFixture
) -> None:
    cloud.fail(EXPORT, "UNAVAILABLE", times=None)
    with pytest.raises(CloudNotFoundError):
        monitor.create_response_time_alert("api", 500, metric_wait_s=0)
    assert "could not be made known to alerting" in caplog.text
    assert len(monitor.alerts()) == 1  # evaluated here all the same
    cloud.run(cloud.cloud.faults.clear)


@pytest.mark.parametrize("operation", ["pay", "GET /orders/{id}"])
def test_a_slow_operation_opens_it_there_and_here(
    operation: str,
    monitor: PerformanceMonitor,
    cloud: "RunningEmulator",
    clock: FakeClock,
    operations: Operations,
) -> None:
    alert = monitor.create_response_time_alert("api", 500)
    seen = set()
    for duration_ms in (100, 100, 100, 900, 900, 900, 100, 100, 100, 100, 100, 100):
        operations.run(operation, duration_ms, times=20)
        operations.run("other", 100, times=20)
        assert monitor.flush(60)
        here, there = open_here(monitor), open_there(monitor)
        seen.add((duration_ms, frozenset(here), frozenset(there)))
        pass_time(cloud, clock, 20)
    slow = frozenset({(alert.name, operation)})
    assert (900, slow, slow) in seen
    assert (100, frozenset(), frozenset()) in seen
    assert all("other" not in {one for _, one in (*here, *there)} for _, here, there in seen)


def test_the_value_of_an_incident_of_requests_is_in_the_unit_of_the_alert(
    monitor: PerformanceMonitor, cloud: "RunningEmulator", clock: FakeClock, operations: Operations
) -> None:
    monitor.create_response_time_alert("api", 500)
    for _ in range(4):
        operations.run("GET /orders/{id}", 900, times=20)
        operations.run("pay", 800, times=20)
        assert monitor.flush(60)
        pass_time(cloud, clock, 20)
    assert {one for _, one in open_there(monitor)} == {"GET /orders/{id}", "pay"}
    assert monitor._cloud is not None
    read = {one.operation: one.current_value for one in monitor._cloud.merged([])}
    assert read["GET /orders/{id}"] == pytest.approx(900, rel=0.15)
    assert read["pay"] == pytest.approx(800, rel=0.15)


def test_errors_open_the_error_rate_and_the_burn_rate_there_and_here(
    monitor: PerformanceMonitor, cloud: "RunningEmulator", clock: FakeClock, operations: Operations
) -> None:
    rate = monitor.create_error_rate_alert("api", 20)
    fast, medium, slow = monitor.create_burn_rate_alerts("api", 99.0)
    for fails in (False, False, False, True, True, True):
        operations.run("pay", 5, times=10)
        operations.run("pay", 5, times=10, fails=fails)
        assert monitor.flush(60)
        here, there = open_here(monitor), open_there(monitor)
        if not fails:
            assert (here, there) == (set(), set())
        pass_time(cloud, clock, 30)
    here, there = open_here(monitor), open_there(monitor)
    assert here == {(rate.name, "pay"), (fast.name, ""), (medium.name, ""), (slow.name, "")}
    assert there == here - {(slow.name, "")}  # PromQL, which the emulator only stores


def test_too_little_traffic_opens_it_there_and_here(
    monitor: PerformanceMonitor, cloud: "RunningEmulator", clock: FakeClock, operations: Operations
) -> None:
    alert = monitor.create_throughput_alert("api", 30, duration_s=60)
    seen = []
    for times in [20] * 6 + [2] * 10:
        operations.run("pay", 5, times=times)
        assert monitor.flush(60)
        seen.append((open_here(monitor), open_there(monitor)))
        pass_time(cloud, clock, 20)
    assert seen[5] == (set(), set())
    assert seen[-1] == ({(alert.name, "")}, {(alert.name, "")})


def test_the_processes_gauges_open_theirs_there_and_here(
    monitor: PerformanceMonitor, cloud: "RunningEmulator", clock: FakeClock
) -> None:
    memory = monitor.create_memory_alert("api", 1, duration_s=60)  # any Python has more
    roomy = PerformanceMonitor("p", service_name="api", environment="staging", clock=clock)
    with roomy:
        roomy.create_memory_alert("api", 2**20, "staging", duration_s=60)
        for _ in range(8):
            assert monitor.flush(60)
            assert roomy.flush(60)
            open_here(monitor)
            assert open_here(roomy) == open_there(roomy) == set()
            pass_time(cloud, clock, 20)
        assert open_here(monitor) == open_there(monitor) == {(memory.name, "")}


def test_a_service_that_is_cut_off_is_absent_there_and_here(
    monitor: PerformanceMonitor, cloud: "RunningEmulator", clock: FakeClock
) -> None:
    alert = monitor.create_absence_alert("api", duration_s=120)
    assert monitor.flush(60)
    cloud.fail(EXPORT, "UNAVAILABLE", times=None)
    pass_time(cloud, clock, 60)
    assert (open_here(monitor), open_there(monitor)) == (set(), set())
    pass_time(cloud, clock, 61)
    assert open_here(monitor) == open_there(monitor) == {(alert.name, "")}
    cloud.run(cloud.cloud.faults.clear)


def test_the_slow_burn_rate_asks_for_the_name_with_dots(monitor: PerformanceMonitor) -> None:
    *_, slow = monitor.create_burn_rate_alerts("api", 99.9)
    (policy,) = [one for one in policies() if one.name == slow.resource_name]
    query = policy.conditions[0].condition_prometheus_query_language.query
    assert 'rate({"genesis.performance.operation.count",service="api",environment="production"}[' in query
    assert 'status="error"}[' in query


def test_terraform_has_the_same_filters(monitor: PerformanceMonitor) -> None:
    plan = monitor.create_response_time_alert("api", 500, apply="plan")
    assert plan.terraform is not None
    assert plan.terraform.startswith("resource ")
    assert REQUESTS in plan.terraform
    assert "threshold_value = 0.5" in " ".join(plan.terraform.split())


def test_every_chart_has_data(
    monitor: PerformanceMonitor, cloud: "RunningEmulator", clock: FakeClock, operations: Operations
) -> None:
    for _ in range(3):
        operations.run("pay", 30, times=4)
        operations.run("GET /orders/{id}", 30, fails=True)
        assert monitor.flush(60)
        pass_time(cloud, clock, 30)
    found = queries(monitor.create_performance_dashboard("api"))
    assert found
    assert [(title, part["filter"]) for title, part in found if not answered(part, clock)] == []


def test_requests_are_drawn_in_seconds_with_the_threshold(monitor: PerformanceMonitor) -> None:
    monitor.create_response_time_alert("api", 500, apply="plan")
    found = widgets(monitor.create_performance_dashboard("api", apply="plan"))
    charts = {title: one["xyChart"] for title, one in found.items() if "xyChart" in one}
    drawn = {title: (one["yAxis"]["label"], one.get("thresholds")) for title, one in charts.items()}
    label = {"label": "p95 > 500 ms", "targetAxis": "Y1"}
    for of, unit, value in (
        ("http.server.request.duration", "s", 0.5),
        ("genesis.performance.operation.duration", "ms", 500),
    ):
        assert drawn[f"Latency of {of}"] == (unit, [{**label, "value": value}])
        assert drawn[f"p95 latency of {of} by operation"] == (unit, [{**label, "value": value}])


def test_the_command_line_reads_it_back(
    monitor: PerformanceMonitor, cloud: "RunningEmulator", clock: FakeClock, operations: Operations
) -> None:
    monitor.create_response_time_alert("api", 500)
    operations.run("pay", 900, times=9)
    operations.run("pay", 900, fails=True)
    operations.run("GET /orders/{id}", 90, times=10)
    assert monitor.flush(60)
    found = remote.metrics("p", "genesis.performance")
    assert {one.name: one.unit for one in found} == {
        "genesis.performance.operation.duration/histogram": "ms",
        "http.server.request.duration/histogram": "s",
        "genesis.performance.operation.count/counter": "1",
        "process.memory.usage/gauge": "By",
    }
    slow, quick = remote.operations("p", "genesis.performance", "api")
    assert (slow.operation, slow.error_ratio) == ("pay", pytest.approx(0.1))
    assert slow.p95_ms == pytest.approx(900, rel=0.15)
    assert (quick.operation, quick.p95_ms) == ("GET /orders/{id}", pytest.approx(90, rel=0.15))
    assert remote.operations("p", "genesis.performance") == [slow, quick]


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"GENESIS_PERF__MONITORING__SINK": "memory"}, "# monitoring.sink is 'memory': nothing"),
        ({"GENESIS_PERF__MONITORING__SINK": "none"}, "# monitoring.sink is 'none': nothing"),
        ({"OTEL_SDK_DISABLED": "true"}, "# otlp.disabled is set: nothing"),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://key@collector:4318"},
            "# metrics go to the collector at coll",
        ),
        ({"GENESIS_PERF__MONITORING__SINK": "auto"}, "resource "),
    ],
)
def test_terraform_says_where_its_series_may_be_missing(
    variables: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENESIS_PERF__MONITORING__SINK", "otlp")
    for name, text in variables.items():
        monkeypatch.setenv(name, text)
    config.reset()
    with PerformanceMonitor("p", service_name="api") as planned:
        alert = planned.create_response_time_alert("api", 500, apply="plan")
        dashboard = planned.create_performance_dashboard("api", apply="plan")
    for text in (alert.terraform, dashboard.to_terraform()):
        assert text is not None
        assert text.startswith(said)
        assert "key@" not in text


def test_two_processes_that_make_the_same_policies_at_once_leave_one_of_each(
    cloud: "RunningEmulator", clock: FakeClock
) -> None:
    names = made_at_once(clock, lambda one: one.create_response_time_alert("api", 500))
    (kept,) = policies()
    assert names == [kept.name] * 4
