"""The monitor: recording and exporting beside its peers, kills and outages, memory, incidents, our own bill.

No data file is needed. It takes about 18 minutes, the peers' installation included: see the README.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bench.monitor import bill, exports, incidents, kills, load, memory, million, recording, workers
from bench.peers import note, prepare
from bench.row import Row, printed


def rows(data: Path | None) -> Iterator[Row]:
    """Every figure of the monitor's table."""
    peers = prepare("monitor", ("psutil", "msgspec", "PyYAML", "google-auth", "google-cloud-monitoring"))
    yield from recording.rows(peers)
    yield from exports.rows(peers)
    yield from memory.rows()
    yield from million.rows()
    with load.running() as case:  # what is taken beside it is no time
        yield from kills.rows()
        yield from workers.rows()
        yield from incidents.rows()
        yield from bill.rows()
        yield from load.rows(case)
    for name, reason in peers.missing.items():
        note(f"not measured: {name}: {reason}")
    yield printed(f"peers not measured: {'; '.join(peers.missing) or 'none'}", len(peers.missing), "")
