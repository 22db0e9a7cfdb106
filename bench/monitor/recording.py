"""Rows of recording: beside prometheus_client, thread CPU time."""

from __future__ import annotations

from collections.abc import Iterator

from bench.monitor.processes import measured
from bench.peers import Peers, note
from bench.row import Row, at_most, printed

ROUNDS = 101


def rows(peers: Peers, rounds: int = ROUNDS) -> Iterator[Row]:
    if "prometheus_client" in peers.missing:
        return
    note("recording")
    cost = measured("recording_cases", rounds, python=peers.python, sink="memory")
    core = cost.pop("core")
    for name, taken in cost.items():
        yield printed(f"{name}{'' if 'prometheus' in name else f', {core} core'}", taken, "ns")
    yield at_most(
        "bound handle against a bound prometheus Counter",
        cost["counter"] / cost["prometheus counter"],
        "x",
        2,
    )
    labelled = cost["labelled"] / cost["prometheus labels().inc()"]
    yield at_most("call with labels against labels().inc()", labelled, "x", 1)
