"""One stream of executions, judged here and by the emulator's own code: the verdicts are the same.

Whichever sink sends it. The emulator's services are called directly, on a clock of the test's own.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from itertools import chain
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genesis_performance import config
from genesis_performance.export import cloud_encoding
from genesis_performance.export.catalog import (
    CPU_UTILIZATION,
    MEMORY_BYTES,
    OPERATION_COUNT,
    OPERATION_DURATION,
)
from genesis_performance.export.messages import descriptor_request
from genesis_performance.export.otlp_encoding import Encoder
from genesis_performance.model.alert import ApplyMode, PerformanceAlert
from genesis_performance.model.series import Distribution, Point, Series
from genesis_performance.monitor import alerts as made
from genesis_performance.monitor.application import LABELS_OF
from genesis_performance.monitor.burn_rate import burn_rate_alerts
from genesis_performance.monitor.conditions import Readings
from genesis_performance.monitor.first_points import first_points
from genesis_performance.monitor.kinds import kind_of
from genesis_performance.monitor.policy import policy
from genesis_performance.monitor.verdicts import Verdicts
from genesis_performance.stats.histogram import bucket_index, explicit_buckets

emulator = pytest.importorskip("genesis_performance.emulator.monitoring")

SECOND = 1_000_000_000
START_NS = 1_790_000_000 * SECOND
PREFIX = "genesis.performance"
PLACE = (("environment", "production"), ("service", "api"))
SHIP = "GET /ship"  # over OTLP an HTTP request is in a metric of its own, in seconds
RESOURCE = {"project_id": "p", "location": "global", "namespace": "production", "job": "api", "task_id": "1"}
OTLP_RESOURCE = {
    "gcp.project_id": "p",
    "location": "global",
    "service.name": "api",
    "service.instance.id": "1",
}
COMMON: dict[str, Any] = {"channels": (), "apply": ApplyMode.LOCAL}
QUIET = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]


@pytest.fixture(params=["cloud_monitoring", "otlp"])
def sink(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The sink that sends; policies look where it writes."""
    monkeypatch.setenv("GENESIS_PERF__MONITORING__SINK", request.param)
    config.reset()
    return str(request.param)


class Emulated:
    """Cloud Monitoring on a clock that the test moves."""

    def __init__(self, sink: str) -> None:
        from genesis_performance.emulator.clock import Clock
        from genesis_performance.emulator.services import otlp

        self.clock = Clock(lambda: START_NS)
        self.settings = SimpleNamespace(descriptor_delay_s=0.0)
        self.services: dict[str, Any] = {
            one.SERVICE: one(self) for one in (*emulator.SERVICES, *otlp.SERVICES)
        }
        self._policies = self.services["google.monitoring.v3.AlertPolicyService"]
        self._metrics = self.services["google.monitoring.v3.MetricService"]
        self._telemetry = self.services[otlp.MetricsService.SERVICE]
        self._encoder = Encoder(PREFIX, OTLP_RESOURCE) if sink == "otlp" else None

    def service(self, cls: Any) -> Any:
        return self.services[cls.SERVICE]

    def watch(self, alert: PerformanceAlert) -> None:
        from google.cloud.monitoring_v3 import types

        metric = kind_of(alert).metric
        if self._encoder is None:
            keys = ("service", "environment", "operation", "status")
            self._metrics.CreateMetricDescriptor(descriptor_request("p", PREFIX, metric, keys))
        else:
            self.take(first_points(metric, LABELS_OF[metric.name], self.clock.now_ns()))
        wanted = types.CreateAlertPolicyRequest(name="projects/p", alert_policy=policy(alert, PREFIX))
        self._policies.CreateAlertPolicy(type(wanted).pb(wanted))

    def take(self, series: Iterable[Series]) -> None:
        if self._encoder is None:
            from google.cloud.monitoring_v3.types import CreateTimeSeriesRequest

            encoder = cloud_encoding.Encoder("p", PREFIX, RESOURCE)
            content = encoder.request((one, encoder.encoding(one), one.points[-1]) for one in series)
            self._metrics.CreateTimeSeries(CreateTimeSeriesRequest.pb().FromString(content))
            return
        items = [(one, self._encoder.encoding(one), one.points[-1]) for one in series]
        self._telemetry.Export(self._encoder.request(items))
        assert not self._telemetry.ingested["rejected"]

    def open(self) -> set[str]:
        self._policies.evaluate()
        found = self._policies.list_alerts("projects/p", filter='state = "OPEN"')["alerts"]
        return {alert["metric"]["labels"].get("operation", "") for alert in found}


class Service:
    """Cumulative series of two operations, as a process sends them."""

    def __init__(self) -> None:
        self._starts: dict[str, int] = {}  # a series begins just before its first execution
        self._counts: dict[tuple[str, str], int] = {}
        self._buckets: dict[str, dict[int, int]] = {}
        self._sums: dict[str, float] = {}

    def run(self, now_ns: int, operation: str, times: int, failed: int, ms: float) -> None:
        if not times:
            return
        self._starts.setdefault(operation, now_ns - SECOND)
        for status, count in (("ok", times - failed), ("error", failed)):
            key = (operation, status)
            self._counts[key] = self._counts.get(key, 0) + count
        buckets = self._buckets.setdefault(operation, {})
        index = bucket_index(round(ms * 1e6))
        buckets[index] = buckets.get(index, 0) + times
        self._sums[operation] = self._sums.get(operation, 0.0) + times * ms

    def series(self, now_ns: int, cpu: float = 0.5) -> list[Series]:
        def one(metric: Any, value: Any, *labels: tuple[str, str]) -> Series:
            start = self._starts[dict(labels)["operation"]] if labels else None
            point = Point(end_unix_ns=now_ns, value=value, start_unix_ns=start)
            return Series(metric=metric, labels=tuple(sorted((*PLACE, *labels))), points=(point,))

        found = [
            one(CPU_UTILIZATION, cpu),
            one(MEMORY_BYTES, round(cpu * 2**30)),
        ]
        for (operation, status), count in self._counts.items():
            found.append(one(OPERATION_COUNT, count, ("operation", operation), ("status", status)))
        for operation, buckets in self._buckets.items():
            bounds, counts = explicit_buckets({index: count for index, count in buckets.items() if count})
            value = Distribution(bounds=bounds, counts=counts, sum=self._sums[operation])
            found.append(one(OPERATION_DURATION, value, ("operation", operation)))
        return found


def verdicts(
    sink: str, alert: PerformanceAlert, steps: Iterable[tuple[Any, ...]], every_s: int
) -> list[tuple[Any, Any]]:
    """What both sides say after each step: ``(pay, ship, cpu, is sent)``."""
    cloud, here, service = Emulated(sink), Verdicts(), Service()
    sent_ns: list[int | None] = [None]
    now: list[Series] = []
    readings = Readings(gauges=lambda _: now, sent=lambda: sent_ns[0])
    cloud.watch(alert)
    said = []
    for pay, ship, cpu, is_sent in steps:
        cloud.clock.advance(every_s)
        now_ns = cloud.clock.now_ns()
        service.run(now_ns, "pay", *pay)
        service.run(now_ns, SHIP, *ship)
        now = service.series(now_ns, cpu)
        if is_sent:
            cloud.take(now)
            sent_ns[0] = now_ns
        readings.observe(now_ns, now, [alert], 20)
        here.step(alert, readings.values(alert), now_ns)
        said.append((here.met(alert.name), cloud.open()))
    return said


@st.composite
def executions(draw: st.DrawFn) -> tuple[int, int, float]:
    times = draw(st.sampled_from([0, 0, 1, 5, 40]))
    return times, draw(st.integers(0, times)), draw(st.sampled_from([1.0, 100.0, 450.0, 700.0, 3000.0]))


def steps(*, may_miss: bool = False) -> st.SearchStrategy[Any]:
    """Stretches of like steps, so that durations are reached."""
    sent = st.booleans() if may_miss else st.just(True)
    step = st.tuples(executions(), executions(), st.sampled_from([0.1, 0.5, 0.9, 0.97]), sent)
    stretch = st.tuples(step, st.integers(1, 8)).map(lambda pair: [pair[0]] * pair[1])
    return st.lists(stretch, min_size=1, max_size=10).map(lambda parts: list(chain.from_iterable(parts)))


# None of the thresholds can be hit exactly: there the rounding of either side decides.
KINDS: dict[str, Any] = {
    "response time": lambda duration_s: made.response_time_alert(
        "api", 500, "production", quantile=0.95, duration_s=duration_s, **COMMON
    ),
    "median": lambda duration_s: made.response_time_alert(
        "api", 120, "production", quantile=0.5, duration_s=duration_s, **COMMON
    ),
    "error rate": lambda duration_s: made.error_rate_alert(
        "api", 20.3, "production", duration_s=duration_s, **COMMON
    ),
    "low throughput": lambda duration_s: made.throughput_alert(
        "api", 30.5, None, "production", by_operation=False, duration_s=duration_s, **COMMON
    ),
    "high throughput of an operation": lambda duration_s: made.throughput_alert(
        "api", None, 100.5, "production", by_operation=True, duration_s=duration_s, **COMMON
    ),
    "cpu": lambda duration_s: made.cpu_alert("api", 81.7, "production", duration_s=duration_s, **COMMON),
    "memory": lambda duration_s: made.memory_alert("api", 600, "production", duration_s=duration_s, **COMMON),
}


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, deadline=None, suppress_health_check=QUIET)
@given(data=st.data())
def test_both_sides_come_to_the_same_verdict(sink: str, kind: str, data: st.DataObject) -> None:
    every_s = data.draw(st.sampled_from([10, 20, 30]), "every_s")
    alert = KINDS[kind](data.draw(st.sampled_from([0, 60, 180]), "duration_s"))
    said = verdicts(sink, alert, data.draw(steps()), every_s)
    assert [here for here, _ in said] == [there for _, there in said]


@settings(max_examples=40, deadline=None, suppress_health_check=QUIET)
@given(
    stretches=steps(may_miss=True),
    duration_s=st.sampled_from([120, 180, 300]),
    every_s=st.sampled_from([10, 20, 30]),
)
def test_both_sides_notice_an_absence_at_the_same_time(
    sink: str, stretches: Any, duration_s: int, every_s: int
) -> None:
    alert = made.absence_alert("api", "production", duration_s=duration_s, **COMMON)
    said = verdicts(sink, alert, stretches, every_s)
    assert [here for here, _ in said] == [there for _, there in said]


@pytest.mark.parametrize("speed", [0, 1])
@settings(max_examples=5, deadline=None, suppress_health_check=QUIET)
@given(data=st.data())
def test_both_sides_see_the_same_burn_rate(sink: str, speed: int, data: st.DataObject) -> None:
    alert = burn_rate_alerts(
        "api", 99.0, "production", slo=None, duration_s=0, ticket_channels=None, **COMMON
    )[speed]
    chance = random.Random(data.draw(st.integers(0, 1000), "seed"))
    said = verdicts(sink, alert, _hours(chance, alert.alignment_s), 60)
    assert [here for here, _ in said] == [there for _, there in said]


def _hours(chance: random.Random, window_s: int) -> list[tuple[Any, ...]]:
    """A minute a step, twice as long as the window: quiet hours and bursts of errors."""
    found: list[tuple[Any, ...]] = []
    while len(found) < 2 * window_s // 60:
        share = chance.choice([0.0, 0.005, 0.3, 0.6])
        for _ in range(chance.randint(5, window_s // 120)):
            times = chance.choice([0, 20, 40])
            failed = sum(chance.random() < share for _ in range(times))
            found.append(((times, failed, 5.0), (0, 0, 1.0), 0.5, True))
    return found


BAD, GOOD = (40, 20, 3000.0), (20, 0, 1.0)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_met_in_bad_times_and_not_in_good_ones_on_both_sides(sink: str, kind: str) -> None:
    """Were nothing ever violated, equal verdicts would say nothing."""
    bad: tuple[Any, ...] = (BAD, BAD, 0.97, True)
    good: tuple[Any, ...] = (GOOD, GOOD, 0.1, True)
    if kind == "low throughput":
        bad, good = ((1, 0, 1.0), (1, 0, 1.0), 0.1, True), (GOOD, GOOD, 0.1, True)
    if kind.startswith("high"):
        good = ((1, 0, 1.0), (1, 0, 1.0), 0.1, True)
    said = verdicts(sink, KINDS[kind](60), [good] * 12 + [bad] * 18 + [good] * 12, 10)
    assert [(bool(here), bool(there)) for here, there in (said[11], said[29], said[41])] == [
        (False, False), (True, True), (False, False),
    ]  # fmt: skip


def test_a_burst_of_errors_burns_the_budget_and_its_end_stops_it_on_both_sides(sink: str) -> None:
    alert = burn_rate_alerts(
        "api", 99.0, "production", slo=None, duration_s=0, ticket_channels=None, **COMMON
    )[0]
    quiet = [((20, 0, 5.0), (0, 0, 1.0), 0.5, True)]
    burst = [((20, 10, 5.0), (0, 0, 1.0), 0.5, True)]
    said = verdicts(sink, alert, quiet * 60 + burst * 20 + quiet * 10, 60)
    met = [bool(here) for here, _ in said]
    assert met == [bool(there) for _, there in said]
    # 50 % errors over x of 60 minutes is above 14.4 % from the 18th on; the short window forgets in 4.
    assert met.index(True) == 60 + 17
    assert not any(met[80 + 4 :])
