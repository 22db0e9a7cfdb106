"""Rows of memory: what the process that exports gains, and what the other workers do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bench.monitor.processes import answer, started, surroundings, temporary
from bench.peers import note
from bench.row import Row, at_most
from genesis_performance.emulator import spawn_emulator

EXPORTS = 4
GOALS_MB = {"otlp": 30, "cloud_monitoring": 70}
OTHERS_MB = 15


def rows(exports: int = EXPORTS) -> Iterator[Row]:
    for sink, goal in GOALS_MB.items():
        note(f"memory: {sink}")
        writer, other = _pair(sink, exports)
        yield at_most(f"memory added to the exporting process: {sink}", writer["added_mb"], "MB", goal)
        yield at_most(f"memory added to another worker: {sink}", other["added_mb"], "MB", OTHERS_MB)


def _pair(sink: str, exports: int) -> tuple[Any, Any]:
    """The first of two processes, which exports, and the second.

    Raises:
        RuntimeError: they did not do what is measured.
    """
    with temporary() as folder, spawn_emulator() as emulator:
        environ = surroundings(folder, emulator, sink=sink, enable_alerting="false")
        first = started("memory_cases", exports, environ=environ, folder=folder)
        assert first.stdout is not None
        first.stdout.readline()
        second = started("memory_cases", exports, environ=environ, folder=folder)
        assert second.stdout is not None
        second.stdout.readline()
        # The second is asked first: when the first one ends, the second takes over and exports itself.
        other, writer = answer(second), answer(first)
    if not writer["exported"] or other["exported"]:
        raise RuntimeError(f"of two processes the first did not export alone: {writer}, {other}")
    return writer, other
