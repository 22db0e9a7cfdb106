"""Our own bill: ``python -m bench.monitor.bill_cases SINK SEED EXPORTS``; prints JSON.

A minute of traffic, the estimate, and as many exports as the estimate is for, on a clock turned by hand.
Counted is what the emulator has: samples of OTLP, bytes of the points of Cloud Monitoring.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections.abc import Callable

from bench.monitor import reading
from bench.monitor.clocks import HandClock
from bench.monitor.processes import PROJECT
from bench.monitor.words import word
from genesis_performance import config
from genesis_performance.emulator import running_emulator
from genesis_performance.export.catalog import (
    CPU_UTILIZATION,
    MEMORY_BYTES,
    OPERATION_COUNT,
    OPERATION_DURATION,
)
from genesis_performance.monitor import PerformanceMonitor
from genesis_performance.operations import Recorder, register

MINUTES_A_MONTH = 30 * 24 * 60
BYTES = {"DISTRIBUTION": 80}  # https://cloud.google.com/stackdriver/pricing
NUMBER_BYTES = 8
EXPORT_S = 20.0
Duration = Callable[[random.Random], float]

DURATIONS_MS: dict[str, Duration] = {
    "narrow": lambda chance: chance.lognormvariate(3.2, 0.25),
    "wide": lambda chance: chance.lognormvariate(5.0, 0.7),
    "heavy": lambda chance: 15 * chance.paretovariate(2.2),
    "cached or not": lambda chance: chance.lognormvariate(1.0 if chance.random() < 0.7 else 5.0, 0.3),
}
EACH = 4
EXECUTIONS = 50  # a minute
FAILING = 0.01


class Service:
    """Operations whose durations are chosen."""

    def __init__(self, clock: HandClock, seed: int) -> None:
        self._now_ns = 0
        self._chance = random.Random(seed)
        self._recorder = Recorder(clock_ns=lambda: self._now_ns, wall_clock_ns=clock.unix_ns)
        register(self._recorder)

    def minute(self) -> None:
        for kind, duration_ms in DURATIONS_MS.items():
            for number in range(EACH):
                for _ in range(EXECUTIONS):
                    self._execute(f"{kind} {word(number)}", duration_ms(self._chance))

    def _execute(self, name: str, took_ms: float) -> None:
        try:
            with self._recorder.operation(name):
                self._now_ns += round(took_ms * 1e6)
                if self._chance.random() < FAILING:
                    raise LookupError
        except LookupError:
            pass


def main() -> None:
    sink, seed, exports = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    clock = HandClock()
    service = Service(clock, seed)
    with running_emulator() as emulator:
        os.environ["GENESIS_PERF_EMULATOR"] = emulator.grpc
        os.environ["GENESIS_PERF_EMULATOR_HTTP"] = emulator.http
        os.environ["GOOGLE_CLOUD_PROJECT"] = PROJECT
        config.reset()
        monitor = PerformanceMonitor(PROJECT, service_name="bench", clock=clock)
        service.minute()
        clock.advance(60)
        emulator.advance(60)
        bill = monitor.estimated_cost(lifetime_s=60 * exports)
        if not monitor.flush(EXPORT_S):
            sys.exit("the first export failed")
        for _ in range(exports - 1):
            before = monitor.health()["exported_points"]
            service.minute()
            emulator.advance(60)
            clock.advance(60)
            ends = time.monotonic() + EXPORT_S
            while monitor.health()["exported_points"] == before:  # the exporter's thread is on its way
                if time.monotonic() > ends:
                    sys.exit("an export did not come")
                time.sleep(0.002)
        share = exports / MINUTES_A_MONTH
        if sink == "otlp":
            estimated = bill.sinks[1].amount * share
            counted: float = emulator.run(_samples, emulator.cloud)
        else:
            estimated = bill.sinks[0].amount * 2**20 * share
            counted = 0
            for metric in (OPERATION_DURATION, OPERATION_COUNT, CPU_UTILIZATION, MEMORY_BYTES):
                size = BYTES.get(metric.value_type, NUMBER_BYTES)
                name = reading.type_of(sink, metric.name, "")
                found = reading.pages(name, now_s=clock.unix_ns() / 1e9)
                counted += size * sum(len(one.points) for one in found)
        monitor.close()
    print(json.dumps({"estimated": estimated, "counted": counted}), flush=True)


def _samples(cloud: object) -> int:
    from genesis_performance.emulator.services.otlp import MetricsService

    samples: int = cloud.services[MetricsService.SERVICE].ingested["samples"]  # type: ignore[attr-defined]
    return samples


if __name__ == "__main__":
    main()
