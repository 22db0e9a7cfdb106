"""Rows of real calls: Google's clients against the emulator, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator

from bench.row import Row, at_most, printed
from bench.secrets.peers import ROOT, note

TITLES = {
    "on demand": "real run, TTL on demand",
    "hard": "real run, hard bound",
    "soft": "real run, soft bound",
}


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
    for kind, title in TITLES.items():
        one = played[kind]
        yield printed(f"{title}: calls", one["calls"], "")
        yield printed("  reads that block", one["blocked"], "")
        yield printed("  stale reads", one["stale"], "")
    yield printed("  reads of each", played["hard"]["reads"], "")
    yield printed("  rotations", played["hard"]["rotations"], "")
