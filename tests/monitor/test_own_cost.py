"""Our own bill: against what the emulator counted, and kept below its limit."""

import json
import logging
import random
import time
import urllib.request
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from genesis_performance import config
from genesis_performance.cli.doctor import command as doctor
from genesis_performance.export.catalog import (
    CPU_UTILIZATION,
    MEMORY_BYTES,
    OPERATION_COUNT,
    OPERATION_DURATION,
)
from genesis_performance.export.limits import Complaints
from genesis_performance.gcp import each
from genesis_performance.model.series import Distribution, Metric, MetricKind, Point, Series
from genesis_performance.monitor import PerformanceMonitor
from genesis_performance.monitor.bucket_forecast import mean_filled
from genesis_performance.monitor.cost_cap import CostCap
from genesis_performance.monitor.own_cost import (
    DISTRIBUTION_BYTES,
    NUMBER_BYTES,
    Load,
    OwnBill,
    assumed_load,
    load_of,
    monthly_usd,
    own_bill,
)

from .conftest import FakeClock, Operations

if TYPE_CHECKING:
    from genesis_performance.emulator import RunningEmulator

log = logging.getLogger(__name__)
BOUNDS = tuple(float(2**n) for n in range(40))


def histogram(metric: Metric = OPERATION_DURATION, filled: int = 10, **labels: str) -> Series:
    counts = tuple(3 if index < filled else 0 for index in range(len(BOUNDS) + 1))
    value = Distribution(bounds=BOUNDS, counts=counts, sum=1.0)
    return one(metric, value, labels)


def one(metric: Metric, value: Any, labels: dict[str, str], start: int | None = 1) -> Series:
    point = Point(end_unix_ns=2, value=value, start_unix_ns=start)
    return Series(metric=metric, labels=tuple(sorted(labels.items())), points=(point,))


def operation(name: str, count: int) -> list[Series]:
    labels = {"operation": name, "service": "api"}
    return [
        histogram(**labels),
        one(OPERATION_COUNT, count, labels | {"status": "ok"}),
        one(OPERATION_COUNT, 0, labels | {"status": "error"}),
    ]


PROCESS = [one(CPU_UTILIZATION, 0.1, {}, None), one(MEMORY_BYTES, 1, {}, None)]


def test_a_load_is_what_each_sink_is_paid_by() -> None:
    load = load_of([*operation("pay", 5), *PROCESS])
    assert (load.series, load.bytes, load.samples) == (5, 80 + 4 * 8, 2 + 10 + 4)


def test_the_example_of_the_fact_sheet_costs_what_it_says() -> None:
    """200 operations on 50 instances: 10,000 histograms and as many counters, every minute for 30 days."""
    bill = own_bill(Load(numbers=200, distributions=200, buckets=5 * 200), instances=50, interval_s=60)
    cloud, otlp = bill.sinks
    assert cloud.amount == pytest.approx(36_255, rel=1e-4)
    assert float(cloud.cost_after_free_tier.amount) == pytest.approx(9_315, rel=1e-4)
    target_info = 43_200 * 50
    assert otlp.amount - target_info == pytest.approx(3_456e6)
    assert float(otlp.cost.amount) == pytest.approx(207.36 + 0.13, rel=1e-3)


def test_an_alert_by_operation_is_paid_for_each_series_that_it_looks_at() -> None:
    bill = own_bill(Load(), instances=1, interval_s=60, conditions=1, groups=200)
    assert bill.returned == pytest.approx(17.28e6)
    assert float(bill.alerts.amount) == pytest.approx(6.05 + 0.10, rel=1e-2)


@given(st.integers(0, 300), st.integers(0, 60), st.integers(1, 20), st.sampled_from([5, 30, 60, 300]))
def test_more_of_anything_never_costs_less(
    operations: int, buckets: int, instances: int, interval_s: int
) -> None:
    def costs(**more: int) -> list[float]:
        load = assumed_load(
            operations=operations + more.get("operations", 0), buckets=buckets + more.get("buckets", 0)
        )
        bill = own_bill(load, instances=instances + more.get("instances", 0), interval_s=interval_s)
        return [float(sink.cost.amount) for sink in bill.sinks]

    least = costs()
    for more in ({"operations": 1}, {"buckets": 1}, {"instances": 1}):
        assert all(a >= b for a, b in zip(costs(**more), least, strict=True))


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=60), st.floats(0, 1e6), st.floats(0, 1e6))
def test_a_forecast_lies_between_the_buckets_seen_and_all_and_grows_with_time(
    counts: list[int], growth: float, more: float
) -> None:
    seen = sum(1 for count in counts if count)
    sooner, later = mean_filled(counts, growth), mean_filled(counts, growth + more)
    assert seen <= sooner <= later + 1e-9
    assert later <= len(counts) + 1e-9


# Against what the emulator counted


@pytest.fixture
def cloud(cloud: "RunningEmulator", monkeypatch: pytest.MonkeyPatch) -> "RunningEmulator":
    monkeypatch.setenv("GENESIS_PERF__MONITORING__ENABLE_ALERTING", "false")
    config.reset()
    return cloud


KINDS: dict[str, Callable[[random.Random], float]] = {
    "narrow": lambda chance: 20 * chance.lognormvariate(0, 0.3),
    "wide": lambda chance: 150 * chance.lognormvariate(0, 0.6),
    "heavy tail": lambda chance: 20 * chance.paretovariate(2.5),
    "two humps": lambda chance: (2 if chance.random() < 0.8 else 150) * chance.lognormvariate(0, 0.3),
    "light tail": lambda chance: 10 * chance.gammavariate(4, 1),
}


def traffic(operations: Operations, chance: random.Random) -> None:
    """A minute of fifteen operations, three of each kind of durations."""
    for kind, duration_ms in KINDS.items():
        for number in range(3):
            for _ in range(60):
                operations.run(f"{kind} {number}", duration_ms(chance), fails=chance.random() < 0.01)


EXPORTS = 20


def ran(
    cloud: "RunningEmulator", clock: FakeClock, operations: Operations, seed: int = 1
) -> tuple[OwnBill, PerformanceMonitor]:
    """The estimate after the first minute, and the monitor after twenty, exporting by itself."""
    chance = random.Random(seed)
    monitor = PerformanceMonitor(gcp_project_id="p", service_name="api", clock=clock)
    traffic(operations, chance)
    clock.advance(60)
    cloud.advance(60)
    estimate = monitor.estimated_cost(lifetime_s=60 * EXPORTS)
    assert monitor.flush(60)
    for _ in range(EXPORTS - 1):
        before = monitor.health()["exported_points"]
        traffic(operations, chance)
        cloud.advance(60)
        clock.advance(60)
        ends = time.monotonic() + 60
        while monitor.health()["exported_points"] == before:  # the export's thread is on its way
            assert time.monotonic() < ends
            time.sleep(0.005)
    return estimate, monitor


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_samples_that_the_emulator_counted_are_those_of_the_estimate(
    cloud: "RunningEmulator",
    clock: FakeClock,
    operations: Operations,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
) -> None:
    monkeypatch.setenv("GENESIS_PERF__MONITORING__SINK", "otlp")
    config.reset()
    estimate, monitor = ran(cloud, clock, operations, seed)
    with urllib.request.urlopen(f"http://{cloud.http}/control/ingested") as answer:
        counted = json.load(answer)["otlp"]
    assert counted["rejected"] == 0
    month = 30 * 86_400 / 60
    samples = estimate.sinks[1].amount / month * EXPORTS
    points = estimate.sinks[1].points / month * EXPORTS
    assert samples == pytest.approx(counted["samples"], rel=0.05)
    assert points == pytest.approx(counted["points"], rel=0.05)
    monitor.close()


def test_the_bytes_of_the_points_in_cloud_monitoring_are_those_of_the_estimate(
    cloud: "RunningEmulator", clock: FakeClock, operations: Operations
) -> None:
    config.reset()
    estimate, monitor = ran(cloud, clock, operations)
    sent = 0
    now_s = clock.unix_ns() // 10**9
    for metric in (OPERATION_DURATION, OPERATION_COUNT, CPU_UTILIZATION, MEMORY_BYTES):
        request = {
            "name": "projects/p",
            "filter": f'metric.type="custom.googleapis.com/genesis.performance/{metric.name}"',
            "interval": {"start_time": {"seconds": now_s - 7200}, "end_time": {"seconds": now_s + 60}},
        }
        size = DISTRIBUTION_BYTES if metric.value_type == "DISTRIBUTION" else NUMBER_BYTES
        sent += sum(size * len(series.points) for series in each("metrics", "list_time_series", request))
    estimated = estimate.sinks[0].amount * 2**20 / (30 * 86_400 / 60) * EXPORTS
    assert estimated == pytest.approx(sent, rel=0.05)
    monitor.close()


# Below the limit


def cap(max_usd: float, sink: str) -> CostCap:
    return CostCap(max_usd, sink=sink, interval_s=60, complaints=Complaints(log))


def many(number: int) -> list[Series]:
    return [*PROCESS, *(one for n in range(number) for one in operation(f"op {n:03}", n))]


def names(series: Any) -> set[str]:
    return {dict(each.labels)["operation"] for each in series if dict(each.labels)}


def test_without_a_limit_nothing_is_given_up() -> None:
    series = many(50)
    assert cap(0, "otlp").fit(series) is series


def test_below_the_limit_nothing_is_given_up() -> None:
    subject, series = cap(1000, "cloud_monitoring"), many(5)
    assert subject.fit(series) == series
    assert subject.given_up == {}


def test_buckets_are_given_up_first_where_they_are_paid_for(caplog: pytest.LogCaptureFixture) -> None:
    series = many(20)
    full = monthly_usd(load_of(series), "otlp", 60)
    subject = cap(full * 0.8, "otlp")
    sent = subject.fit(series)
    assert names(sent) == names(series)
    assert subject.given_up == {"buckets": 4}
    assert subject.usd is not None
    assert subject.usd <= full * 0.8
    assert "one bucket in place of 4" in caplog.text


def test_then_the_operations_that_ran_least(caplog: pytest.LogCaptureFixture) -> None:
    series = many(20)
    subject = cap(monthly_usd(load_of(many(8)), "cloud_monitoring", 60), "cloud_monitoring")
    sent = subject.fit(series)
    assert names(sent) == {f"op {n:03}" for n in range(12, 20)}
    assert subject.given_up == {"series groups": 12}
    assert "12 operations and metrics are not sent" in caplog.text
    assert "op 000, op 001" in caplog.text


def test_an_operation_goes_with_all_its_series() -> None:
    subject = cap(monthly_usd(load_of(many(8)), "cloud_monitoring", 60), "cloud_monitoring")
    sent = list(subject.fit(many(20)))
    assert len(sent) == len(PROCESS) + 3 * 8


def test_what_was_given_up_does_not_come_back() -> None:
    subject = cap(monthly_usd(load_of(many(8)), "cloud_monitoring", 60), "cloud_monitoring")
    subject.fit(many(20))
    busy = [one for n in range(20) for one in operation(f"op {n:03}", 1000 - n)]
    assert names(subject.fit(busy)) == {f"op {n:03}" for n in range(12, 20)}


def test_the_process_is_always_sent() -> None:
    assert list(cap(1e-9, "cloud_monitoring").fit(many(20))) == PROCESS


@pytest.mark.parametrize("sink", ["memory", "none"])
def test_what_is_not_sent_has_no_limit(sink: str) -> None:
    series = many(20)
    assert cap(1e-9, sink).fit(series) is series


@given(st.lists(st.integers(0, 9), min_size=1, max_size=50), st.floats(0.01, 1.0))
def test_fewer_buckets_hold_the_same_values(counts: list[int], share: float) -> None:
    bounds = tuple(float(n) for n in range(len(counts) - 1))
    value = Distribution(bounds=bounds, counts=tuple(counts), sum=1.0)
    metric = Metric(name="wait", kind=MetricKind.CUMULATIVE, value_type="DISTRIBUTION", unit="s")
    series = [one(metric, value, {})]
    for sent in cap(monthly_usd(load_of(series), "otlp", 60) * share, "otlp").fit(series):
        coarse = sent.points[-1].value
        assert isinstance(coarse, Distribution)
        assert coarse.count == value.count
        assert len(coarse.counts) == len(coarse.bounds) + 1
        for bound in coarse.bounds:  # as many below each bound that is left
            below = sum(coarse.counts[: coarse.bounds.index(bound) + 1])
            assert below == sum(value.counts[: value.bounds.index(bound) + 1])


def test_the_monitor_stays_below_its_limit_and_says_so(
    clock: FakeClock, operations: Operations, monkeypatch: pytest.MonkeyPatch
) -> None:
    from genesis_performance.export.sinks.memory import MemorySink

    monkeypatch.setenv("GENESIS_PERF__MONITORING__MAX_MONTHLY_COST", "20")
    config.reset()
    sink = MemorySink()
    with PerformanceMonitor(service_name="api", clock=clock, sink=sink) as monitor:
        for n in range(100):
            operations.run(f"op{n}", 5, times=n + 1)
        monitor.flush(60)
        health = monitor.health()
        assert health["monthly_cost_usd"] is not None
        assert 18.9 < health["monthly_cost_usd"] <= 20
        assert health["given_up"]["series groups"] > 50
        assert sink.value("operation/count", operation="op99", status="ok") == 100
        with pytest.raises(LookupError):
            sink.value("operation/count", operation="op0", status="ok")


# The command line


def run(*arguments: str) -> str:
    result = CliRunner().invoke(doctor, ["--cost", *arguments])
    assert result.exit_code == 0, result.output
    return str(result.output)


def test_doctor_prints_the_bill_with_prices_dates_and_sources() -> None:
    text = run("--operations", "200", "--instances", "50", "--conditions", "1")
    for part in (
        "cloud_monitoring",
        "otlp",
        "as of 2026-11-23",
        "https://cloud.google.com/stackdriver/pricing",
    ):
        assert part in text
    found = json.loads(run("--operations", "200", "--instances", "50", "--conditions", "1", "--json"))
    cloud, otlp = found["sinks"]
    assert cloud["cost"] > 10 * otlp["cost"]
    assert found["alerts"] == pytest.approx(6.15, rel=0.01)


def test_doctor_counts_the_conditions_of_the_policies_in_the_store(
    cloud: "RunningEmulator", clock: FakeClock
) -> None:
    config.reset()
    with PerformanceMonitor(service_name="api", clock=clock) as monitor:
        monitor.create_response_time_alert("api", 500)
        monitor.create_error_rate_alert("api", 2.0, apply="local")
    assert json.loads(run("--json"))["conditions"] == 1
