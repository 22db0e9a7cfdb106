"""Rows of our own bill: the estimate beside what the emulator counted."""

from __future__ import annotations

from collections.abc import Iterator

from bench.monitor.processes import measured
from bench.peers import note
from bench.row import Row, at_most, printed

SEEDS = (11, 12, 13)
EXPORTS = 20
COUNTED = {"otlp": "samples", "cloud_monitoring": "bytes of points"}


def rows(seeds: tuple[int, ...] = SEEDS, exports: int = EXPORTS) -> Iterator[Row]:
    for sink, unit in COUNTED.items():
        note(f"bill: {sink}")
        worst = 0.0
        for seed in seeds:
            found = measured("bill_cases", sink, seed, exports, sink=sink, enable_alerting="false")
            yield printed(f"{unit} in {exports} exports, {sink}: estimated", found["estimated"], "")
            yield printed("  counted by the emulator", found["counted"], "")
            worst = max(worst, abs(found["estimated"] / found["counted"] - 1))
        yield at_most(f"estimate of our bill: furthest off, {sink}", 100 * worst, "%", 5)
