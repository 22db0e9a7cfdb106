"""One worker of a container, ``python -m bench.monitor.worker_cases``: records and waits for SIGTERM."""

from __future__ import annotations

import time

from bench.monitor.words import word
from genesis_performance.export import flush_at_sigterm
from genesis_performance.monitor import PerformanceMonitor
from genesis_performance.operations import Recorder, register

OPERATIONS, QUEUES, TIMES = 20, 30, 50


def main() -> None:
    flush_at_sigterm()
    monitor = PerformanceMonitor(service_name="web")
    recorder = Recorder()
    register(recorder)
    for _ in range(TIMES):
        for number in range(OPERATIONS):
            with recorder.operation(f"operation {word(number)}"):
                pass
        for number in range(QUEUES):
            monitor.record_performance_metric("wait_ms", 1.0, {"queue": word(number)})
            monitor.counter("orders", {"queue": word(number)}).add()
    print("recorded", flush=True)
    time.sleep(120)


if __name__ == "__main__":
    main()
