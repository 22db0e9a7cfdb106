"""Rows of processes that are killed, checked in the emulator."""

from __future__ import annotations

import time
from collections.abc import Iterator

from bench.monitor.load import fast_cloud
from bench.monitor.processes import answer, started, surroundings, temporary
from bench.peers import note
from bench.row import Row, at_least, at_most, printed

KILLS, SEED = 1000, 3
FACTOR = 40
"""Points are 5 s apart, which is an eighth of a second of a worker's life."""


def rows(kills: int = KILLS) -> Iterator[Row]:
    note(f"{kills} kills -9")
    origin_ns = time.time_ns()
    with temporary() as folder, fast_cloud(FACTOR, origin_ns, folder) as served:
        environ = surroundings(folder, served, write_interval_s=5, max_series=20 * kills)
        case = started("kill_cases", kills, SEED, FACTOR, origin_ns, environ=environ, folder=folder)
        found = answer(case)
    yield at_least("processes killed -9 at random moments under load", found["kills"], "", kills)
    yield printed("records acknowledged by them", found["acknowledged"], "")
    yield at_least("exports that they made before they died", found["exports of workers"], "", kills / 50)
    yield at_most("  acknowledged and lost, in the emulator", found["lost"], "", 0)
    yield at_most("  counted twice, in the emulator", found["doubled"], "", 0)
    yield at_most("  points refused for good", sum(found["rejected"].values()), "", 0)
