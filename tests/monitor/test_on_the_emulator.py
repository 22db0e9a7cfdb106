"""The monitor against the emulator: Google's own clients are in between."""

import os
import subprocess
import sys
import textwrap
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from genesis_performance import config
from genesis_performance.errors import CloudError, CloudNotFoundError, CloudPermissionError
from genesis_performance.gcp import call, close_all, each
from genesis_performance.model.alert import IncidentState
from genesis_performance.monitor import PerformanceMonitor
from genesis_performance.storage import open_store

from .conftest import FakeClock, Operations, pass_time, policies

if TYPE_CHECKING:
    from genesis_performance.emulator import RunningEmulator

POLICIES = "google.monitoring.v3.AlertPolicyService"
CREATE, UPDATE = f"{POLICIES}/CreateAlertPolicy", f"{POLICIES}/UpdateAlertPolicy"
PREFIX = "custom.googleapis.com/genesis.performance"


def series(name: str) -> list[Any]:
    now_s = int(time.time())
    request = {
        "name": "projects/p",
        "filter": f'metric.type="{PREFIX}/{name}"',
        "interval": {"start_time": {"seconds": now_s - 3600}, "end_time": {"seconds": now_s + 200}},
    }
    return list(each("metrics", "list_time_series", request))


def test_metrics_and_operations_arrive(monitor: PerformanceMonitor, operations: Operations) -> None:
    operations.run("pay", 30, times=4)
    labels = {"service": "api", "endpoint": "/users", "environment": "production"}
    monitor.record_performance_metric("response_time", 150.0, labels=labels)
    assert monitor.flush(60)
    (recorded,) = series("response_time")
    assert dict(recorded.metric.labels) == labels
    assert recorded.points[0].value.distribution_value.mean == 150
    (durations,) = series("operation/duration")
    assert durations.points[0].value.distribution_value.count == 4
    assert monitor.health()["sink"] == "cloud_monitoring"
    assert monitor.health()["project"] == "p"


def test_nothing_personal_arrives(monitor: PerformanceMonitor, operations: Operations) -> None:
    operations.run("GET_/users/12345/orders/9f8b1c2d3e4f5a6b?token=abc", 5)
    monitor.record_performance_metric("wait_ms", 1.0, {"user": "jane.doe@example.com"})
    assert monitor.flush(60)
    (counted, _) = sorted(series("operation/count"), key=lambda one: -one.points[0].value.int64_value)
    assert dict(counted.metric.labels)["operation"] == "GET_/users/{id}/orders/{id}"
    assert dict(series("wait_ms")[0].metric.labels)["user"] == "{email}"


def test_an_alert_is_one_policy_of_ours(monitor: PerformanceMonitor) -> None:
    alert = monitor.create_response_time_alert(service_name="api", threshold_ms=500, environment="production")
    (policy,) = policies()
    assert policy.name == alert.resource_name
    assert dict(policy.user_labels)["managed_by"] == "genesis-performance"
    threshold = policy.conditions[0].condition_threshold
    assert threshold.threshold_value == 500
    assert list(threshold.aggregations[0].group_by_fields) == ["metric.labels.operation"]
    assert alert.apply == "api"


def test_the_same_alert_again_changes_nothing_and_another_threshold_updates(
    monitor: PerformanceMonitor, cloud: "RunningEmulator"
) -> None:
    first = monitor.create_error_rate_alert("api", 2.0)
    again = monitor.create_error_rate_alert("api", 2.0)
    assert again.resource_name == first.resource_name
    assert UPDATE not in cloud.calls()
    changed = monitor.create_error_rate_alert("api", 3.0)
    assert changed.resource_name == first.resource_name
    assert cloud.calls()[CREATE] == cloud.calls()[UPDATE] == 1
    (policy,) = policies()
    assert policy.conditions[0].condition_threshold.threshold_value == pytest.approx(0.03)


def test_policies_of_others_are_never_touched(monitor: PerformanceMonitor) -> None:
    alert = monitor.create_response_time_alert("api", 500)
    (ours,) = policies()
    copy = type(ours)(ours)
    copy.name = copy.conditions[0].name = ""
    copy.user_labels = {"genesis_alert": dict(ours.user_labels)["genesis_alert"]}
    theirs = call("alert_policies", "create_alert_policy", {"name": "projects/p", "alert_policy": copy})
    monitor.create_response_time_alert("api", 900)
    assert monitor.delete_alert(alert)
    (left,) = policies()
    assert left.name == theirs.name
    assert left.conditions[0].condition_threshold.threshold_value == 500


def test_a_recorded_response_time_is_a_second_condition(monitor: PerformanceMonitor) -> None:
    monitor.record_performance_metric("response_time", 150.0, labels={"service": "api"})
    monitor.create_response_time_alert("api", 500)
    (policy,) = policies()
    types = [condition.condition_threshold.filter.split('"')[1] for condition in policy.conditions]
    assert types == [f"{PREFIX}/operation/duration", f"{PREFIX}/response_time"]


def test_a_service_told_to_evaluate_locally_makes_no_administrative_call(
    monitor: PerformanceMonitor, cloud: "RunningEmulator", operations: Operations
) -> None:
    operations.run("pay", 900)
    monitor.create_response_time_alert("api", 500, apply="local")
    monitor.create_error_rate_alert("api", 2, apply="plan")
    assert len(monitor.check_performance_thresholds()) == 1
    assert monitor.flush(60)
    assert not any(method.startswith(POLICIES) for method in cloud.calls())
    assert "google.monitoring.v3.AlertService/ListAlerts" not in cloud.calls()


def test_a_metric_that_alerting_does_not_know_yet_is_waited_for_aloud(
    monitor: PerformanceMonitor, cloud: "RunningEmulator", clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    cloud.fail(CREATE, "NOT_FOUND", times=2)
    made: list[str | None] = []
    thread = threading.Thread(
        target=lambda: made.append(
            monitor.create_response_time_alert("api", 500, metric_wait_s=600).resource_name
        )
    )
    thread.start()
    while thread.is_alive():
        clock.advance(0.25)
        time.sleep(0.02)
    assert made == [policies()[0].name]
    assert cloud.calls()[CREATE] == 3
    assert sum("not known to alerting yet" in record.getMessage() for record in caplog.records) == 2


def test_the_wait_for_a_metric_ends_and_the_alert_is_evaluated_here_meanwhile(
    monitor: PerformanceMonitor, cloud: "RunningEmulator", operations: Operations
) -> None:
    cloud.fail(CREATE, "NOT_FOUND", times=None)
    with pytest.raises(CloudNotFoundError):
        monitor.create_response_time_alert("api", 500, metric_wait_s=0)
    operations.run("pay", 900)
    assert len(monitor.check_performance_thresholds()) == 1


def test_a_missing_permission_is_said(monitor: PerformanceMonitor, cloud: "RunningEmulator") -> None:
    cloud.fail(CREATE, "PERMISSION_DENIED")
    with pytest.raises(CloudPermissionError):
        monitor.create_response_time_alert("api", 500)


def violate(
    monitor: PerformanceMonitor, cloud: "RunningEmulator", clock: FakeClock, operations: Operations
) -> None:
    """Two minutes of an operation that is too slow, exported every 30 s."""
    for _ in range(4):
        operations.run("pay", 900, times=20)
        assert monitor.flush(60)
        pass_time(cloud, clock, 30)


def test_cloud_monitorings_own_incident_is_the_twin_of_the_local_one(
    monitor: PerformanceMonitor, cloud: "RunningEmulator", clock: FakeClock, operations: Operations
) -> None:
    alert = monitor.create_response_time_alert("api", 500)
    violate(monitor, cloud, clock, operations)
    found = monitor.sync_incidents()
    assert [(one.alert_name, one.operation, one.source) for one in found] == [(alert.name, "pay", "local")]
    kept = {record.body["source"] for record in open_store().list("incident")}
    assert kept == {"local", "cloud_monitoring"}


def test_an_incident_that_only_cloud_monitoring_sees_is_shown_with_its_value(
    monitor: PerformanceMonitor, cloud: "RunningEmulator", clock: FakeClock, operations: Operations
) -> None:
    alert = monitor.create_response_time_alert("api", 500)
    violate(monitor, cloud, clock, operations)
    with PerformanceMonitor("p", service_name="api", clock=clock, store="sqlite:///other.db") as other:
        operations.recorder.reset()  # this process does not see the traffic
        assert other.create_response_time_alert("api", 500).resource_name == alert.resource_name
        (found,) = other.sync_incidents()
        assert found.source == "cloud_monitoring"
        assert found.alert_name == alert.name
        assert found.operation == "pay"
        assert found.current_value > 500


def test_an_incident_that_cloud_monitoring_closed_is_closed_here(
    monitor: PerformanceMonitor, cloud: "RunningEmulator", clock: FakeClock, operations: Operations
) -> None:
    monitor.create_response_time_alert("api", 500)
    violate(monitor, cloud, clock, operations)
    assert monitor.sync_incidents()
    for _ in range(6):
        operations.run("pay", 20, times=50)
        assert monitor.flush(60)
        pass_time(cloud, clock, 30)
    assert monitor.sync_incidents() == []
    assert {record.body["state"] for record in open_store().list("incident")} == {IncidentState.CLOSED}


def test_a_list_of_incidents_that_can_not_be_read_leaves_the_local_ones(
    monitor: PerformanceMonitor, cloud: "RunningEmulator", operations: Operations,
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monitor.create_response_time_alert("api", 500)
    operations.run("pay", 900)
    cloud.fail("google.monitoring.v3.AlertService/ListAlerts", "PERMISSION_DENIED", times=None)
    assert len(monitor.check_performance_thresholds()) == 1
    assert "could not be read" in caplog.text
    with pytest.raises(CloudError):
        monitor.sync_incidents()


def test_an_emulator_that_dies_raises_nothing_and_export_goes_on_when_it_is_back(
    monkeypatch: pytest.MonkeyPatch, clock: FakeClock, operations: Operations
) -> None:
    from genesis_performance.emulator import running_emulator

    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p")
    with running_emulator() as first:
        monkeypatch.setenv("GENESIS_PERF_EMULATOR", first.grpc)
        monkeypatch.setenv("GENESIS_PERF_EMULATOR_HTTP", first.http)
        config.reset()
        monitor = PerformanceMonitor(service_name="api", clock=clock)
        monitor.record_performance_metric("wait_ms", 1.0)
        assert monitor.flush(60)
    clock.advance(30)
    monitor.record_performance_metric("wait_ms", 1.0)
    assert monitor.check_performance_thresholds() == []
    thread = threading.Thread(target=lambda: monitor.flush(2))
    thread.start()
    while thread.is_alive():
        clock.advance(0.5)
        time.sleep(0.01)
    assert monitor.health()["export_failures"] >= 1
    assert monitor.health()["last_error"]
    with running_emulator(port=int(first.grpc.rpartition(":")[2])):
        ends = time.monotonic() + 60
        arrived = False
        while not arrived and time.monotonic() < ends:
            clock.advance(6)
            arrived = monitor.flush(2)
        assert arrived
        (recorded,) = series("wait_ms")
        assert recorded.points[0].value.distribution_value.count == 2
        monitor.close()
    close_all()


def ended(code: str, cloud: "RunningEmulator") -> "subprocess.CompletedProcess[str]":
    """Run a script in a process of its own against this emulator."""
    environ = {
        **os.environ,
        "GENESIS_PERF_EMULATOR": cloud.grpc,
        "GENESIS_PERF_EMULATOR_HTTP": cloud.http,
        "GOOGLE_CLOUD_PROJECT": "p",
    }
    return subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-c", textwrap.dedent(code)],
        capture_output=True, text=True, timeout=120, check=False, env=environ,
    )  # fmt: skip


def test_a_short_script_sends_what_it_recorded_before_it_ends(cloud: "RunningEmulator") -> None:
    done = ended(
        """
        from genesis_performance.export import at_end
        from genesis_performance.monitor import PerformanceMonitor
        at_end.flush_all.__defaults__ = (60.0,)  # a busy machine loads Google's client for longer than 5 s
        PerformanceMonitor(service_name="script").record_performance_metric("wait_ms", 7.0)
        """,
        cloud,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    (recorded,) = series("wait_ms")
    assert recorded.points[0].value.distribution_value.mean == 7


def test_sigterm_sends_what_was_recorded(cloud: "RunningEmulator") -> None:
    done = ended(
        """
        import os, signal, time
        from genesis_performance.export import flush_at_sigterm
        from genesis_performance.monitor import PerformanceMonitor
        flush_at_sigterm(60)
        PerformanceMonitor(service_name="script").record_performance_metric("wait_ms", 7.0)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
        """,
        cloud,
    )
    assert (done.returncode, done.stderr) == (-15, "")
    assert len(series("wait_ms")) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_forked_workers_are_one_series_and_nothing_is_counted_twice(cloud: "RunningEmulator") -> None:
    """As gunicorn does it with a preloaded application that has used its monitor already."""
    done = ended(
        """
        import os, sys, warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        from genesis_performance.monitor import PerformanceMonitor
        monitor = PerformanceMonitor(service_name="web")
        monitor.record_performance_metric("wait_ms", 1.0)
        assert monitor.flush(60)
        children = []
        for number in (2, 3):
            pid = os.fork()
            if not pid:
                for _ in range(number):
                    monitor.record_performance_metric("wait_ms", 1.0)
                sys.exit(0 if monitor.flush(60) else 3)
            children.append(pid)
        assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0]
        """,
        cloud,
    )
    assert (done.returncode, done.stderr) == (0, "")
    counts = [one.points[0].value.distribution_value.count for one in series("wait_ms")]
    assert counts == [6]


def test_of_two_processes_that_make_one_policy_the_later_one_takes_its_own_back(
    monitor: PerformanceMonitor,
) -> None:
    from genesis_performance.monitor.cloud_policies import CloudPolicies

    alert = monitor.create_response_time_alert("api", 500)
    (first,) = policies()
    copy = type(first)(first)
    copy.name = copy.conditions[0].name = ""
    second = call("alert_policies", "create_alert_policy", {"name": "projects/p", "alert_policy": copy})
    subject = CloudPolicies("p", monotonic=time.monotonic, sleep=time.sleep)
    label = dict(first.user_labels)["genesis_alert"]
    assert subject._the_only_one(label, second.name) == alert.resource_name
    assert [one.name for one in policies()] == [alert.resource_name]


def test_a_policy_deleted_by_hand_is_made_again(monitor: PerformanceMonitor) -> None:
    first = monitor.create_response_time_alert("api", 500)
    call("alert_policies", "delete_alert_policy", {"name": first.resource_name})
    second = monitor.create_response_time_alert("api", 500)
    assert [one.name for one in policies()] == [second.resource_name]
    call("alert_policies", "delete_alert_policy", {"name": second.resource_name})
    assert monitor.delete_alert(second)
