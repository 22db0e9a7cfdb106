"""Processes killed while they record: ``python -m bench.monitor.kill_cases KILLS SEED FACTOR ORIGIN``.

This process forks workers, six at a time. Each records in two threads, five ways in turn, and writes a byte
into a pipe after each call that returned. It is killed at a random moment of its first half second, and its
bytes are counted. The workers take turns at sending to the emulator, and die while they do; their clock and
the emulator's run FACTOR times as fast since ORIGIN. In the end this process sends what is left, and what the
emulator holds is compared with the bytes, worker by worker and all together. Prints JSON.
"""

from __future__ import annotations

import importlib
import itertools
import json
import os
import random
import select
import signal
import sys
import threading
import time
from collections import Counter as Counts
from dataclasses import dataclass, field

from bench.monitor import reading
from bench.monitor.clocks import FastClock
from bench.monitor.processes import PROJECT, control
from genesis_performance import config
from genesis_performance.gcp.clients import user_agent
from genesis_performance.monitor.handles import Counter, Distribution
from genesis_performance.monitor.pipeline import Destination, Pipeline
from genesis_performance.operations import Recorder, register

THREADS = 2
AT_ONCE = 6
LIVES_S = 0.5  # in a shorter life hardly one gets to send
PAUSE_S, ROUNDS = 0.005, 50  # a thread rests after so many: the one that sends gets its turn before the end
FLUSH_S = 60.0  # real
BATCH = 100
"""Kills in one folder: with ever more series a worker would not live to send them all."""

NEEDED = ("psutil", "genesis_performance.export.sinks.otlp")
WAYS = {  # byte written: metric, kind
    b"c": ("orders", "COUNTER"),
    b"d": ("waits", "DISTRIBUTION"),
    b"o": ("operation/duration", "DISTRIBUTION"),
    b"l": ("labelled", "DISTRIBUTION"),
    b"t": ("together", "COUNTER"),
}
TOGETHER = b"t"  # one series of all workers, the others have one of each


@dataclass
class Worker:
    """One that runs, as its parent sees it."""

    number: int
    pid: int
    dies_at: float
    counts: dict[bytes, int] = field(default_factory=lambda: dict.fromkeys(WAYS, 0))


def opened(service: str, clock: FastClock) -> Pipeline:
    to = Destination(project=PROJECT, prefix=reading.OURS, service=service, environment="test", sink="otlp")
    return Pipeline(to, clock=clock, is_shared=True)


def work(service: str, number: int, acknowledge: int, clock: FastClock) -> None:
    """Record until killed."""
    pipeline = opened(service, clock)
    recorder = Recorder()
    register(recorder)
    pipeline.exporter.start()
    labels = {"worker": f"w{number}x"}
    orders = Counter(lambda: pipeline.buffer, "orders", labels, None)
    waits = Distribution(lambda: pipeline.buffer, "waits", labels, None)

    def load() -> None:
        for round_ in itertools.count(1):
            if not round_ % ROUNDS:
                time.sleep(PAUSE_S)
            orders.add()
            os.write(acknowledge, b"c")
            waits.record(1.0)
            os.write(acknowledge, b"d")
            with recorder.operation(f"pay-w{number}x"):
                pass
            os.write(acknowledge, b"o")
            pipeline.buffer.record("labelled", 2.0, labels)
            os.write(acknowledge, b"l")
            pipeline.buffer.record("together", 1.0, kind="counter")
            os.write(acknowledge, b"t")

    for _ in range(THREADS - 1):
        threading.Thread(target=load, daemon=True).start()
    load()


def drive(
    service: str, numbers: range, chance: random.Random, clock: FastClock
) -> dict[int, dict[bytes, int]]:
    """Bytes of each worker, once all are dead."""
    found: dict[int, dict[bytes, int]] = {}
    running: dict[int, Worker] = {}  # by the pipe that is read
    waiting = list(numbers)
    while waiting or running:
        while waiting and len(running) < AT_ONCE:
            number = waiting.pop()
            reads, writes = os.pipe()
            pid = os.fork()
            if not pid:
                os.close(reads)
                for other in running:
                    os.close(other)
                try:
                    work(service, number, writes, clock)
                finally:
                    os._exit(1)
            os.close(writes)
            os.set_blocking(reads, False)
            running[reads] = Worker(number, pid, time.monotonic() + chance.uniform(0, LIVES_S))
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
    kills, seed, factor, origin_ns = (int(text) for text in sys.argv[1:])
    for needed in NEEDED:  # a worker that imports them first, records little before it dies
        importlib.import_module(needed)
    config.settings()
    user_agent()
    clock = FastClock(factor, origin_ns)
    chance = random.Random(seed)
    acknowledged: dict[int, dict[bytes, int]] = {}
    by_workers = 0
    rejected: Counts[str] = Counts()
    for first in range(0, kills, BATCH):
        service = f"kill{first}"
        before = sum(control("calls").values())
        acknowledged |= drive(service, range(first, min(first + BATCH, kills)), chance, clock)
        by_workers += sum(control("calls").values()) - before
        heir = opened(service, clock)
        if not heir.flush(FLUSH_S * factor):
            sys.exit(f"what is left of {service} could not be sent: {heir.exporter.counts}")
        rejected += heir.exporter.counts.rejected
        heir.close(FLUSH_S * factor)
    print(json.dumps(judged(acknowledged, clock) | {"exports of workers": by_workers, "rejected": rejected}))


def judged(acknowledged: dict[int, dict[bytes, int]], clock: FastClock) -> dict[str, float]:
    """What the emulator holds, against what the workers were told had been recorded."""
    sent: dict[bytes, dict[str, float]] = {}
    for way, (name, kind) in WAYS.items():
        sent[way] = {}
        metric_type = reading.type_of("otlp", name, kind)
        for key, value in reading.newest(metric_type, now_s=clock.unix_ns() / 1e9).items():
            worker = reading.label(key, "worker") or reading.label(key, "operation").removeprefix("pay-")
            sent[way][worker] = sent[way].get(worker, 0.0) + value
    lost = doubled = 0.0
    for number, counts in acknowledged.items():
        more = {
            way: sent[way].get(f"w{number}x", 0) - count for way, count in counts.items() if way != TOGETHER
        }
        lost += sum(max(-value, 0) for value in more.values())
        # Each thread was at one record at most, which counts or does not.
        doubled += max(sum(max(value, 0) for value in more.values()) - THREADS, 0)
    together = sum(sent[TOGETHER].values()) - sum(counts[TOGETHER] for counts in acknowledged.values())
    lost += max(-together, 0)
    doubled += max(together - THREADS * len(acknowledged), 0)
    total = sum(sum(counts.values()) for counts in acknowledged.values())
    return {"kills": len(acknowledged), "acknowledged": total, "lost": lost, "doubled": doubled}


if __name__ == "__main__":
    main()
