"""Memory that a monitor adds to a process: ``python -m bench.monitor.memory_cases EXPORTS``; prints JSON.

Resident memory before our package is imported, and the most of it after 200 operations and 200 recorded
series were exported so many times. Prints a line when it has joined, so that another process can join after
it, and ends when its input does.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

PAGE = os.sysconf("SC_PAGE_SIZE")
SERIES = 200
SPACING_S = 5.5


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def main() -> None:
    exports = int(sys.argv[1])
    before = resident()
    from bench.monitor.words import word
    from genesis_performance import PerformanceMonitor, PerformanceProfiler

    profiler = PerformanceProfiler()
    monitor = PerformanceMonitor(service_name="bench")
    most = 0
    joined = False
    for _ in range(exports):
        for number in range(SERIES):
            with profiler.profile_context(f"operation {word(number)}"):
                pass
            monitor.record_performance_metric("wait_ms", 1.0 + number, {"queue": word(number)})
        complete = monitor.flush(30)
        if not joined:
            joined = True
            print("joined", flush=True)
        most = max(most, resident())
        time.sleep(SPACING_S)
    most = max(most, resident())
    health = monitor.health()
    sys.stdin.read()
    found = {
        "added_mb": (most - before) / 2**20,
        "complete": complete,
        "exported": health["exported_points"],
        "grpc": "grpc" in sys.modules,
    }
    print(json.dumps(found), flush=True)
    os._exit(0)  # the others must not wait for its last export


if __name__ == "__main__":
    main()
