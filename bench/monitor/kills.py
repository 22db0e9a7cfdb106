"""Rows of processes that are killed, checked in the emulator."""

from __future__ import annotations

from collections.abc import Iterator

from bench.monitor.processes import measured
from bench.peers import note
from bench.row import Row, at_least, at_most, printed

KILLS, SEED = 1000, 3


def rows(kills: int = KILLS) -> Iterator[Row]:
    note(f"{kills} kills -9")
    found = measured(
        "kill_cases",
        kills,
        SEED,
        emulated=True,
        sink="otlp",
        buffer_sync_s=0.05,
        max_series=20 * kills,
        enable_alerting="false",
    )
    yield at_least("processes killed -9 at random moments under load", found["kills"], "", kills)
    yield printed("records acknowledged by them", found["acknowledged"], "")
    yield at_least("exports that they made before they died", found["exports of workers"], "", kills / 50)
    yield at_most("  acknowledged and lost, in the emulator", found["lost"], "", 0)
    yield at_most("  counted twice, in the emulator", found["doubled"], "", 0)
