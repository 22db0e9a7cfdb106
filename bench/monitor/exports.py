"""Rows of exporting: CPU of one interval of 20,000 series, and what arrived, ours beside the peers."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any

from bench.monitor.processes import answer, measured, started, surroundings, temporary
from bench.peers import Peers, note
from bench.row import Row, at_most, printed
from genesis_performance.emulator import spawn_emulator

SERIES = 20_000
INTERVALS = 3
GOAL = 1 / 3
SENDERS = (  # sender, compression, which package it is missing with
    ("otlp", "gzip", ""),
    ("sdk-otlp", "gzip", "opentelemetry-exporter-otlp-proto-http"),
    ("otlp", "none", ""),
    ("sdk-otlp", "none", "opentelemetry-exporter-otlp-proto-http"),
    ("sdk-otlp-default", "none", "opentelemetry-exporter-otlp-proto-http"),
    ("cloud_monitoring", "", ""),
    ("sdk-gcp", "", "opentelemetry-exporter-gcp-monitoring"),
)


def rows(peers: Peers, series: int = SERIES, intervals: int = INTERVALS) -> Iterator[Row]:
    cpu: dict[tuple[str, str], float] = {}
    for sender, compression, package in SENDERS:
        if package in peers.missing:
            continue
        note(f"exporting {series} series: {sender} {compression}")
        found = _measured(peers, sender, compression, series, intervals)
        name = f"{sender}{f' ({compression})' if compression else ''}"
        cpu[sender, compression] = statistics.median(found["cpu_s"])
        yield printed(f"{name}: CPU of one interval of {series} series", cpu[sender, compression], "s")
        yield printed(f"{name}: wall time of it", statistics.median(found["wall_s"]), "s")
        missing, lost = series - found["series"], found["lost"]
        if sender.startswith("sdk"):
            yield printed(f"{name}: series that did not arrive", missing, "")
            yield printed(f"{name}: counts that did not arrive of {found['given']}", lost, "")
        else:
            yield at_most(f"{name}: series that did not arrive", abs(missing), "", 0)
            yield at_most(f"{name}: counts that did not arrive of {found['given']}", abs(lost), "", 0)
    for sender, compression, peer in (
        ("otlp", "gzip", "sdk-otlp"),
        ("otlp", "none", "sdk-otlp"),
        ("cloud_monitoring", "", "sdk-gcp"),
    ):
        if (peer, compression) in cpu:
            ratio = cpu[sender, compression] / cpu[peer, compression]
            said = f" ({compression})" if compression else ""
            yield at_most(f"CPU of an interval: {sender} against {peer}{said}", ratio, "x", GOAL)
    if ("sdk-otlp-default", "none") in cpu:
        ratio = cpu["otlp", "none"] / cpu["sdk-otlp-default", "none"]
        yield printed("CPU of an interval: otlp against one request of the SDK, which is refused", ratio, "x")
    if "opentelemetry-sdk" not in peers.missing:
        kept = measured("overflow_cases", series, python=peers.python)["kept"]
        yield printed(f"the SDK: label sets lost of {series} of one instrument", series - kept, "")


def _measured(peers: Peers, sender: str, compression: str, series: int, intervals: int) -> Any:
    sink = sender if not sender.startswith("sdk") else "memory"
    with temporary() as folder, spawn_emulator() as emulator:
        environ = surroundings(
            folder, emulator, sink=sink, max_series=2 * series, write_interval_s=3600, enable_alerting="false"
        )
        if compression:
            environ |= {"BENCH_COMPRESSION": compression, "GENESIS_PERF__OTLP__COMPRESSION": compression}
        case = started(
            "export_cases", sender, series, intervals, environ=environ, folder=folder, python=peers.python
        )
        return answer(case)
