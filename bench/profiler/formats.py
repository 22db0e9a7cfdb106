"""What it costs to write a large profile."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

from bench.profiler.peers import Peers, note
from bench.row import Row, below, printed

CASES = Path(__file__).with_name("format_cases.py")


def rows(peers: Peers) -> Iterator[Row]:
    """CPU and size of 10,000 distinct stacks as pprof and as HTML."""
    note("10,000 distinct stacks to pprof and HTML")
    done = subprocess.run([peers.python, CASES], check=True, stdout=subprocess.PIPE, text=True)
    figures = json.loads(done.stdout)
    yield below("10,000 distinct stacks of 25 frames to pprof, CPU", figures["pprof_s"], "s", 0.5)
    yield printed("  and their size", figures["pprof_bytes"] / 1e6, "MB")
    yield below("10,000 distinct stacks of 25 frames to HTML, CPU", figures["html_s"], "s", 0.5)
    yield below("  and their size", figures["html_bytes"] / 1e6, "MB", 5)
