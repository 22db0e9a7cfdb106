"""Rows of two hours of load on a clock that runs twelve times as fast: memory and files stay as they are."""

from __future__ import annotations

import contextlib
import json
import statistics
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from bench.monitor.processes import answer, started, surroundings, temporary
from bench.peers import note
from bench.row import Row, at_least, at_most, printed

FACTOR = 12
HOURS_S = 7200
GROWTH_MB, GROWTH_KB = 1.0, 64.0


@contextlib.contextmanager
def fast_cloud(factor: int, origin_ns: int, folder: Path) -> Iterator[Any]:
    """An emulator on a fast clock; where it serves."""
    cloud = started("fast_emulator", factor, origin_ns, environ=surroundings(folder), folder=folder)
    try:
        assert cloud.stdout is not None
        yield SimpleNamespace(**json.loads(cloud.stdout.readline()))
    finally:
        cloud.communicate()


@contextlib.contextmanager
def running(seconds: float = HOURS_S) -> Iterator[subprocess.Popen[str]]:
    """The load, in processes of its own; other figures that are no times may be taken meanwhile."""
    note(f"{seconds:g} s of load on a clock {FACTOR} times as fast, beside what follows")
    origin_ns = time.time_ns()
    with temporary() as folder, fast_cloud(FACTOR, origin_ns, folder) as served:
        environ = surroundings(folder, served, write_interval_s=60, enable_alerting="false")
        case = started("load_cases", FACTOR, origin_ns, seconds, environ=environ, folder=folder)
        try:
            yield case
        finally:
            if case.poll() is None:
                case.kill()
            case.wait()


def rows(case: subprocess.Popen[str], seconds: float = HOURS_S) -> Iterator[Row]:
    note("waiting for the load")
    found = answer(case)
    what = f"{seconds / 3600:g} h of load, clock {FACTOR} times as fast"
    quarter = max(len(found["memory"]) // 4, 1)
    grown = {}
    for kind in ("memory", "files"):
        # The first quarter is the warming up; a median, as the exporter is in the middle of something or not.
        early, late = found[kind][quarter : 2 * quarter], found[kind][-quarter:]
        grown[kind] = statistics.median(late) - statistics.median(early)
    yield printed(f"{what}: values recorded", found["recorded"], "")
    yield printed("  points exported", found["exported"], "")
    yield printed("  resident memory in the end", found["memory"][-1] / 2**20, "MB")
    yield printed("  files of the buffer in the end", found["files"][-1] / 1024, "KB")
    yield at_most(f"{what}: memory grown, second to last quarter", grown["memory"] / 2**20, "MB", GROWTH_MB)
    yield at_most(f"{what}: files grown, second to last quarter", grown["files"] / 1024, "KB", GROWTH_KB)
    yield at_least("  values that arrived of those recorded", found["arrived"] / found["recorded"], "", 1)
    yield at_most("  values that arrived of those recorded", found["arrived"] / found["recorded"], "", 1)
