"""Real disks that are full or read-only: a small one of its own, which only the process under test sees."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from genesis_performance import config
from genesis_performance.gcp import close_all, each

if TYPE_CHECKING:
    from genesis_performance.emulator import RunningEmulator

PREFIX = "custom.googleapis.com/genesis.performance"
MOUNT = 'mount -t tmpfs -o "size=$1,mode=700" tmpfs "$2"'


def _may_mount() -> bool:
    unshare = shutil.which("unshare")
    if unshare is None:
        return False
    tried = subprocess.run(
        [unshare, "-rm", "sh", "-c", "mount -t tmpfs tmpfs /mnt"], capture_output=True, check=False
    )
    return tried.returncode == 0


pytestmark = pytest.mark.skipif(
    not _may_mount(), reason="this machine lets nobody mount a disk (unshare -rm)"
)

WORK = """
import json, os, sys
from pathlib import Path
from genesis_performance.monitor import PerformanceMonitor

monitor = PerformanceMonitor(service_name="web")

def record(first, last):
    for number in range(first, last):
        letters = "".join(chr(97 + int(digit)) for digit in f"{number:05}")
        monitor.record_performance_metric("wait_ms", 1.0, {"queue": letters})

def fill():
    rest = os.open(Path(sys.argv[1]) / "rest", os.O_WRONLY | os.O_CREAT)
    try:
        while True:
            os.write(rest, bytes(1024))
    except OSError:
        pass
"""

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(genesis_emulator: RunningEmulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Run]:
    """Run code on a disk of its own; returns the monitor's health at the end."""
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p")
    config.reset()
    disk = tmp_path / "disk"
    disk.mkdir()
    environ = {
        **os.environ,
        "GENESIS_PERF_EMULATOR": genesis_emulator.grpc,
        "GENESIS_PERF_EMULATOR_HTTP": genesis_emulator.http,
        "GENESIS_PERF__MONITORING__BUFFER_DIR": str(disk),
    }

    def run(code: str, *, size: str, then: str = "true") -> dict[str, Any]:
        whole = WORK + textwrap.dedent(code) + "\nprint(json.dumps(monitor.health(), default=str))\n"
        script = f'{MOUNT} && {then} && exec "$3" -c "$4" "$2"'
        done = subprocess.run(
            ["unshare", "-rm", "sh", "-c", script, "sh", size, str(disk), sys.executable, whole],
            capture_output=True, text=True, timeout=120, check=False, env=environ,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        health: dict[str, Any] = json.loads(done.stdout)
        return health

    yield run
    close_all()


def arrived() -> float:
    """Values of all series."""
    now_s = int(time.time())
    request = {
        "name": "projects/p",
        "filter": f'metric.type="{PREFIX}/wait_ms"',
        "interval": {"start_time": {"seconds": now_s - 3600}, "end_time": {"seconds": now_s + 200}},
    }
    return sum(
        one.points[0].value.distribution_value.count for one in each("metrics", "list_time_series", request)
    )


@pytest.mark.parametrize("size", ["4k", "64k", "400k", "1m"])
def test_what_a_disk_has_no_room_for_goes_on_on_the_heap_and_everything_arrives(run: Run, size: str) -> None:
    health = run("record(0, 2000)\nassert monitor.flush(60)", size=size)
    assert arrived() == 2000
    assert health["buffer_problems"].keys() & {"buffer full", "no file"}


def test_on_a_disk_that_is_full_from_the_beginning_everything_arrives_from_the_heap(run: Run) -> None:
    fill = '(cat /dev/zero > "$2/rest" 2>&- || true)'
    health = run("record(0, 500)\nassert monitor.flush(60)", size="64k", then=fill)
    assert arrived() == 500
    assert health["buffer_problems"]["no file"] == 1


def test_what_is_on_the_heap_arrives_when_the_process_ends(run: Run) -> None:
    code = """
    from genesis_performance.export.at_end import flush_all
    record(0, 500)
    assert flush_all(60)
    """
    run(code, size="64k")
    assert arrived() == 500


def test_a_disk_that_becomes_full_while_the_process_runs_loses_nothing(run: Run) -> None:
    code = """
    record(0, 500)
    assert monitor.flush(60)
    fill()
    record(0, 2000)
    assert monitor.flush(60)
    """
    health = run(code, size="4m")
    assert arrived() == 2500
    assert health["buffer_problems"]["buffer full"] > 0
    assert health["rejected_points"] == {}


def test_on_a_read_only_disk_everything_arrives_from_the_heap(run: Run) -> None:
    health = run("record(0, 500)\nassert monitor.flush(60)", size="1m", then='mount -o remount,ro "$2"')
    assert arrived() == 500
    assert health["buffer"] == "heap"
    assert health["buffer_problems"] == {"no folder": 1}
