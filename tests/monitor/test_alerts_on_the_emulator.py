"""Every kind of alert as a policy in the emulator: Google's own clients are in between."""

import json
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from genesis_performance.errors import CloudInvalidError, CloudNotFoundError
from genesis_performance.gcp import call
from genesis_performance.model.alert import PerformanceAlert
from genesis_performance.monitor import PerformanceMonitor

from .conftest import FakeClock, Operations, make_channel, make_objective, pass_time, policies

if TYPE_CHECKING:
    from genesis_performance.emulator import RunningEmulator

POLICIES = "google.monitoring.v3.AlertPolicyService"
CREATE, UPDATE, DELETE = (f"{POLICIES}/{verb}AlertPolicy" for verb in ("Create", "Update", "Delete"))

SLO = "projects/p/services/api/serviceLevelObjectives/availability"

Make = Callable[[PerformanceMonitor], "PerformanceAlert | list[PerformanceAlert]"]

KINDS: dict[str, Make] = {
    "response time": lambda monitor: monitor.create_response_time_alert("api", 500),
    "error rate": lambda monitor: monitor.create_error_rate_alert("api", 2.0),
    "throughput": lambda monitor: monitor.create_throughput_alert("api", 30),
    "throughput of each operation": lambda monitor: monitor.create_throughput_alert(
        "api", max_per_minute=3000, by_operation=True
    ),
    "cpu": lambda monitor: monitor.create_cpu_alert("api", 80),
    "memory": lambda monitor: monitor.create_memory_alert("api", 800),
    "absence": lambda monitor: monitor.create_absence_alert("api"),
    "burn rate": lambda monitor: monitor.create_burn_rate_alerts("api", 99.9),
    "burn rate of an objective": lambda monitor: monitor.create_burn_rate_alerts("api", 99.9, slo=SLO),
}


@pytest.fixture
def cloud(cloud: "RunningEmulator") -> "RunningEmulator":
    make_objective(SLO)
    return cloud


def made(found: "PerformanceAlert | list[PerformanceAlert]") -> list[PerformanceAlert]:
    return found if isinstance(found, list) else [found]


def changes(cloud: "RunningEmulator") -> dict[str, int]:
    return {method: count for method, count in cloud.calls().items() if method in {CREATE, UPDATE, DELETE}}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_a_policy_of_ours_and_the_same_call_again_changes_nothing(
    kind: str, monitor: PerformanceMonitor, cloud: "RunningEmulator"
) -> None:
    first = made(KINDS[kind](monitor))
    before = changes(cloud)
    assert before == {CREATE: len(first)}
    again = made(KINDS[kind](monitor))
    assert changes(cloud) == before
    assert [one.resource_name for one in again] == [one.resource_name for one in first]
    found = {one.name: one for one in policies()}
    assert set(found) == {one.resource_name for one in first}
    assert all(dict(one.user_labels)["managed_by"] == "genesis-performance" for one in found.values())
    assert all(one.documentation.content for one in found.values())


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_listed_and_deleted(
    kind: str, monitor: PerformanceMonitor, cloud: "RunningEmulator"
) -> None:
    alerts = made(KINDS[kind](monitor))
    assert {one.name for one in monitor.alerts()} == {one.name for one in alerts}
    assert all(monitor.delete_alert(one) for one in alerts)
    assert policies() == []
    assert monitor.alerts() == []
    assert not any(monitor.delete_alert(one) for one in alerts)


def test_all_kinds_of_one_service_live_side_by_side(monitor: PerformanceMonitor) -> None:
    names = [one.name for make in list(KINDS.values())[:-1] for one in made(make(monitor))]
    assert len(names) == len(set(names)) == len(policies())


@pytest.mark.parametrize(
    "changed",
    [
        {"severity": "CRITICAL"},
        {"documentation": "Look at the queue first."},
        {"duration_s": 300},
    ],
)
def test_what_changed_is_updated_in_place(
    changed: dict[str, Any], monitor: PerformanceMonitor, cloud: "RunningEmulator"
) -> None:
    first = monitor.create_memory_alert("api", 800)
    second = monitor.create_memory_alert("api", 800, **changed)
    assert second.resource_name == first.resource_name
    assert changes(cloud) == {CREATE: 1, UPDATE: 1}
    (policy,) = policies()
    assert policy.severity.name == changed.get("severity", "WARNING")
    assert changed.get("documentation", "") in policy.documentation.content
    duration = policy.conditions[0].condition_threshold.duration
    assert duration.total_seconds() == changed.get("duration_s", 120)


def test_channels_are_those_that_were_given_and_an_unknown_one_is_refused(
    monitor: PerformanceMonitor,
) -> None:
    channel = make_channel()
    fast, medium, slow = monitor.create_burn_rate_alerts(
        "api", 99.9, notification_channels=[channel], ticket_channels=[]
    )
    by_name = {one.name: list(one.notification_channels) for one in policies()}
    assert by_name == {fast.resource_name: [channel], medium.resource_name: [channel], slow.resource_name: []}
    with pytest.raises(CloudInvalidError, match="channel"):
        monitor.create_cpu_alert("api", 80, notification_channels=["projects/p/notificationChannels/none"])


def test_only_the_page_is_critical(monitor: PerformanceMonitor) -> None:
    monitor.create_burn_rate_alerts("api", 99.9)
    severities = {one.display_name: one.severity.name for one in policies()}
    assert severities == {
        "api: burn rate, fast, production": "CRITICAL",
        "api: burn rate, medium, production": "CRITICAL",
        "api: burn rate, slow, production": "WARNING",
    }


def test_a_policy_of_somebody_else_with_the_same_name_stays(monitor: PerformanceMonitor) -> None:
    alert = monitor.create_absence_alert("api")
    (ours,) = policies()
    copy = type(ours)(ours)
    copy.name = copy.conditions[0].name = ""
    copy.user_labels = {key: text for key, text in ours.user_labels.items() if key != "managed_by"}
    theirs = call("alert_policies", "create_alert_policy", {"name": "projects/p", "alert_policy": copy})
    monitor.create_absence_alert("api", duration_s=600)
    assert monitor.delete_alert(alert)
    (left,) = policies()
    assert left == theirs


def test_a_service_that_is_cut_off_is_absent_there_and_here(
    monitor: PerformanceMonitor, cloud: "RunningEmulator", clock: FakeClock, operations: Operations
) -> None:
    alert = monitor.create_absence_alert("api", duration_s=120)
    operations.run("pay", 5)
    assert monitor.flush(60)
    assert monitor.check_performance_thresholds() == []
    cloud.fail("google.monitoring.v3.MetricService/CreateTimeSeries", "UNAVAILABLE", times=None)
    pass_time(cloud, clock, 60)
    assert monitor.sync_incidents() == []
    pass_time(cloud, clock, 61)
    (incident,) = monitor.sync_incidents()
    assert (incident.alert_name, incident.operation) == (alert.name, "")
    with PerformanceMonitor("p", service_name="other", clock=clock, store="sqlite:///other.db") as watcher:
        watcher.create_absence_alert("api", duration_s=120)
        (there,) = watcher.sync_incidents()  # a process that sends nothing of this service
        assert there.source == "cloud_monitoring"
    cloud.run(cloud.cloud.faults.clear)


def test_making_a_policy_in_the_background_returns_at_once_and_says_how_it_goes(
    monitor: PerformanceMonitor, cloud: "RunningEmulator", clock: FakeClock
) -> None:
    cloud.fail(CREATE, "NOT_FOUND", times=2)
    said: list[str] = []
    alert = monitor.create_cpu_alert("api", 80, in_background=True, progress=said.append)
    assert alert.resource_name is None
    assert [one.name for one in monitor.alerts()] == [alert.name]
    ends = time.monotonic() + 60
    while not (known := monitor.alerts()[0].resource_name) and time.monotonic() < ends:
        clock.advance(0.25)
        time.sleep(0.02)
    assert known == policies()[0].name
    assert [text.partition(",")[0] for text in said] == ["the metric is not known to alerting yet"] * 2
    assert "trying again in 1 s" in said[0]


def test_closing_ends_the_wait_for_a_policy(
    cloud: "RunningEmulator", clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    cloud.fail(CREATE, "NOT_FOUND", times=None)
    waiting = threading.Event()
    with PerformanceMonitor("p", service_name="api", clock=clock) as monitor:
        monitor.create_cpu_alert("api", 80, in_background=True, progress=lambda _: waiting.set())
        assert waiting.wait(60)
    for thread in threading.enumerate():
        if thread.name == "genesis-alerts":
            thread.join(60)
    assert not [one for one in threading.enumerate() if one.name == "genesis-alerts"]


def test_all_burn_rates_are_watched_here_even_if_the_first_policy_is_refused(
    monitor: PerformanceMonitor, cloud: "RunningEmulator"
) -> None:
    cloud.fail(CREATE, "NOT_FOUND", times=None)
    with pytest.raises(CloudNotFoundError):
        monitor.create_burn_rate_alerts("api", 99.9, metric_wait_s=0)
    assert len(monitor.alerts()) == 3


def test_an_objective_that_is_not_there_is_said_and_executions_are_counted_here(
    monitor: PerformanceMonitor,
) -> None:
    with pytest.raises(CloudNotFoundError, match="leave slo out"):
        monitor.create_burn_rate_alerts("api", 99.9, slo=f"{SLO}-of-old")
    assert policies() == []
    assert len(monitor.alerts()) == 3


def test_who_may_not_look_at_objectives_makes_policies_on_them(
    monitor: PerformanceMonitor, cloud: "RunningEmulator"
) -> None:
    looked = "google.monitoring.v3.ServiceMonitoringService/GetServiceLevelObjective"
    cloud.fail(looked, "PERMISSION_DENIED", times=3)
    monitor.create_burn_rate_alerts("api", 99.9, slo=SLO)
    assert len(policies()) == 3


def test_errors_that_burn_the_budget_open_the_fast_alert_here_and_there(
    monitor: PerformanceMonitor, cloud: "RunningEmulator", clock: FakeClock, operations: Operations
) -> None:
    fast, medium, slow = monitor.create_burn_rate_alerts("api", 99.0)
    for _ in range(6):
        operations.run("pay", 5, times=5)
        operations.run("pay", 5, times=5, fails=True)
        assert monitor.flush(60)
        monitor.check_performance_thresholds()
        pass_time(cloud, clock, 30)  # less than the interval: only the flush exports
    open_here = {one.alert_name: one for one in monitor.check_performance_thresholds()}
    assert set(open_here) == {fast.name, medium.name, slow.name}
    assert open_here[fast.name].current_value == pytest.approx(50)  # half fail, one in a hundred may
    monitor.sync_incidents()
    kept = monitor._cloud
    assert kept is not None
    there = {one.alert_name for one in kept.merged([]) if one.is_open}
    assert there == {fast.name, medium.name}  # the slow one is PromQL, which the emulator only stores
    (read,) = {round(one.current_value) for one in kept.merged([]) if one.alert_name == fast.name}
    assert read == 50


def run(*arguments: str, code: int = 0) -> str:
    from click.testing import CliRunner

    from genesis_performance.cli.monitor import command

    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == code, result.output
    return str(result.output)


def test_the_policies_that_the_command_line_prints_are_those_in_the_cloud(
    monitor: PerformanceMonitor,
) -> None:
    from google.cloud.monitoring_v3.types import AlertPolicy
    from google.protobuf import json_format

    for make in list(KINDS.values())[:-1]:
        make(monitor)
    printed = {}
    for fields in json.loads(run("alerts", "--policies")):
        message = AlertPolicy()
        json_format.ParseDict(fields, AlertPolicy.pb(message))
        printed[message.display_name] = message
    for there in policies():
        here = printed.pop(there.display_name)
        assert [condition.name for condition in here.conditions] == [""] * len(there.conditions)
        for condition in there.conditions:
            condition.name = ""
        for field in ("conditions", "combiner", "user_labels", "alert_strategy", "documentation", "severity"):
            assert getattr(here, field) == getattr(there, field), field
    assert printed == {}


def test_the_command_line_prints_terraform(monitor: PerformanceMonitor) -> None:
    monitor.create_cpu_alert("api", 80)
    plan = monitor.create_cpu_alert("api", 80, apply="plan")
    assert run("alerts", "--terraform") == plan.terraform


def test_the_command_line_deletes_ours_and_nothing_else(monitor: PerformanceMonitor) -> None:
    monitor.create_cpu_alert("api", 80)
    kept = monitor.create_memory_alert("api", 800)
    assert run("delete-alert", "api-cpu-production") == "api-cpu-production deleted\n"
    assert [one.name for one in policies()] == [kept.resource_name]
    assert "there is no alert" in run("delete-alert", "api-cpu-production", code=2)
