"""Calls that were carried out although their answers say, or seem to say, that they were not.

A client that sends such a call again as it was counts twice, or makes a second policy.
"""

from __future__ import annotations

import random

import pytest

from genesis_performance.errors import CloudError
from genesis_performance.gcp import call, each

from .conftest import World

DESCRIBE = "google.monitoring.v3.MetricService/CreateMetricDescriptor"
POLICIES = "google.monitoring.v3.AlertPolicyService"
LOST = ["UNAVAILABLE", "DEADLINE_EXCEEDED", "INTERNAL"]


@pytest.mark.parametrize("code", LOST)
def test_a_write_whose_answer_is_lost_counts_once(world: World, code: str) -> None:
    monitor = world.monitor()
    orders = monitor.counter("orders")
    world.cloud.fail(world.write, code, applied=True)
    orders.add(3)
    world.deliver(monitor)
    orders.add(4)
    world.deliver(monitor)
    assert world.total("orders") == 7
    assert monitor.health()["export_failures"] >= 1


def test_a_write_whose_answer_comes_too_late_counts_once(world: World) -> None:
    monitor = world.monitor()
    monitor.counter("orders").add(3)
    world.cloud.fail(world.write, "OK", delay_ms=600_000, applied=True)
    assert not monitor.flush(1)
    monitor.counter("orders").add(4)
    world.deliver(monitor)
    assert world.total("orders") == 7


def test_the_last_write_of_a_process_whose_answer_is_lost_is_not_sent_again_by_the_next_one(
    world: World,
) -> None:
    first = world.monitor()
    first.counter("orders").add(3)
    world.cloud.fail(world.write, "UNAVAILABLE", times=None, applied=True)
    world.close(first)
    world.cloud.run(world.cloud.cloud.faults.clear)
    second = world.monitor()
    second.counter("orders").add(4)
    world.deliver(second)
    assert world.total("orders") == 7
    assert len(world.series("orders")) == 1


@pytest.mark.parametrize("seed", range(5))
def test_whatever_mixture_of_answers_gets_lost_the_sum_is_what_was_recorded(world: World, seed: int) -> None:
    chance = random.Random(seed)
    monitor = world.monitor()
    recorded = 0
    for _ in range(12):
        code, applied = chance.choice([*LOST, "OK", "RESOURCE_EXHAUSTED"]), chance.random() < 0.7
        if code != "OK":
            world.cloud.fail(world.write, code, times=chance.randint(1, 2), applied=applied)
        for _ in range(chance.randint(1, 3)):
            amount = chance.randint(1, 9)
            monitor.counter("orders").add(amount)
            recorded += amount
        world.flush(monitor)
        if chance.random() < 0.2:
            world.close(monitor)
            monitor = world.monitor()
    world.cloud.run(world.cloud.cloud.faults.clear)
    world.deliver(monitor)
    assert world.total("orders") == recorded


def test_a_flush_that_says_all_arrived_is_right_after_a_lost_answer(world: World) -> None:
    monitor = world.monitor()
    monitor.counter("orders").add(3)
    world.cloud.fail(world.write, "UNAVAILABLE", applied=True)
    world.while_time_passes(lambda: monitor.flush(0.1))
    monitor.counter("orders").add(4)
    assert world.flush(monitor)
    assert world.total("orders") == 7


@pytest.mark.parametrize("code", LOST)
def test_a_descriptor_whose_answer_is_lost_is_there_once_and_points_follow(google: World, code: str) -> None:
    monitor = google.monitor()
    google.cloud.fail(DESCRIBE, code, applied=True)
    monitor.counter("orders", {"queue": "mail"}).add(3)
    google.deliver(monitor)
    request = {"name": "projects/p", "filter": 'metric.type=ends_with("/orders")'}
    (descriptor,) = each("metrics", "list_metric_descriptors", request)
    assert "queue" in {label.key for label in descriptor.labels}
    assert google.total("orders") == 3


@pytest.mark.parametrize("code", LOST)
def test_a_policy_whose_answer_is_lost_is_found_and_not_made_twice(google: World, code: str) -> None:
    monitor = google.monitor()
    google.cloud.fail(f"{POLICIES}/CreateAlertPolicy", code, applied=True)
    with pytest.raises(CloudError):
        monitor.create_response_time_alert("api", 500)
    again = monitor.create_response_time_alert("api", 500)
    (policy,) = each("alert_policies", "list_alert_policies", {"name": "projects/p"})
    assert policy.name == again.resource_name
    assert google.cloud.calls()[f"{POLICIES}/CreateAlertPolicy"] == 1


def test_an_update_of_a_policy_whose_answer_is_lost_is_made_once_more_and_holds(google: World) -> None:
    monitor = google.monitor()
    first = monitor.create_response_time_alert("api", 500)
    google.cloud.fail(f"{POLICIES}/UpdateAlertPolicy", "UNAVAILABLE", applied=True)
    with pytest.raises(CloudError):
        monitor.create_response_time_alert("api", 700)
    assert monitor.create_response_time_alert("api", 700).resource_name == first.resource_name
    (policy,) = each("alert_policies", "list_alert_policies", {"name": "projects/p"})
    assert policy.conditions[0].condition_threshold.threshold_value == 700


def test_a_deleted_policy_whose_answer_is_lost_is_gone(google: World) -> None:
    monitor = google.monitor()
    alert = monitor.create_response_time_alert("api", 500)
    google.cloud.fail(f"{POLICIES}/DeleteAlertPolicy", "UNAVAILABLE", applied=True)
    assert monitor.delete_alert(alert)
    assert not list(each("alert_policies", "list_alert_policies", {"name": "projects/p"}))
    assert monitor.alerts() == []


def test_a_dashboard_whose_answer_is_lost_is_found_and_not_made_twice(google: World) -> None:
    monitor = google.monitor()
    google.cloud.fail(
        "google.monitoring.dashboard.v1.DashboardsService/CreateDashboard", "UNAVAILABLE", applied=True
    )
    with pytest.raises(CloudError):
        monitor.create_performance_dashboard("api")
    made = monitor.create_performance_dashboard("api")
    listed = list(each("dashboards", "list_dashboards", {"parent": "projects/p"}))
    assert [one.name for one in listed] == [made.resource_name]
    assert call("dashboards", "get_dashboard", {"name": made.resource_name}).display_name
