"""Start processes that record and kill them: ``killed_processes.py SERVICE KILLS SEED FACTOR ORIGIN``.

Six at a time are forked. Each records in two threads, five ways in turn, and writes a byte into a pipe
after each call that returned. It is killed at a random moment, every other one not before its first byte, and
its bytes are counted. Its clock runs FACTOR times as fast since ORIGIN, as that of the emulator does: so it
lives to send although points are 5 s apart. Prints JSON.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import select
import signal
import sys
import threading
import time
from pathlib import Path

THREADS = 2
AT_ONCE = 6
LIVES_S, LONG_S = 0.5, 600.0
ROUNDS = 50
METRICS = {
    "c": "orders",
    "d": "waits",
    "o": "operation.duration",
    "l": "labelled",
    "t": "together",
}  # by byte
TOGETHER = "t"  # one series of all processes, the others have one of each


class FastClock:
    """The same in all processes."""

    def __init__(self, factor: float, origin_ns: int) -> None:
        self._factor = factor
        self._origin_ns = origin_ns
        self._began = time.monotonic() - (time.time_ns() - origin_ns) / 1e9

    def unix_ns(self) -> int:
        return self._origin_ns + round(self.monotonic() * 1e9)

    def monotonic(self) -> float:
        return (time.monotonic() - self._began) * self._factor

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        return event.wait(timeout_s / self._factor)


def work(service: str, number: int, acknowledge: int, clock: FastClock) -> None:
    """Record until killed."""
    from genesis_performance.monitor.handles import Counter, Distribution
    from genesis_performance.monitor.pipeline import Destination, Pipeline
    from genesis_performance.operations import Recorder, register

    to = Destination(project="p", prefix="p", service=service, environment="test", sink="otlp")
    pipeline = Pipeline(to, clock=clock, is_shared=True)
    recorder = Recorder()
    register(recorder)
    pipeline.exporter.start()
    labels = {"worker": f"w{number}x"}
    orders = Counter(lambda: pipeline.buffer, "orders", labels, None)
    waits = Distribution(lambda: pipeline.buffer, "waits", labels, None)

    def load() -> None:
        for round_ in itertools.count(1):
            if not round_ % ROUNDS:
                time.sleep(0.005)  # or the thread that sends hardly gets its turn before the end
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


def forked(service: str, number: int, clock: FastClock, other_pipes: list[int]) -> tuple[int, int]:
    """Pipe and pid of a worker."""
    reads, writes = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            for other in (reads, *other_pipes):
                os.close(other)
            work(service, number, writes, clock)
        finally:
            os._exit(1)
    os.close(writes)
    os.set_blocking(reads, False)
    return reads, pid


def main() -> None:
    service = sys.argv[1]
    kills, seed, factor, origin_ns = (int(text) for text in sys.argv[2:])
    chance = random.Random(seed)
    # A worker that imports them itself records little before it dies.
    import psutil  # noqa: F401

    import genesis_performance.export.sinks.otlp
    import genesis_performance.monitor.pipeline  # noqa: F401
    from genesis_performance import config
    from genesis_performance.gcp.clients import user_agent

    config.settings()
    user_agent()
    found: dict[int, dict[str, int]] = {}
    running: dict[int, tuple[int, int, float]] = {}  # pipe -> number, pid, when it dies
    begun = 0
    while begun < kills or running:
        while begun < kills and len(running) < AT_ONCE:
            reads, pid = forked(service, begun, FastClock(factor, origin_ns), list(running))
            lives_s = chance.uniform(0, LIVES_S)
            running[reads] = begun, pid, time.monotonic() + (LONG_S if begun % 2 else lives_s)
            found[begun] = dict.fromkeys(METRICS, 0)
            begun += 1
        for reads in select.select(list(running), [], [], 0.002)[0]:
            number, pid, dies_at = running[reads]
            text = os.read(reads, 65536)
            if dies_at > time.monotonic() + LIVES_S:
                running[reads] = number, pid, time.monotonic() + chance.uniform(0, LIVES_S)
            for way in METRICS:
                found[number][way] += text.count(way.encode())
            if not text:
                _, status = os.waitpid(pid, 0)
                if not os.WIFSIGNALED(status):
                    sys.exit(f"worker {number} ended by itself")
                os.close(reads)
                del running[reads]
        for _, pid, dies_at in running.values():
            if time.monotonic() >= dies_at:
                os.kill(pid, signal.SIGKILL)
    print(json.dumps(found))


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    main()
