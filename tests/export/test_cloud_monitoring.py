"""The sink against the emulator: Google's own client is in between."""

import logging
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from genesis_performance import config
from genesis_performance.export.catalog import MEMORY_BYTES, OPERATION_COUNT, OPERATION_DURATION
from genesis_performance.export.exporter import Exporter
from genesis_performance.export.resource import acting_as
from genesis_performance.export.sinks.cloud_monitoring import CloudMonitoringSink
from genesis_performance.gcp import call, close_all, each
from genesis_performance.model.series import Distribution, Metric, MetricKind, Point, Series
from genesis_performance.stats.histogram import explicit_buckets

from ..conftest import FakeClock

if TYPE_CHECKING:
    from genesis_performance.emulator import RunningEmulator

METRICS = "google.monitoring.v3.MetricService"
WRITE, DESCRIBE = f"{METRICS}/CreateTimeSeries", f"{METRICS}/CreateMetricDescriptor"
PREFIX = "custom.googleapis.com/genesis.performance"


@pytest.fixture
def sink(cloud: "RunningEmulator", clock: FakeClock) -> CloudMonitoringSink:
    return make_sink(clock)


def make_sink(clock: FakeClock) -> CloudMonitoringSink:
    return CloudMonitoringSink(
        project="p",
        prefix="genesis.performance",
        service="shop",
        environment="test",
        unix_ns=clock.unix_ns,
        monotonic=clock.monotonic,
    )


def count(clock: FakeClock, value: int, *, metric: Metric = OPERATION_COUNT, **labels: str) -> Series:
    start = None if metric.kind is MetricKind.GAUGE else START_NS
    point = Point(end_unix_ns=clock.unix_ns(), value=value, start_unix_ns=start)
    return Series(metric=metric, labels=tuple(sorted(labels.items())), points=(point,))


START_NS = time.time_ns() - 3_600_000_000_000


def stored(name: str, clock: FakeClock) -> list[Any]:
    request = {
        "name": "projects/p",
        "filter": f'metric.type="{PREFIX}/{name}"',
        "interval": {
            "start_time": {"seconds": clock.unix_ns() // 10**9 - 7200},
            "end_time": {"seconds": clock.unix_ns() // 10**9 + 60},
        },
    }
    return list(each("metrics", "list_time_series", request))


def test_points_arrive_with_labels_unit_and_resource(sink: CloudMonitoringSink, clock: FakeClock) -> None:
    bounds, counts = explicit_buckets({100: 3, 400: 1})
    value = Distribution(bounds=bounds, counts=counts, sum=4.0, sum_of_squared_deviation=1.5)
    point = Point(end_unix_ns=clock.unix_ns(), value=value, start_unix_ns=START_NS)
    duration = Series(metric=OPERATION_DURATION, labels=(("operation", "pay"),), points=(point,))
    result = sink.write([duration, count(clock, 7, operation="pay", status="ok")], timeout_s=10)
    assert (result.sent, result.rejected, result.retry) == (2, (), ())
    (series,) = stored("operation/duration", clock)
    written = series.points[0].value.distribution_value
    assert (written.count, written.mean) == (4, 1.0)
    assert written.sum_of_squared_deviation == 1.5
    assert dict(series.metric.labels) == {"operation": "pay"}
    assert series.resource.type == "generic_task"
    resource = dict(series.resource.labels)
    assert (resource["job"], resource["namespace"], resource["location"]) == ("shop", "test", "global")
    (counted,) = stored("operation/count", clock)
    assert counted.points[0].value.int64_value == 7
    descriptor = call(
        "metrics",
        "get_metric_descriptor",
        {"name": f"projects/p/metricDescriptors/{PREFIX}/operation/duration"},
    )
    assert descriptor.unit == "ms"


def test_the_descriptor_comes_first_and_once(
    sink: CloudMonitoringSink, cloud: "RunningEmulator", clock: FakeClock
) -> None:
    for value in (1, 2, 3):
        assert sink.write([count(clock, value, status="ok")], timeout_s=10).sent == 1
        clock.advance(5)
    assert cloud.calls()[DESCRIBE] == 1
    assert cloud.calls()[WRITE] == 3


def test_a_new_label_is_added_to_the_descriptor(
    sink: CloudMonitoringSink, cloud: "RunningEmulator", clock: FakeClock
) -> None:
    sink.write([count(clock, 1, a="x")], timeout_s=10)
    sink.write([count(clock, 1, a="x", b="y")], timeout_s=10)
    assert cloud.calls()[DESCRIBE] == 2
    descriptor = call(
        "metrics", "get_metric_descriptor", {"name": f"projects/p/metricDescriptors/{PREFIX}/operation/count"}
    )
    assert {label.key for label in descriptor.labels} == {"a", "b"}


def test_more_than_200_series_are_several_calls(
    sink: CloudMonitoringSink, cloud: "RunningEmulator", clock: FakeClock
) -> None:
    many = [count(clock, 1, operation=f"o{number}") for number in range(450)]
    assert sink.write(many, timeout_s=20).sent == 450
    assert cloud.calls()[WRITE] == 3
    assert len(stored("operation/count", clock)) == 450


def test_points_of_a_series_are_five_seconds_apart(
    sink: CloudMonitoringSink, cloud: "RunningEmulator", clock: FakeClock
) -> None:
    sink.write([count(clock, 1, status="ok")], timeout_s=10)
    clock.advance(3)
    result = sink.write([count(clock, 2, status="ok"), count(clock, 1, status="error")], timeout_s=10)
    assert result.sent == 1
    assert [dict(one.labels)["status"] for one in result.held] == ["ok"]
    assert result.held_s == 2
    clock.advance(2)
    assert sink.write([count(clock, 3, status="ok")], timeout_s=10).sent == 1
    assert cloud.calls()[WRITE] == 3


def test_the_last_point_is_dated_ahead_rather_than_lost(sink: CloudMonitoringSink, clock: FakeClock) -> None:
    sink.write([count(clock, 1, status="ok")], timeout_s=10)
    clock.advance(1)
    result = sink.write([count(clock, 9, status="ok")], timeout_s=10, final=True)
    assert (result.sent, result.held) == (1, ())
    (series,) = stored("operation/count", clock)
    assert series.points[0].value.int64_value == 9


def test_a_metric_of_another_type_is_refused_by_name_and_the_others_go_through(
    sink: CloudMonitoringSink, cloud: "RunningEmulator", clock: FakeClock
) -> None:
    other = {"type": f"{PREFIX}/operation/count", "metric_kind": "GAUGE", "value_type": "DOUBLE"}
    call("metrics", "create_metric_descriptor", {"name": "projects/p", "metric_descriptor": other})
    memory = count(clock, 5, metric=MEMORY_BYTES)
    result = sink.write([count(clock, 1, status="ok"), memory], timeout_s=10)
    assert result.sent == 1
    (rejected,) = result.rejected
    assert rejected.series is not None
    assert rejected.series.metric.name == "operation/count"
    assert rejected.reason
    writes = cloud.calls()[WRITE]
    clock.advance(60)
    again = sink.write([count(clock, 2, status="ok")], timeout_s=10)
    assert (again.sent, again.rejected) == (0, ())
    assert cloud.calls()[WRITE] == writes


def test_only_the_series_that_failed_are_dealt_with(
    sink: CloudMonitoringSink, cloud: "RunningEmulator", clock: FakeClock
) -> None:
    """Another writer with the same resource wrote one of them a second ago."""
    with acting_as(sink.resource["task_id"]):
        rival = make_sink(clock)
    rival.write([count(clock, 1, operation="b")], timeout_s=10)
    clock.advance(1)
    result = sink.write([count(clock, 2, operation=name) for name in "abc"], timeout_s=10)
    assert result.sent == 2
    assert [dict(one.labels)["operation"] for one in result.held] == ["b"]
    assert (result.rejected, result.retry, result.held_s) == ((), (), 5)
    clock.advance(result.held_s)
    assert sink.write([count(clock, 3, operation=name) for name in "abc"], timeout_s=10).sent == 3
    newest = {
        dict(s.metric.labels)["operation"]: s.points[0].value.int64_value
        for s in stored("operation/count", clock)
    }
    assert newest == {"a": 3, "b": 3, "c": 3}


def test_a_point_that_can_never_be_right_is_refused_for_good_and_left_alone_for_a_while(
    sink: CloudMonitoringSink, clock: FakeClock
) -> None:
    bad = Series(
        metric=MEMORY_BYTES, labels=(("bad-key", "x"),), points=count(clock, 1, metric=MEMORY_BYTES).points
    )
    sink._described["process/memory_bytes"] = frozenset({"bad-key", "ok"})  # let it through to the write
    good = count(clock, 1, metric=MEMORY_BYTES, ok="x")
    result = sink.write([bad, good], timeout_s=10)
    assert result.sent == 1
    assert [one.series for one in result.rejected] == [bad]
    clock.advance(10)
    assert sink.write([bad], timeout_s=10).rejected == ()
    clock.advance(600)
    assert len(sink.write([bad], timeout_s=10).rejected) == 1


@pytest.mark.parametrize(
    "code", ["UNAVAILABLE", "RESOURCE_EXHAUSTED", "INTERNAL", "DEADLINE_EXCEEDED", "ABORTED"]
)
def test_a_transient_error_is_made_up_for_by_the_next_write(
    sink: CloudMonitoringSink, cloud: "RunningEmulator", clock: FakeClock, code: str
) -> None:
    cloud.fail(WRITE, code)
    result = sink.write([count(clock, 1, status="ok")], timeout_s=10)
    assert result.sent == 0
    assert len(result.retry) == 1
    assert code in result.errors[0]
    assert cloud.calls()[WRITE] == 1  # never sent again as it was
    clock.advance(5)
    assert sink.write([count(clock, 2, status="ok")], timeout_s=10).sent == 1


def test_a_failing_batch_does_not_stop_the_others(
    sink: CloudMonitoringSink, cloud: "RunningEmulator", clock: FakeClock
) -> None:
    cloud.fail(WRITE, "UNAVAILABLE")
    many = [count(clock, 1, operation=f"o{number}") for number in range(300)]
    result = sink.write(many, timeout_s=10)
    assert (result.sent, len(result.retry)) == (100, 200)


def test_a_service_that_is_down_is_not_asked_for_every_batch(
    sink: CloudMonitoringSink, cloud: "RunningEmulator", clock: FakeClock
) -> None:
    cloud.fail(WRITE, "UNAVAILABLE", times=None)
    many = [count(clock, 1, operation=f"o{number}") for number in range(1000)]
    result = sink.write(many, timeout_s=10)
    assert len(result.retry) == 1000
    assert cloud.calls()[WRITE] == 2


def test_a_descriptor_that_may_not_be_made_does_not_stop_the_points(
    sink: CloudMonitoringSink, cloud: "RunningEmulator", clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    cloud.fail(DESCRIBE, "PERMISSION_DENIED")
    assert sink.write([count(clock, 1, status="ok")], timeout_s=10).sent == 1
    assert "monitoring.metricWriter" in caplog.text


def test_points_wait_for_a_descriptor_that_can_not_be_made_now(
    sink: CloudMonitoringSink, cloud: "RunningEmulator", clock: FakeClock
) -> None:
    cloud.fail(DESCRIBE, "RESOURCE_EXHAUSTED", times=None)
    result = sink.write([count(clock, 1, status="ok")], timeout_s=1)
    assert (result.sent, len(result.retry)) == (0, 1)
    assert WRITE not in cloud.calls()


def test_without_permission_points_are_kept_for_later_and_the_reason_is_said(
    sink: CloudMonitoringSink, cloud: "RunningEmulator", clock: FakeClock
) -> None:
    cloud.fail(WRITE, "PERMISSION_DENIED")
    result = sink.write([count(clock, 1, status="ok")], timeout_s=10)
    assert len(result.retry) == 1
    assert "PERMISSION_DENIED" in result.errors[0]


def test_two_sinks_of_one_process_do_not_collide(sink: CloudMonitoringSink, clock: FakeClock) -> None:
    other = make_sink(clock)
    assert other.resource["task_id"] != sink.resource["task_id"]
    for one in (sink, other):
        assert one.write([count(clock, 1, status="ok")], timeout_s=10).sent == 1
    assert len(stored("operation/count", clock)) == 2


def until(condition: Callable[[], bool], clock: FakeClock) -> None:
    """Let time pass until it is so, at most 200 s: the emulator takes points up to 5 minutes ahead."""
    for _ in range(40):
        clock.advance(5)
        patience = time.monotonic() + 1.5
        while time.monotonic() < patience:
            if condition():
                return
            time.sleep(0.01)
    raise AssertionError("it did not come")


def test_export_goes_on_when_the_emulator_is_back(
    monkeypatch: pytest.MonkeyPatch, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    from genesis_performance.emulator import running_emulator

    caplog.set_level(logging.INFO)
    recorded = 0

    def collect(_now_ns: int) -> list[Series]:
        return [count(clock, recorded, status="ok")]

    exporter = Exporter(collect, lambda: make_sink(clock), interval_s=5, clock=clock)
    with running_emulator() as first:
        monkeypatch.setenv("GENESIS_PERF_EMULATOR", first.grpc)
        config.reset()
        recorded = 1
        assert exporter.flush(60)
    recorded = 2
    until(lambda: exporter.counts.failures > 0, clock)  # and nothing raised
    with running_emulator(port=int(first.grpc.rpartition(":")[2])):
        recorded = 3
        until(lambda: exporter.counts.failures_in_a_row == 0, clock)
        (series,) = stored("operation/count", clock)
        assert series.points[0].value.int64_value == 3
    assert "exported again" in caplog.text
    exporter.is_closed = True
    exporter._wake.set()
    close_all()


def test_a_call_refused_whole_is_searched_for_the_culprit(
    sink: CloudMonitoringSink, cloud: "RunningEmulator", clock: FakeClock
) -> None:
    cloud.fail(WRITE, "INVALID_ARGUMENT")
    result = sink.write([count(clock, 1, operation=f"o{number}") for number in range(100)], timeout_s=10)
    assert (result.sent, result.rejected) == (100, ())
    assert cloud.calls()[WRITE] == 3


def test_the_search_for_a_culprit_ends(
    sink: CloudMonitoringSink, cloud: "RunningEmulator", clock: FakeClock
) -> None:
    cloud.fail(WRITE, "INVALID_ARGUMENT", times=None)
    result = sink.write([count(clock, 1, operation=f"o{number}") for number in range(200)], timeout_s=20)
    assert result.sent == 0
    assert len(result.rejected) == 200
    assert cloud.calls()[WRITE] < 150


def test_without_the_google_package_points_are_kept_and_the_remedy_is_said(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "google.cloud.monitoring_v3", None)
    result = make_sink(clock).write([count(clock, 1, status="ok")], timeout_s=1)
    assert len(result.retry) == 1
    assert "pip install" in result.errors[0]


def test_when_the_time_is_over_the_rest_comes_again(
    sink: CloudMonitoringSink, cloud: "RunningEmulator", clock: FakeClock
) -> None:
    result = sink.write([count(clock, 1, status="ok")], timeout_s=0)
    assert (result.sent, len(result.retry)) == (0, 1)
    assert WRITE not in cloud.calls()
