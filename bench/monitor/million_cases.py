"""A million records, the emulator refusing calls and down: ``python -m bench.monitor.million_cases PLAN``.

The plan is JSON: ``records``, ``series``, ``pid`` of the emulator, and the phases as [name, seconds]. Two
threads record evenly over the time. ``healthy``: nothing is refused. ``refusing``: every fifth call, by
chance. ``down``: half of the time every call is refused, half of it nobody answers, the emulator's process
being stopped. Prints JSON: wall ns of a record by phase, resident memory by phase, and what is missing in the
end.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
import time
from array import array
from typing import Any

from bench.monitor import reading
from bench.monitor.memory_cases import resident
from bench.monitor.processes import control
from bench.monitor.words import word
from genesis_performance.monitor import PerformanceMonitor

THREADS = 2
METHOD = {
    "cloud_monitoring": "google.monitoring.v3.MetricService/CreateTimeSeries",
    "otlp": "opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
}
REFUSED = 0.2
PACE_S = 0.02


class Load:
    """Records evenly, and times each record."""

    def __init__(self, monitor: PerformanceMonitor, plan: dict[str, Any], seed: int) -> None:
        self.monitor = monitor
        self.chance = random.Random(seed)
        self.labels = [{"queue": word(number)} for number in range(plan["series"])]
        self.counts = [0] * plan["series"]
        self.records = plan["records"] // THREADS
        self.lasts_s = sum(seconds for _, seconds in plan["phases"])
        self.taken = array("q", bytes(8 * self.records))  # made now, as memory is watched while it fills
        self.phases: dict[str, slice] = {}

    def run(self, phase: list[str]) -> None:
        begun = time.monotonic()
        done = 0
        record, clock, chance = self.monitor.record_performance_metric, time.perf_counter_ns, self.chance
        taken = self.taken
        while done < self.records:
            due = min(round(self.records * (time.monotonic() - begun) / self.lasts_s), self.records)
            for place in range(done, due):
                index = chance.randrange(len(self.labels))
                labels = self.labels[index]
                begin = clock()
                record("wait_ms", 12.0, labels)
                taken[place] = clock() - begin
                self.counts[index] += 1
            self.phases[phase[0]] = slice(self.phases.get(phase[0], slice(done, 0)).start, max(done, due))
            done = max(done, due)
            time.sleep(PACE_S)


def main() -> None:
    plan = json.loads(sys.argv[1])
    sink = os.environ["GENESIS_PERF__MONITORING__SINK"]
    monitor = PerformanceMonitor(service_name="bench")
    for number in range(plan["series"]):  # the first record of a series is no usual one
        monitor.record_performance_metric("wait_ms", 12.0, {"queue": word(number)})
    monitor.flush(30)
    phase = [plan["phases"][0][0]]
    loads = [Load(monitor, plan, seed) for seed in range(THREADS)]
    threads = [threading.Thread(target=load.run, args=(phase,)) for load in loads]
    for thread in threads:
        thread.start()
    memory: dict[str, int] = {}
    for name, seconds in plan["phases"]:
        phase[0] = name
        _play(name, seconds, METHOD[sink], plan["pid"], memory)
    for thread in threads:
        thread.join()
    control("faults", method="DELETE")
    complete = monitor.flush(60)
    expected = {
        word(number): 1 + sum(load.counts[number] for load in loads) for number in range(plan["series"])
    }
    name = reading.type_of(sink, "wait_ms", "DISTRIBUTION")
    arrived = {reading.label(key, "queue"): value for key, value in reading.newest(name).items()}
    off = {key: arrived.get(key, 0) - count for key, count in expected.items()}
    taken = {
        name: sorted(value for load in loads for value in load.taken[load.phases[name]])
        for name, _ in plan["phases"]
    }
    calls: dict[str, int] = control("calls")
    found = {
        "p50_ns": {name: values[len(values) // 2] for name, values in taken.items() if values},
        "p99_ns": {name: values[len(values) * 99 // 100] for name, values in taken.items() if values},
        "memory": memory,
        "recorded": sum(expected.values()),
        "lost": sum(max(-value, 0) for value in off.values()),
        "doubled": sum(max(value, 0) for value in off.values()),
        "complete": complete,
        "deferred": monitor.health()["deferred_points"],
        "calls": calls.get(METHOD[sink], 0),
    }
    print(json.dumps(found))


def _play(name: str, seconds: float, method: str, pid: int, memory: dict[str, int]) -> None:
    """Have the emulator behave, and note the most memory of this time."""
    ends = time.monotonic() + seconds
    control("faults", method="DELETE")
    if name == "refusing":
        control("faults", {"method": method, "code": "UNAVAILABLE", "times": None, "probability": REFUSED})
    if name == "down":
        control("faults", {"method": method, "code": "UNAVAILABLE", "times": None})
        _watch(name, ends - seconds / 2, memory)
        os.kill(pid, signal.SIGSTOP)
    try:
        _watch("hanging" if name == "down" else name, ends, memory)
    finally:
        os.kill(pid, signal.SIGCONT)


def _watch(name: str, ends: float, memory: dict[str, int]) -> None:
    while (left := ends - time.monotonic()) > 0:
        memory[name] = max(memory.get(name, 0), resident())
        time.sleep(min(left, 0.5))


if __name__ == "__main__":
    main()
