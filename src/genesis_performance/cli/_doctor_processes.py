"""What ``genesis-perf doctor`` says of running processes: who sends, and what is lost, refused or unsent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from ..config import settings

if TYPE_CHECKING:
    from ..monitor.published_health import ProcessesHealth

SHOWN = 10
"""Services that the text shows; JSON has all."""

_LOSSES = (
    ("dropped", "values dropped"),
    ("rejected_points", "points refused for good"),
    ("buffer_problems", "not kept as they should be"),
    ("adjusted", "kept under another name, label or series"),
    ("given_up", "not sent for their cost"),
)


def processes() -> list[ProcessesHealth]:
    """Of every service that ran on this machine within a day, the newest first."""
    from ..monitor.published_health import published

    return published(settings().monitoring.buffer_dir)


def lines(one: ProcessesHealth) -> Iterator[str]:
    """What is to be said of one service; the first line says who sends."""
    health = one.health
    sender = f"process {one.writer_pid} sends" if one.writer_pid is not None else "no process runs"
    to = f" to {health['sink']}" if one.writer_pid is not None and health.get("sink") else ""
    files = f"{one.files} file{'s' if one.files != 1 else ''}, {one.bytes / 1e6:.1f} MB"
    yield f"{sender}{to}; {files}"
    if not health:
        yield "how it is was never said: it did not run for ten seconds, or its version is older"
        return
    yield _sent(one)
    for name, what in _LOSSES:
        if health.get(name):
            yield f"{what}: {_counts(health[name])}"
    if one.lost or one.set_aside:
        yield f"found damaged: {_counts(one.lost) or 'nothing lost'}; {one.set_aside} files set aside"
    if health.get("buffer") == "heap":
        yield "values are kept in memory, where a kill loses them"
    if health.get("monthly_cost_usd") is not None:
        yield f"costs {health['monthly_cost_usd']:.2f} USD a month at list price, below the limit"
    if health.get("store_failures"):
        yield f"incidents could not be kept {health['store_failures']} times"
    if health.get("notifications"):
        yield f"notifications: {_counts(health['notifications'])}"


def _sent(one: ProcessesHealth) -> str:
    health = one.health
    age = health.get("last_success_age_s")
    last = "nothing was sent yet"
    if age is not None:
        last = f"last sent {_ago(age + (one.age_s or 0.0))}"
    series = f"all processes together: {one.values:,} values in {one.series:,} series, {last}"
    unsent = health.get("deferred_points")
    return f"{series}; {unsent:,} points had to come again" if unsent else series


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{reason} {number:,}" for reason, number in counts.items())


def _ago(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s ago"
    return f"{seconds / 60:.0f} min ago" if seconds < 7200 else f"{seconds / 3600:.0f} h ago"
