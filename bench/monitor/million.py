"""Rows of a million records under an emulator that refuses a fifth of the calls and is down for a minute."""

from __future__ import annotations

import json
from collections.abc import Iterator

from bench.monitor.processes import answer, started, surroundings, temporary
from bench.peers import note
from bench.row import Row, at_least, at_most, printed
from genesis_performance.emulator import spawn_emulator

RECORDS, SERIES = 1_000_000, 5_000
PHASES = (("healthy", 45), ("refusing", 45), ("down", 60))
GROWTH_MB = 10.0
LATE_GROWTH_MB = 2.0
"""What is kept for later must not grow with the time that nothing can be sent."""

SINK = "cloud_monitoring"


def rows(
    records: int = RECORDS, series: int = SERIES, phases: tuple[tuple[str, float], ...] = PHASES
) -> Iterator[Row]:
    note(f"{records} records, {series} series, {sum(seconds for _, seconds in phases):g} s")
    with temporary() as folder, spawn_emulator() as emulator:
        environ = surroundings(folder, emulator, sink=SINK, max_series=2 * series, write_interval_s=10)
        plan = {"records": records, "series": series, "phases": phases, "pid": emulator.pid}
        found = answer(started("million_cases", json.dumps(plan), environ=environ, folder=folder))
    what = f"{records} records, {series} series, 20 % refused, down"
    yield at_least(f"{what}: recorded", found["recorded"], "", records)
    yield at_most(f"{what}: lost", found["lost"], "", 0)
    yield at_most(f"{what}: counted twice", found["doubled"], "", 0)
    yield printed("points that came with a later write", found["deferred"], "")
    p99 = found["p99_ns"]
    for name, value in p99.items():
        yield printed(f"p99 of record, wall, {name}", value / 1000, "us")
    for name in ("refusing", "down"):
        yield at_most(f"p99 of record: {name} against healthy", p99[name] / p99["healthy"], "x", 2)
    memory = found["memory"]
    grown = (max(memory.values()) - memory["healthy"]) / 2**20
    for name, value in memory.items():
        yield printed(f"resident memory, {name}", value / 2**20, "MB")
    yield at_most("memory grown while refused and down", grown, "MB", GROWTH_MB)
    later = (memory["hanging"] - max(memory["refusing"], memory["down"])) / 2**20
    yield at_most("  of that in the last half minute of being down", later, "MB", LATE_GROWTH_MB)
