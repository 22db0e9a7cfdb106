"""A monitor, the emulator and one clock for both, for each of the two sinks."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from genesis_performance import config
from genesis_performance.gcp import each
from genesis_performance.monitor import PerformanceMonitor
from genesis_performance.monitor.pipeline import Destination, Pipeline

from ..conftest import FakeClock

if TYPE_CHECKING:
    from genesis_performance.emulator import RunningEmulator

WRITES = {
    "cloud_monitoring": "google.monitoring.v3.MetricService/CreateTimeSeries",
    "otlp": "opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
}
DEADLINE_S = 60.0  # of the machine


class World:
    """What a test sees: ``write`` is the method that the sink calls."""

    def __init__(self, cloud: RunningEmulator, sink: str) -> None:
        self.cloud = cloud
        self.sink = sink
        self.write = WRITES[sink]
        self.clock = FakeClock()
        self._monitors: list[PerformanceMonitor] = []

    def monitor(self) -> PerformanceMonitor:
        """One that shares its series through the folder with every other, which with a clock it would not."""
        made = PerformanceMonitor(gcp_project_id="p", service_name="api", clock=self.clock)
        to = Destination(
            project="p", prefix="genesis.performance", service="api", environment="production", sink=self.sink
        )
        made._keep(Pipeline(to, clock=self.clock, is_shared=True))
        made._open().users += 1
        self._monitors.append(made)
        assert made.health()["buffer"] == "mapped"
        return made

    def forget_settings(self) -> None:
        """Read them anew: a test has changed the environment."""
        config.reset()

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.cloud.advance(seconds)

    def while_time_passes(self, call: Callable[[], Any]) -> Any:
        """What ``call`` returns, half a second after the other passing meanwhile."""
        answers: list[Any] = []
        thread = threading.Thread(target=lambda: answers.append(call()))
        thread.start()
        while thread.is_alive():
            self.pass_time(0.5)
            thread.join(0.005)
        return answers[0]

    def flush(self, monitor: PerformanceMonitor) -> bool:
        return bool(self.while_time_passes(lambda: monitor.flush(10)))

    def deliver(self, monitor: PerformanceMonitor) -> None:
        """Flush until everything is said to have arrived."""
        ends = time.monotonic() + DEADLINE_S
        while not self.flush(monitor):
            assert time.monotonic() < ends, monitor.health()

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for another thread."""
        ends = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < ends
            time.sleep(0.02)

    def close(self, monitor: PerformanceMonitor) -> None:
        self._monitors.remove(monitor)
        self.while_time_passes(monitor.close)

    def close_all(self) -> None:
        for monitor in list(self._monitors):
            self.close(monitor)

    def series(self, name: str, kind: str = "counter") -> list[Any]:
        """What the emulator has of a metric that a monitor recorded."""
        full = {
            "cloud_monitoring": f"custom.googleapis.com/genesis.performance/{name}",
            "otlp": f"prometheus.googleapis.com/genesis.performance.{name}/{kind}",
        }[self.sink]
        now_s = self.clock.unix_ns() // 10**9
        request = {
            "name": "projects/p",
            "filter": f'metric.type="{full}"',
            "interval": {"start_time": {"seconds": now_s - 7200}, "end_time": {"seconds": now_s + 300}},
        }
        return list(each("metrics", "list_time_series", request))

    def total(self, name: str) -> float:
        """What a reader adds up to: of each series, the last value since each of its starts."""
        total = 0.0
        for one in self.series(name):
            last: dict[int, float] = defaultdict(float)
            for point in one.points:
                start = point.interval.start_time.timestamp_pb().ToNanoseconds()
                last[start] = max(last[start], point.value.double_value)
            total += sum(last.values())
        return total


@pytest.fixture(params=sorted(WRITES))
def world(
    request: pytest.FixtureRequest, cloud: RunningEmulator, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    """One for each sink."""
    monkeypatch.setenv("GENESIS_PERF__MONITORING__SINK", request.param)
    config.reset()
    made = World(cloud, request.param)
    yield made
    made.close_all()


@pytest.fixture
def google(cloud: RunningEmulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Cloud Monitoring through Google's client."""
    monkeypatch.setenv("GENESIS_PERF__MONITORING__SINK", "cloud_monitoring")
    config.reset()
    made = World(cloud, "cloud_monitoring")
    yield made
    made.close_all()
