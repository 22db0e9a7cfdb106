"""The profiler: what an operation costs, how right a session is, and what it costs; beside its peers.

No data file is needed. It takes about 20 minutes, the peers' installation included.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

from bench.profiler import accuracy, cost, formats
from bench.profiler.peers import note, prepare
from bench.row import Row, printed

HERE = Path(__file__).parent


def rows(data: Path | None) -> Iterator[Row]:
    """Every figure of the profiler's table."""
    peers = prepare()
    yield from cost.rows(peers)
    note("toggled cost of a session")
    toggled = subprocess.run(
        [peers.python, HERE / "toggled.py"], check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    added, error = map(float, toggled.split())
    yield printed("a session's cost to a busy process, toggled", added, "%")
    yield printed("  standard error of that", error, "%")
    yield from formats.rows(peers)
    yield from accuracy.rows(peers)
    for name, reason in peers.missing.items():
        note(f"not measured: {name}: {reason}")
    yield printed(f"peers not measured: {'; '.join(peers.missing) or 'none'}", len(peers.missing), "")
