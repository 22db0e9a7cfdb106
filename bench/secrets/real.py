"""Rows of real calls: Google's clients against the emulator, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator

from bench.peers import ROOT, note
from bench.row import Row, at_most, printed
from bench.secrets.population import SECRETS, Trace, excerpt
from bench.secrets.refreshing import POLICIES, TTL_S
from bench.secrets.simulator import Tally, on_demand, simulate

WAYS: dict[str, Callable[[Trace, int], Tally]] = {
    "on demand": lambda one, number: on_demand(one, TTL_S),
    "hard": lambda one, number: simulate(one, POLICIES["hard bound"], number),
    "soft": lambda one, number: simulate(one, POLICIES["soft bound, with create times"], number),
}
"""The managers of the real run as the simulator has them."""


def rows() -> Iterator[Row]:
    note("real calls")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("GENESIS_", "SECRET_"))}
    command = [sys.executable, "-m", "bench.secrets.real_cases"]
    done = subprocess.run(command, cwd=ROOT, env=kept, check=True, stdout=subprocess.PIPE, text=True)
    found = json.loads(done.stdout)
    yield at_most("200 concurrent misses, threads and loops mixed", found["misses"], "calls", 1)
    taken = found["batches"]
    yield printed("40 reads at 50 ms injected latency, one after the other", taken["serial"], "s")
    yield printed("  as a batch", taken["sync"], "s")
    yield printed("  as a batch, awaited", taken["await"], "s")
    slower = max(taken["sync"], taken["await"])
    yield at_most(
        "batch of 40 at 50 ms injected latency against serial", slower / taken["serial"], "x", 1 / 12
    )
    yield printed("failed uses per rotation, 8 threads, not reported", found["rotated"]["not reported"], "")
    yield printed("  reported by invalidate", found["rotated"]["reported"], "")
    yield at_most("  through with_secret", found["rotated"]["with_secret"], "", 0)
    played = found["played"]
    for kind, way in WAYS.items():
        real, simulated = played[kind], sum((way(excerpt(n), n) for n in range(SECRETS)), Tally())
        for what in ("calls", "blocked", "stale"):
            yield printed(f"real run, {kind}: {what}", real[what], "")
            yield printed("  simulated", getattr(simulated, what), "")
    yield printed("reads of each", played["hard"]["reads"], "")
    yield printed("rotations", played["hard"]["rotations"], "")
