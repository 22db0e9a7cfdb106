"""Processes that are killed while they record: nothing acknowledged is lost, nothing is counted twice.

A driver process forks workers, several at a time. Each records in two threads and writes a byte into a pipe
after each call that returned. The driver kills it at a random moment and counts the bytes. No process
survives: the workers take turns at sending, and die while they merge, fold and remove files. At the end this
process takes over and what it sends is compared with the bytes, worker by worker.
"""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from genesis_performance import config
from genesis_performance.export.sinks.memory import MemorySink
from genesis_performance.model.series import Distribution
from genesis_performance.monitor.pipeline import Destination, Pipeline

THREADS = 2

DRIVER = """
import json, os, random, select, signal, sys, threading, time

kills, seed = int(sys.argv[1]), int(sys.argv[2])
chance = random.Random(seed)

from genesis_performance.monitor.pipeline import Destination, Pipeline
from genesis_performance.operations import Recorder, register
from genesis_performance.export.sinks.memory import MemorySink
from genesis_performance.monitor.handles import Counter, Distribution
import genesis_performance.export.sharing, genesis_performance.export.writer
from genesis_performance import config
import psutil

config.settings()

def worker(number, acknowledge):
    pipeline = Pipeline(
        Destination(project=None, prefix="p", service="kill", environment="test", sink="memory"),
        sink=MemorySink(), is_shared=True,
    )
    pipeline.exporter._interval_s = 0.03
    recorder = Recorder()
    register(recorder)
    pipeline.exporter.start()
    labels = {"worker": f"w{number}x"}
    orders = Counter(lambda: pipeline.buffer, "orders", labels, None)
    waits = Distribution(lambda: pipeline.buffer, "waits", labels, None)

    def load():
        while True:
            orders.add()
            os.write(acknowledge, b"c")
            waits.record(1.0)
            os.write(acknowledge, b"d")
            with recorder.operation(f"pay-w{number}x"):
                pass
            os.write(acknowledge, b"o")
            pipeline.buffer.record("labelled", 2.0, labels)
            os.write(acknowledge, b"l")

    for _ in range(THREADS - 1):
        threading.Thread(target=load, daemon=True).start()
    load()

found = {}
running = {}  # read end -> number, pid, when it dies, bytes
started = 0
while started < kills or running:
    while started < kills and len(running) < 6:
        reads, writes = os.pipe()
        pid = os.fork()
        if not pid:
            os.close(reads)
            for other in running:
                os.close(other)
            worker(started, writes)
        os.close(writes)
        os.set_blocking(reads, False)
        running[reads] = [started, pid, time.monotonic() + chance.uniform(0, 0.25), {}]
        started += 1
    ready, _, _ = select.select(list(running), [], [], 0.002)
    for reads in ready:
        number, pid, dies, counts = running[reads]
        text = os.read(reads, 65536)
        for kind in "cdol":
            counts[kind] = counts.get(kind, 0) + text.count(kind.encode())
        if not text:
            os.waitpid(pid, 0)
            os.close(reads)
            found[number] = counts
            del running[reads]
    for number, pid, dies, counts in running.values():
        if time.monotonic() >= dies:
            os.kill(pid, signal.SIGKILL)
print(json.dumps(found))
"""


def driven(kills: int, seed: int) -> dict[str, dict[str, int]]:
    code = textwrap.dedent(DRIVER).replace("THREADS", str(THREADS))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, str(kills), str(seed)],
        capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, int]] = json.loads(done.stdout)
    return found


def counted(sink: MemorySink, name: str) -> dict[str, float]:
    """What was sent, by worker."""
    found: dict[str, float] = {}
    for (metric, labels), series in sink.series.items():
        if metric == name:
            own = dict(labels)
            worker = own.get("worker") or own.get("operation", "").removeprefix("pay-")
            value = series.points[-1].value
            found[worker[1:-1]] = value.count if isinstance(value, Distribution) else value
    return found


@pytest.mark.parametrize(
    ("kills", "seed"), [(100, 1), pytest.param(1000, 2, marks=pytest.mark.slow)], ids=["100", "1000"]
)
def test_kills_at_random_moments_lose_nothing_acknowledged_and_double_nothing(
    kills: int, seed: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GENESIS_PERF__MONITORING__BUFFER_SYNC_S", "0.05")
    monkeypatch.setenv("GENESIS_PERF__MONITORING__MAX_SERIES", "20000")
    config.reset()
    acknowledged = driven(kills, seed)
    assert len(acknowledged) == kills
    sink = MemorySink()
    heir = Pipeline(
        Destination(project=None, prefix="p", service="kill", environment="test", sink="memory"),
        sink=sink,
        is_shared=True,
    )
    assert heir.flush(30)
    health = heir.shared_health()
    assert heir.close(30)
    assert health is not None
    assert health.lost == {}
    names = {"c": "orders", "d": "waits", "o": "operation/duration", "l": "labelled"}
    sent = {kind: counted(sink, name) for kind, name in names.items()}
    lost, doubled = [], []
    for worker, counts in acknowledged.items():
        more = {kind: sent[kind].get(worker, 0) - counts.get(kind, 0) for kind in names}
        if min(more.values()) < 0:
            lost.append((worker, more))
        if sum(more.values()) > THREADS:  # each thread was at one record at most
            doubled.append((worker, more))
    assert (lost, doubled) == ([], [])
    assert sum(sum(counts.values()) for counts in acknowledged.values()) > 100 * kills
    left = [path.name for path in (tmp_path / ".buffer").rglob("*") if path.is_file()]
    assert sorted(left) == ["totals", "writer"]
