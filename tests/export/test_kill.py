"""Processes that are killed while they record: nothing acknowledged is lost, nothing is counted twice.

No process survives: the workers take turns at sending to the emulator, and die while they send, merge, fold
and remove files. At the end this process takes over, and what the emulator holds is compared with what the
workers were told had been recorded, worker by worker and all together.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from genesis_performance import config
from genesis_performance.emulator import RunningEmulator, running_emulator
from genesis_performance.emulator.clock import Clock
from genesis_performance.gcp import close_all, each
from genesis_performance.monitor.pipeline import Destination, Pipeline

from . import killed_processes
from .killed_processes import METRICS, THREADS, TOGETHER, FastClock

SERVICE, KILLS, FACTOR = "kill", 100, 40


@pytest.fixture
def origin_ns() -> int:
    return time.time_ns()


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, origin_ns: int) -> Iterator[RunningEmulator]:
    """On a fast clock, and this process and those it starts know it."""
    with running_emulator(clock=Clock(FastClock(FACTOR, origin_ns).unix_ns)) as emulator:
        for name, value in {
            "GENESIS_PERF_EMULATOR": emulator.grpc,
            "GENESIS_PERF_EMULATOR_HTTP": emulator.http,
            "GOOGLE_CLOUD_PROJECT": "p",
            "NO_GCE_CHECK": "true",
            "GENESIS_PERF__MONITORING__BUFFER_DIR": str(tmp_path / "buffer"),
            "GENESIS_PERF__MONITORING__WRITE_INTERVAL_S": "5",
            "GENESIS_PERF__MONITORING__MAX_SERIES": "20000",
        }.items():
            monkeypatch.setenv(name, value)
        config.reset()
        yield emulator
        close_all()


def killed(seed: int, origin_ns: int) -> dict[str, dict[str, int]]:
    """What was acknowledged to each worker, once all are dead."""
    arguments = SERVICE, *map(str, (KILLS, seed, FACTOR, origin_ns))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", killed_processes.__file__, *arguments],
        capture_output=True, text=True, timeout=900, check=False, env=os.environ,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, int]] = json.loads(done.stdout)
    return found


def in_the_cloud(name: str, kind: str, now_ns: int) -> dict[str, float]:
    """The newest value of each worker; of a distribution its count."""
    found: dict[str, float] = {}
    metric = f"prometheus.googleapis.com/p.{name}/{kind}"
    request = {
        "name": "projects/p",
        "filter": f'metric.type="{metric}" AND resource.type="prometheus_target"',
        "interval": {
            "start_time": {"seconds": now_ns // 10**9 - 3 * 3600},
            "end_time": {"seconds": now_ns // 10**9 + 300},
        },
    }
    for series in each("metrics", "list_time_series", request):
        labels = series.metric.labels
        worker = labels.get("worker") or labels.get("operation", "").removeprefix("pay-")
        value = series.points[0].value
        number = value.double_value if kind == "counter" else value.distribution_value.count
        assert worker[1:-1] not in found, "a series multiplied"
        found[worker[1:-1]] = number
    return found


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 11))])
def test_kills_at_random_moments_lose_nothing_acknowledged_and_double_nothing(
    seed: int, cloud: RunningEmulator, origin_ns: int, tmp_path: Path
) -> None:
    acknowledged = killed(seed, origin_ns)
    assert len(acknowledged) == KILLS
    clock = FastClock(FACTOR, origin_ns)
    to = Destination(project="p", prefix="p", service=SERVICE, environment="test", sink="otlp")
    heir = Pipeline(to, clock=clock, is_shared=True)
    assert heir.flush(60 * FACTOR)
    health = heir.shared_health()
    assert heir.close(60 * FACTOR)
    assert health is not None
    assert health.lost == {}
    kinds = {way: "counter" if way in {"c", TOGETHER} else "histogram" for way in METRICS}
    sent = {way: in_the_cloud(name, kinds[way], clock.unix_ns()) for way, name in METRICS.items()}
    lost, doubled = [], []
    for worker, counts in acknowledged.items():
        more = {way: sent[way].get(worker, 0) - count for way, count in counts.items() if way != TOGETHER}
        if min(more.values()) < 0:
            lost.append((worker, more))
        if sum(more.values()) > THREADS:  # each thread was at one record at most
            doubled.append((worker, more))
    assert (lost, doubled) == ([], [])
    (together,) = sent[TOGETHER].values()
    assert 0 <= together - sum(counts[TOGETHER] for counts in acknowledged.values()) <= THREADS * KILLS
    assert sum(1 for counts in acknowledged.values() if sum(counts.values())) >= KILLS // 2
    left = [path.name for path in (tmp_path / "buffer").rglob("*") if path.is_file()]
    assert sorted(left) == ["totals", "writer"]
