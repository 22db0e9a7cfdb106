"""The secrets: what a hit costs beside its peers, what reads cost together, and what refreshing is worth.

No data file is needed. It takes about seven minutes, the peers' installation included.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bench.peers import note, prepare
from bench.row import Row, printed
from bench.secrets import hits, real, refreshing


def rows(data: Path | None) -> Iterator[Row]:
    """Every figure of the secrets' table."""
    peers = prepare("secrets", ("psutil", "msgspec", "PyYAML"))
    yield from hits.rows(peers)
    yield from refreshing.rows()
    yield from real.rows()
    for name, reason in peers.missing.items():
        note(f"not measured: {name}: {reason}")
    yield printed(f"peers not measured: {'; '.join(peers.missing) or 'none'}", len(peers.missing), "")
