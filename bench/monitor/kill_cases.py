"""Processes killed while they record: ``python -m bench.monitor.kill_cases KILLS SEED``; prints JSON.

This process forks workers, six at a time. Each records in two threads, four ways in turn, and writes a byte
into a pipe after each call that returned. It is killed at a random moment of its first 0.6 s,
and its bytes are counted. The workers take turns at sending to the emulator, and die while they do. In the
end this process sends what is left, and what the emulator holds is compared with the bytes, worker by worker.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import select
import signal
import sys
import threading
import time
from dataclasses import dataclass, field

from bench.monitor import reading
from bench.monitor.processes import control
from genesis_performance import config
from genesis_performance.monitor import PerformanceMonitor
from genesis_performance.monitor.pipeline import Pipeline
from genesis_performance.operations import Recorder, register

THREADS = 2
AT_ONCE = 6
LIVES_S = 0.6  # in a shorter life hardly one gets to send
SPACING_S = 6.0  # a series may be written every 5 s
WRITE_EVERY_S = 0.03  # by itself a worker would not live to see its first export
NEEDED = (
    "psutil",
    "genesis_performance.export.sharing",
    "genesis_performance.export.writer",
    "genesis_performance.export.otlp_target",
    "genesis_performance.export.sinks.otlp",
)
WAYS = {  # byte written: metric, kind
    b"c": ("orders", "COUNTER"),
    b"d": ("waits", "DISTRIBUTION"),
    b"o": ("operation/duration", "DISTRIBUTION"),
    b"l": ("labelled", "DISTRIBUTION"),
}


@dataclass
class Worker:
    """One that runs, as its parent sees it."""

    number: int
    pid: int
    dies_at: float
    counts: dict[bytes, int] = field(default_factory=lambda: dict.fromkeys(WAYS, 0))


def work(number: int, acknowledge: int) -> None:
    """Record until killed."""
    monitor = PerformanceMonitor(service_name="kill")
    pipeline: Pipeline = monitor._open()
    pipeline.exporter._interval_s = WRITE_EVERY_S
    recorder = Recorder()
    register(recorder)
    monitor.start()
    labels = {"worker": f"w{number}x"}
    orders, waits = monitor.counter("orders", labels), monitor.distribution("waits", labels)

    def load() -> None:
        while True:
            orders.add()
            os.write(acknowledge, b"c")
            waits.record(1.0)
            os.write(acknowledge, b"d")
            with recorder.operation(f"pay-w{number}x"):
                pass
            os.write(acknowledge, b"o")
            monitor.record_performance_metric("labelled", 2.0, labels)
            os.write(acknowledge, b"l")

    for _ in range(THREADS - 1):
        threading.Thread(target=load, daemon=True).start()
    load()


def drive(kills: int, seed: int) -> dict[int, dict[bytes, int]]:
    """Bytes of each worker, once all are dead."""
    chance = random.Random(seed)
    found: dict[int, dict[bytes, int]] = {}
    running: dict[int, Worker] = {}  # by the pipe that is read
    begun = 0
    while begun < kills or running:
        while begun < kills and len(running) < AT_ONCE:
            reads, writes = os.pipe()
            pid = os.fork()
            if not pid:
                os.close(reads)
                for other in running:
                    os.close(other)
                try:
                    work(begun, writes)
                finally:
                    os._exit(1)
            os.close(writes)
            os.set_blocking(reads, False)
            running[reads] = Worker(begun, pid, time.monotonic() + chance.uniform(0, LIVES_S))
            begun += 1
        for reads in select.select(list(running), [], [], 0.002)[0]:
            worker = running[reads]
            text = os.read(reads, 65536)
            for way in WAYS:
                worker.counts[way] += text.count(way)
            if not text:
                _, status = os.waitpid(worker.pid, 0)
                if os.WIFEXITED(status):
                    sys.exit(f"worker {worker.number} ended by itself")
                os.close(reads)
                found[worker.number] = worker.counts
                del running[reads]
        for worker in running.values():
            if time.monotonic() >= worker.dies_at:
                os.kill(worker.pid, signal.SIGKILL)
    return found


def main() -> None:
    kills, seed = int(sys.argv[1]), int(sys.argv[2])
    for needed in NEEDED:  # a worker that imports them first, records little before it dies
        importlib.import_module(needed)
    config.settings()
    acknowledged = drive(kills, seed)
    by_workers = sum(control("calls").values())  # nothing else has called yet
    time.sleep(SPACING_S)  # what is refused as too frequent is no matter of the kills
    heir = PerformanceMonitor(service_name="kill")
    complete = heir.flush(60)
    sent: dict[bytes, dict[str, float]] = {}
    series = 0
    for way, (name, kind) in WAYS.items():
        sent[way] = {}
        for key, value in reading.newest(reading.type_of("otlp", name, kind)).items():
            worker = reading.label(key, "worker") or reading.label(key, "operation").removeprefix("pay-")
            sent[way][worker] = sent[way].get(worker, 0.0) + value
            series += 1
    lost = doubled = 0.0
    for number, counts in acknowledged.items():
        more = {way: sent[way].get(f"w{number}x", 0) - count for way, count in counts.items()}
        lost += sum(max(-value, 0) for value in more.values())
        # Each thread was at one record at most, which counts or does not.
        doubled += max(sum(max(value, 0) for value in more.values()) - THREADS, 0)
    total = sum(sum(counts.values()) for counts in acknowledged.values())
    found = {
        "kills": len(acknowledged),
        "acknowledged": total,
        "lost": lost,
        "doubled": doubled,
        "series": series,
        "exports of workers": by_workers,
        "complete": complete,
    }
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
