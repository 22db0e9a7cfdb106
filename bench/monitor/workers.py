"""Rows of four workers of one container: as many series as one worker has, and all of their values."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

from bench.monitor.processes import answer, started, surroundings, temporary
from bench.monitor.worker_cases import OPERATIONS, QUEUES, TIMES
from bench.peers import note
from bench.row import Row
from genesis_performance.emulator import spawn_emulator

WORKERS = 4
RECORDS = TIMES * (OPERATIONS * 2 + QUEUES * 2)  # an operation counts in two metrics


def rows() -> Iterator[Row]:
    for sink in ("otlp", "cloud_monitoring"):
        note(f"workers: {sink}")
        one, four = _left(sink, 1), _left(sink, WORKERS)
        alone, together = (sum(found["series"].values()) for found in (one, four))
        yield Row(
            f"{WORKERS} workers: series in the emulator, {sink}",
            together,
            "series",
            f"= {alone}",
            together == alone > 0,
        )
        counted = sum(four["values"].values())
        wanted = WORKERS * RECORDS
        yield Row("  values counted of all of them", counted, "", f"= {wanted}", counted == wanted)


def _left(sink: str, number: int) -> Any:
    with temporary() as folder, spawn_emulator() as emulator:
        environ = surroundings(folder, emulator, sink=sink, enable_alerting="false")
        workers = [started("worker_cases", environ=environ, folder=folder) for _ in range(number)]
        for one in workers:
            assert one.stdout is not None
            if one.stdout.readline() != "recorded\n":
                raise RuntimeError("a worker did not record")
        for one in workers:
            one.send_signal(signal.SIGTERM)
        for one in workers:
            one.communicate(timeout=60)
        return answer(started("workers_read", sink, environ=environ, folder=folder))
