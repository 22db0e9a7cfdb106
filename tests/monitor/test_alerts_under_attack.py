"""Alerts where somebody else is at work in the project, and arguments that nobody should give."""

import itertools
import math
import re
import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from genesis_performance import config
from genesis_performance.errors import CloudQuotaError, CloudUnavailableError, InvalidInputError
from genesis_performance.gcp import call, each
from genesis_performance.model.alert import ApplyMode
from genesis_performance.monitor import PerformanceMonitor, alerts
from genesis_performance.monitor.cloud_policies import CloudPolicies
from genesis_performance.monitor.dashboards import (
    CloudDashboards,
    PerformanceDashboard,
    performance_dashboard,
)
from genesis_performance.monitor.policy import policy

from .conftest import FakeClock, Operations, made_at_once, make_channel, policies

if TYPE_CHECKING:
    from genesis_performance.emulator import RunningEmulator

POLICIES = "google.monitoring.v3.AlertPolicyService"
CREATE, UPDATE, DELETE = (f"{POLICIES}/{verb}AlertPolicy" for verb in ("Create", "Update", "Delete"))
COMMON: dict[str, Any] = {"duration_s": 0, "channels": (), "apply": ApplyMode.LOCAL}


def edit(one: Any, **fields: Any) -> None:
    for name, value in fields.items():
        setattr(one, name, value)
    request = {"alert_policy": one, "update_mask": {"paths": list(fields)}}
    call("alert_policies", "update_alert_policy", request)


# Somebody else at work


def test_a_policy_deleted_by_hand_is_made_again(monitor: PerformanceMonitor) -> None:
    first = monitor.create_error_rate_alert("api", 2)
    call("alert_policies", "delete_alert_policy", {"name": first.resource_name})
    second = monitor.create_error_rate_alert("api", 2)
    assert [one.name for one in policies()] == [second.resource_name] != [first.resource_name]


def test_a_policy_deleted_between_looking_and_updating_is_made_again(
    monitor: PerformanceMonitor, cloud: "RunningEmulator", monkeypatch: pytest.MonkeyPatch
) -> None:
    first = monitor.create_error_rate_alert("api", 2)
    looks = itertools.count()
    find = CloudPolicies.find

    def find_and_lose(self: CloudPolicies, label: str) -> Any:
        found = find(self, label)
        if next(looks) == 0:
            call("alert_policies", "delete_alert_policy", {"name": first.resource_name})
        return found

    monkeypatch.setattr(CloudPolicies, "find", find_and_lose)
    second = monitor.create_error_rate_alert("api", 3, metric_wait_s=0)
    (left,) = policies()
    assert left.name == second.resource_name
    assert left.conditions[0].condition_threshold.threshold_value == pytest.approx(0.03)


def test_a_policy_deleted_by_hand_is_no_obstacle_to_deleting_the_alert(monitor: PerformanceMonitor) -> None:
    alert = monitor.create_error_rate_alert("api", 2)
    call("alert_policies", "delete_alert_policy", {"name": alert.resource_name})
    assert monitor.delete_alert(alert)
    assert monitor.alerts() == []


def test_what_people_did_to_a_policy_survives_an_update(monitor: PerformanceMonitor) -> None:
    monitor.create_error_rate_alert("api", 2)
    channel = make_channel()
    (one,) = policies()
    edit(one, enabled=False, notification_channels=[channel], user_labels={**one.user_labels, "team": "pay"})
    monitor.create_error_rate_alert("api", 3)
    (after,) = policies()
    assert after.conditions[0].condition_threshold.threshold_value == pytest.approx(0.03)
    assert after.enabled is False
    assert list(after.notification_channels) == [channel]
    assert dict(after.user_labels)["team"] == "pay"


def test_a_policy_that_lost_our_label_is_theirs_now(monitor: PerformanceMonitor) -> None:
    alert = monitor.create_error_rate_alert("api", 2)
    (one,) = policies()
    edit(one, user_labels={"team": "pay"})
    (theirs,) = policies()
    again = monitor.create_error_rate_alert("api", 3)
    assert again.resource_name != alert.resource_name
    assert monitor.delete_alert(again)
    assert policies() == [theirs]


@pytest.mark.parametrize("attempt", range(3))
def test_processes_that_make_one_policy_at_the_same_moment_leave_one(
    attempt: int, cloud: "RunningEmulator", clock: FakeClock
) -> None:
    names = made_at_once(clock, lambda one: one.create_cpu_alert("api", 80))
    (kept,) = policies()
    assert names == [kept.name] * 4


def test_of_several_policies_of_one_alert_the_oldest_is_kept_whatever_its_name(
    monitor: PerformanceMonitor, cloud: "RunningEmulator"
) -> None:
    first = monitor.create_error_rate_alert("api", 2)
    (ours,) = policies()
    copy = type(ours)(ours)
    copy.name = copy.conditions[0].name = ""
    cloud.advance(60)
    call("alert_policies", "create_alert_policy", {"name": "projects/p", "alert_policy": copy})
    names = sorted(one.name for one in policies())
    held = cloud.cloud.services[POLICIES]._policies["p"]
    held[names[0]].message, held[names[1]].message = held[names[1]].message, held[names[0]].message
    found = CloudPolicies("p", monotonic=lambda: 0.0, sleep=lambda _: True).find(
        dict(ours.user_labels)["genesis_alert"]
    )
    assert found is not None
    assert found.name == first.resource_name


@pytest.mark.parametrize("attempt", range(8))
def test_dashboards_made_at_the_same_moment_leave_one(attempt: int, cloud: "RunningEmulator") -> None:
    wanted = performance_dashboard("api", "production", prefix="genesis.performance")
    both = threading.Barrier(2)

    class Racing(CloudDashboards):
        """Looks before the other one has created, and again one after the other."""

        looks = 0

        def find(self, one: PerformanceDashboard) -> Any | None:
            found = super().find(one)
            self.looks += 1
            if self.looks == 1:
                both.wait(60)
            return found

    threads = [threading.Thread(target=Racing("p").apply, args=(wanted,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(list(each("dashboards", "list_dashboards", {"parent": "projects/p"}))) == 1


def test_a_policy_whose_answer_was_lost_is_found_by_the_next_call(
    monitor: PerformanceMonitor, cloud: "RunningEmulator"
) -> None:
    cloud.fail(CREATE, "UNAVAILABLE", applied=True)
    with pytest.raises(CloudUnavailableError):
        monitor.create_error_rate_alert("api", 2)
    again = monitor.create_error_rate_alert("api", 2)
    assert [one.name for one in policies()] == [again.resource_name]


def test_a_project_full_of_policies_is_said_and_the_alert_works_here(
    monitor: PerformanceMonitor, cloud: "RunningEmulator", operations: Operations
) -> None:
    cloud.cloud.services[POLICIES].max_policies = 0
    with pytest.raises(CloudQuotaError, match="limit"):
        monitor.create_error_rate_alert("api", 2)
    operations.run("pay", 5, times=10, fails=True)
    assert len(monitor.check_performance_thresholds()) == 1


# Arguments


NUMBERS = [0, -1, math.nan, math.inf, -math.inf, True, None, "5", b"5", [5], 10**400, 5 + 0j]


@pytest.mark.parametrize("value", NUMBERS, ids=lambda value: repr(value)[:20])
@pytest.mark.parametrize(
    "method",
    ["create_response_time_alert", "create_error_rate_alert", "create_cpu_alert", "create_memory_alert"],
)
def test_a_threshold_that_is_none_is_refused(method: str, value: Any) -> None:
    with PerformanceMonitor() as local:
        with pytest.raises(InvalidInputError, match="threshold_"):
            getattr(local, method)("api", value)
        assert local.alerts() == []


@pytest.mark.parametrize(
    "value",
    [30, 61, -60, 1e9, math.nan, math.inf, True, None, "60", 10**400],
    ids=lambda value: repr(value)[:9],
)
def test_a_duration_that_is_none_is_refused(value: Any) -> None:
    with PerformanceMonitor() as local, pytest.raises(InvalidInputError, match="duration_s"):
        local.create_error_rate_alert("api", 2, duration_s=value)


@pytest.mark.parametrize("value", ["", "page", None, 5, ["CRITICAL"]])
def test_a_severity_that_is_none_is_refused(value: Any) -> None:
    with PerformanceMonitor() as local, pytest.raises(InvalidInputError, match="severity"):
        local.create_error_rate_alert("api", 2, severity=value)


@pytest.mark.parametrize("value", [None, 5, "mail", ["mail"], [None]], ids=str)
def test_channels_that_are_none_are_refused(value: Any) -> None:
    with PerformanceMonitor() as local, pytest.raises(InvalidInputError, match="channel"):
        local.create_error_rate_alert("api", 2, notification_channels=value)


@pytest.mark.parametrize(
    "value", [5, None, "x" * 6001, "語" * 3000, "\ud800"], ids=lambda value: ascii(value)[:9]
)
def test_documentation_that_can_not_be_sent_is_refused(value: Any) -> None:
    with PerformanceMonitor() as local, pytest.raises(InvalidInputError, match="documentation"):
        local.create_error_rate_alert("api", 2, documentation=value)


def test_the_longest_documentation_with_the_longest_names_is_taken(monitor: PerformanceMonitor) -> None:
    monitor.create_error_rate_alert("語" * 500, 2, "é" * 500, documentation="é" * 2000 + "x" * 4000)
    (one,) = policies()
    assert "x" * 4000 in one.documentation.content


NAMES = st.text(min_size=1, max_size=200)


@given(NAMES, NAMES)
@example('a"b', "production")
@example("a\\", "production")
@example("サービス", "本番")
@example("x" * 200, "production")
@example("a' OR resource.type='x", "production")
@example("a{b}${c}%{d}", "production")
@example("\ud800", "production")
def test_a_name_is_either_refused_or_quoted_so_that_it_stays_one_text(service: str, environment: str) -> None:
    try:
        alert = alerts.error_rate_alert(service, 2, environment, **COMMON)
    except InvalidInputError:
        return
    made = policy(alert, "genesis.performance")
    (condition,) = made["conditions"]
    texts = condition["condition_threshold"]["denominator_filter"].split('"')
    assert texts[1::2][2:] == [alert.service_name, alert.environment]
    assert all(len(text) <= 63 and re.fullmatch("[a-z0-9_-]+", text) for text in made["user_labels"].values())
    assert len(made["display_name"]) <= 512
    made["display_name"].encode()
    performance_dashboard(service, environment, prefix="genesis.performance").to_terraform().encode()


@pytest.mark.parametrize("service", ["x" * 200, "サービス", "it's (new) & <odd>", "a{b}${c}"])
def test_odd_names_that_are_taken_are_taken_by_cloud_monitoring_too(
    service: str, monitor: PerformanceMonitor, cloud: "RunningEmulator"
) -> None:
    made = [
        monitor.create_response_time_alert(service, 500),
        monitor.create_absence_alert(service),
        *monitor.create_burn_rate_alerts(service, 99.9),
    ]
    assert {one.name for one in policies()} == {one.resource_name for one in made}
    assert monitor.create_performance_dashboard(service).resource_name
    assert all(monitor.delete_alert(one) for one in made)


@pytest.mark.parametrize("kind", ["gauge", "counter"])
def test_a_response_time_that_was_recorded_as_something_else_is_no_condition(
    kind: str, monitor: PerformanceMonitor
) -> None:
    handle = getattr(monitor, kind)("response_time", {"service": "api"})
    handle.set(5) if kind == "gauge" else handle.add(5)
    monitor.create_response_time_alert("api", 500)
    (one,) = policies()
    assert len(one.conditions) == 1


@pytest.mark.parametrize("limit", [1, 30, 123, 245, 490])
def test_exactly_the_limit_is_neither_below_nor_above_it(
    limit: int, clock: FakeClock, operations: Operations
) -> None:
    with PerformanceMonitor(service_name="api", clock=clock) as local:
        local.create_throughput_alert("api", limit, duration_s=0)
        local.create_throughput_alert("api", max_per_minute=limit, duration_s=0)
        operations.run("pay", 1, times=limit)
        assert local.check_performance_thresholds() == []
        operations.run("pay", 1)
        (high,) = local.check_performance_thresholds()
    assert "-high-" in high.alert_name


# What changes with the sink


def use(sink: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENESIS_PERF__MONITORING__SINK", sink)
    config.reset()


def filters() -> set[str]:
    conditions = [condition for one in policies() for condition in one.conditions]
    return {condition.condition_threshold.filter.split('"')[1].partition("/")[0] for condition in conditions}


def test_another_sink_changes_the_policy_in_place(
    cloud: "RunningEmulator", clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = set()
    for sink, domain in (
        ("cloud_monitoring", "custom.googleapis.com"),
        ("otlp", "prometheus.googleapis.com"),
        ("cloud_monitoring", "custom.googleapis.com"),
    ):
        use(sink, monkeypatch)
        with PerformanceMonitor("p", service_name="api", clock=clock) as monitor:
            names.add(monitor.create_response_time_alert("api", 500).resource_name)
        assert filters() == {domain}
    assert len(names) == 1


def test_a_recorded_response_time_is_a_third_condition_over_otlp(
    cloud: "RunningEmulator", clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    use("otlp", monkeypatch)
    with PerformanceMonitor("p", service_name="api", clock=clock) as monitor:
        monitor.record_performance_metric("response_time", 150.0, labels={"service": "api"})
        monitor.create_response_time_alert("api", 500)
    (one,) = policies()
    types = [condition.condition_threshold.filter.split('"')[1] for condition in one.conditions]
    assert types[2] == "prometheus.googleapis.com/genesis.performance.response_time/histogram"
    assert [condition.condition_threshold.threshold_value for condition in one.conditions] == [500, 0.5, 500]


@pytest.mark.parametrize("sink", ["memory", "none"])
def test_a_policy_that_will_see_nothing_of_this_process_says_so(
    sink: str, cloud: "RunningEmulator", monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    use(sink, monkeypatch)
    with PerformanceMonitor("p", service_name="api") as monitor:
        assert monitor.create_response_time_alert("api", 500).resource_name
    assert f"monitoring.sink is '{sink}': nothing of this process reaches Cloud Monitoring" in caplog.text
