"""The whole loop: what it costs to carry, and how soon it shows something.

Import cost is CPU time of fresh interpreters, ours and a bare one interleaved. The story and the tests run
in a fresh clone, as a newcomer has them.
"""

from __future__ import annotations

import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.row import Row, at_most, printed

ROUNDS = 15
ROOT = Path(__file__).parents[2]

MEMORY = """
import json, threading, time, contextlib
def rss(): return int(open('/proc/self/statm').read().split()[1]) * 4096
def work(context):
    for round in range(50):
        for number in range(200):
            with context(f"operation {number}"): pass
def threads(context):
    running = [threading.Thread(target=work, args=(context,)) for _ in range(8)]
    [t.start() for t in running]; [t.join() for t in running]
@contextlib.contextmanager
def null(name): yield
threads(null)                      # the host's own threads and strings are not ours
before = rss()
from core.performance import PerformanceProfiler
profiler = PerformanceProfiler()
threads(profiler.profile_context)
assert sum(s.count for s in profiler.recorder.snapshots()) == 80_000
print(rss() - before)
"""

POINTS = """
import time, grpc
from google.cloud import monitoring_v3
from genesis_performance.emulator.running import spawn_emulator
CALLS, SERIES = 50, 200
emulator = spawn_emulator()
try:
    Client = monitoring_v3.MetricServiceClient
    channel = grpc.insecure_channel(emulator.grpc)
    client = Client(transport=Client.get_transport_class('grpc')(channel=channel))
    Request = monitoring_v3.CreateTimeSeriesRequest.pb()
    now = int(time.time())
    requests = []
    for call in range(CALLS):
        request = Request(name='projects/bench')
        for number in range(SERIES):
            series = request.time_series.add()
            series.metric.type = 'custom.googleapis.com/bench/points'
            series.metric.labels['series'] = f'{call}/{number}'
            series.resource.type = 'global'
            series.resource.labels['project_id'] = 'bench'
            point = series.points.add()
            point.interval.end_time.seconds = now
            point.value.double_value = number
        requests.append(request)
    begin = time.perf_counter()
    for request in requests: client.create_time_series(request=request)
    print(CALLS * SERIES / (time.perf_counter() - begin))
finally:
    emulator.stop()
"""


def rows(data: Path | None) -> Iterator[Row]:
    """Every figure of the loop; no data file is needed."""
    yield at_most("import core.performance, CPU", import_ms("import core.performance"), "ms", 15)
    with_profiler = "from core.performance import PerformanceProfiler"
    yield at_most("with PerformanceProfiler, CPU", import_ms(with_profiler), "ms", 40)
    made = f"{with_profiler}; PerformanceProfiler()"
    yield printed("and one made, settings read, CPU", import_ms(made), "ms")
    yield at_most("memory added to a host that records", number(MEMORY) / 2**20, "MiB", 15)
    yield printed("points into the emulator through the official client", number(POINTS), "points/s")
    with tempfile.TemporaryDirectory(prefix="genesis-bench-") as folder:
        clone = Path(folder) / "clone"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        yield from story(clone)
        yield from tests(clone)


def import_ms(code: str) -> float:
    cpu_ms(code)  # writes the .pyc files
    pairs = [(cpu_ms("pass"), cpu_ms(code)) for _ in range(ROUNDS)]
    return statistics.median(ours for _, ours in pairs) - statistics.median(bare for bare, _ in pairs)


def cpu_ms(code: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1e3


def number(code: str) -> float:
    done = subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True)
    return float(done.stdout)


def story(clone: Path) -> Iterator[Row]:
    """``./run demo`` in a fresh clone, read as it prints."""
    begin = time.monotonic()
    seen: dict[str, float] = {}
    process = subprocess.Popen(
        ["./run", "demo"], cwd=clone, env=clean_environment(), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for text in process.stdout:
        for name, pattern in (("set-up", r" SETUP "), ("operations", r" LIVE ")):
            if name not in seen and re.search(pattern, text):
                seen[name] = time.monotonic() - begin
    code = process.wait()
    ended = time.monotonic() - begin
    yield Row("the story's exit code", code, "", "0", code == 0)
    first = seen.get("operations", float("inf"))
    yield at_most("fresh clone to first live operations", first, "s", 60)
    yield at_most("whole story after set-up", ended - seen.get("set-up", 0.0), "s", 150)


def tests(clone: Path) -> Iterator[Row]:
    begin = time.monotonic()
    done = subprocess.run(
        ["./run", "test"], cwd=clone, env=clean_environment(), stdout=subprocess.PIPE, text=True, check=False
    )
    yield Row("./run test, exit code", done.returncode, "", "0", done.returncode == 0)
    yield at_most("./run test", time.monotonic() - begin, "s", 300)
    total = re.search(r"^TOTAL .* (\d+)%", done.stdout, re.MULTILINE)
    covered = float(total[1]) if total else 0.0
    yield Row("branch coverage", covered, "%", "> 80", covered > 80)


def clean_environment() -> dict[str, str]:
    """Of a newcomer: nothing of this environment leads into the clone."""
    return {
        key: value for key, value in os.environ.items() if key not in {"VIRTUAL_ENV", "GENESIS_PERF_VENV"}
    }
