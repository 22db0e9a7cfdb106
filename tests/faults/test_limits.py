"""The service's limits, reached: what fits arrives, what does not is counted and named, totals stay right."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

import pytest

from genesis_performance import config
from genesis_performance.emulator.monitoring.metric_service import MetricService
from genesis_performance.emulator.monitoring.series import Limits
from genesis_performance.export.sinks.cloud_monitoring import CloudMonitoringSink
from genesis_performance.model.series import Metric, MetricKind, Point, Series

from .conftest import World

if TYPE_CHECKING:
    from genesis_performance.emulator import RunningEmulator

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def word(number: int) -> str:
    """Another one for each number; digits would be taken for an id."""
    return "".join(LETTERS[number // 26**place % 26] for place in range(4))


def limit(cloud: RunningEmulator, **limits: int) -> None:
    cloud.cloud.service(MetricService).limits = Limits(**limits)


def test_with_descriptors_at_their_quota_what_has_one_arrives_and_what_has_none_is_named(
    google: World, caplog: pytest.LogCaptureFixture
) -> None:
    limit(google.cloud, custom_descriptors=3)  # of the process, two, and one more
    monitor = google.monitor()
    monitor.counter("orders").add(3)
    google.deliver(monitor)
    for name in ("baskets", "visits", "returns"):
        monitor.counter(name).add(1)
    monitor.counter("orders").add(4)
    google.pass_time(10)
    assert not monitor.flush(0.5)
    google.until(lambda: google.total("orders") == 7)

    def is_said() -> bool:
        google.pass_time(60)  # an export that was given little time may end with other words
        return "RESOURCE_EXHAUSTED" in str(monitor.health()["last_error"])

    google.until(is_said)
    assert "quota has been exhausted" in caplog.text


def test_points_arrive_when_descriptors_have_room_again(google: World) -> None:
    limit(google.cloud, custom_descriptors=2)
    monitor = google.monitor()
    monitor.counter("orders").add(3)
    google.flush(monitor)
    project = google.cloud.cloud.service(MetricService).project("p")
    google.cloud.run(setattr, project.descriptors, "_limits", Limits())
    google.deliver(monitor)
    assert google.total("orders") == 3


def test_descriptors_that_can_not_be_made_take_no_time_from_points_that_can_be_sent(
    cloud: RunningEmulator,
) -> None:
    """On the machine's clock, as it is time that runs out."""
    sink = CloudMonitoringSink(project="p", prefix="x", service="shop", environment="test")
    names = ["returns", "visits", "baskets", "orders"]
    metrics = [Metric(name=name, kind=MetricKind.GAUGE, value_type="INT64", unit="1") for name in names]

    def points(at_ns: int) -> list[Series]:
        point = Point(end_unix_ns=at_ns, value=1)
        return [Series(metric=metric, labels=(), points=(point,)) for metric in metrics]

    now = time.time_ns()
    assert sink.write(points(now - 60 * 10**9)[3:], timeout_s=60).sent == 1
    cloud.fail("CreateMetricDescriptor", "RESOURCE_EXHAUSTED", times=None)
    result = sink.write(points(now), timeout_s=2)
    assert result.sent == 1
    assert {one.metric.name for one in result.retry} == {"returns", "visits", "baskets"}


def test_a_resource_with_all_the_active_series_it_may_have_keeps_those_and_names_the_others(
    google: World, caplog: pytest.LogCaptureFixture
) -> None:
    limit(google.cloud, active_series=12)
    monitor = google.monitor()
    for number in range(20):
        monitor.counter("orders", {"shop": word(number)}).add(1)
    google.flush(monitor)
    assert 0 < google.total("orders") <= 12
    refused = monitor.health()["rejected_points"]
    assert 8 <= sum(refused.values()) <= 10  # of 20, and the process's two
    assert "too many time series" in str(refused)
    assert "refused for good" in caplog.text


def test_label_values_are_cut_to_what_the_service_takes(world: World) -> None:
    monitor = world.monitor()
    monitor.counter("orders", {"note": "größe " * 1000}).add(3)
    world.deliver(monitor)
    assert world.total("orders") == 3
    (series,) = world.series("orders")
    assert 1000 < len(series.metric.labels["note"]) <= 1024
    assert monitor.health()["adjusted"] == {"label value cut": 1}


def test_labels_of_one_metric_that_differ_from_record_to_record_do_not_lose_it(world: World) -> None:
    """Each has few, all together more than a descriptor may have."""
    monitor = world.monitor()
    for number in range(60):
        monitor.counter("orders", {f"key_{word(number)}": "x"}).add(1)
    world.deliver(monitor)
    health = monitor.health()
    assert world.total("orders") + sum(health["rejected_points"].values()) == 60
    assert world.total("orders") >= 20


def test_the_longest_names_are_taken(world: World) -> None:
    monitor = world.monitor()
    name = "orders_" * 10 + "inshops"
    monitor.counter(name, {"k" * 100: "x"}).add(3)
    world.deliver(monitor)
    assert world.total(name) == 3


def test_a_hundred_thousand_label_sets_are_capped_counted_named_and_all_in_the_total(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("GENESIS_PERF__MONITORING__MAX_SERIES", "300")
    config.reset()
    caplog.set_level(logging.WARNING)
    monitor = world.monitor()
    for number in range(100_000):
        monitor.counter("orders", {"customer": word(number)}).add(1)
    world.deliver(monitor)
    series = world.series("orders")
    assert len(series) <= 301
    assert world.total("orders") == 100_000
    (other,) = [one for one in series if one.metric.labels["customer"] == "__other__"]
    assert other.points[0].value.double_value >= 99_000
    assert monitor.health()["adjusted"]["series folded"] >= 99_000
    assert "orders" in caplog.text
    assert "max_series" in caplog.text
