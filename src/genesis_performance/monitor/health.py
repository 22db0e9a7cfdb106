"""What the monitor knows about itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from ..export.exporter import ExportCounts
from .pipeline import Pipeline

LOST = frozenset(
    {
        "closed",
        "counter can not fall",
        "failed",
        "kind conflict",
        "name refused",
        "too many metrics",
        "value is no number",
        "value not finite",
    }
)
"""Reasons for which a recorded value is dropped."""

ADJUSTED = frozenset(
    {
        "label key refused",
        "label refused",
        "label value cut",
        "labels refused",
        "name changed",
        "operation folded",
        "series folded",
    }
)
"""Reasons for which a value is kept under another name, label or series."""


KEPT = frozenset(
    {
        "buffer full",
        "damaged file",
        "file removed",
        "folder",
        "foreign file",
        "no file",
        "no folder",
        "pulse",
        "totals damaged",
    }
)
"""Reasons for which values do not survive a kill, or did not."""


class MonitorHealth(TypedDict):
    """Counts since the process started."""

    project: str | None  # None: local, or not asked yet
    sink: str  # "cloud_monitoring", "memory", "none"; "" before the first export
    recorded: int  # values
    dropped: dict[str, int]  # reason -> values lost
    adjusted: dict[str, int]  # reason -> values kept with another name, label or series
    series: int  # started by this process, of at most monitoring.max_series
    exported_points: int
    deferred_points: int  # not delivered by one write, made up for by a later one
    rejected_points: dict[str, int]  # reason -> points refused for good
    export_failures: int
    last_error: str | None
    last_success_age_s: float | None  # None: nothing was exported yet
    buffer: str  # "mapped", or "heap": lost with the process
    buffer_problems: dict[str, int]  # what went wrong with the files -> times
    buffer_files: int  # of all processes that share the series
    buffer_bytes: int
    buffer_lost: dict[str, int]  # what was found damaged, since the folder was made
    is_writer: bool  # whether this process sends; of those that share their series, one does
    writer_pid: int | None  # None: nobody at the moment
    store_failures: int  # incidents that could not be kept in the history store
    alerts: int
    monthly_cost_usd: float | None  # of what is sent, at list price; None without monitoring.max_monthly_cost
    given_up: dict[
        str, int
    ]  # for its cost: of how many buckets one was made, operations and metrics left out
    notifications: dict[str, int]  # what became of them -> how many; none without a channel


def of(
    complaints: Mapping[str, int],
    pipeline: Pipeline | None = None,
    *,
    project: str | None,
    store_failures: int = 0,
    alerts: int = 0,
    notifications: Mapping[str, int] | None = None,
) -> MonitorHealth:
    """The health of a monitor and its pipeline; without one, that of a monitor not used yet."""
    counts = pipeline.exporter.counts if pipeline is not None else ExportCounts()
    age_s = None
    if pipeline is not None and counts.last_success_unix_ns is not None:
        age_s = max((pipeline.clock.unix_ns() - counts.last_success_unix_ns) / 1e9, 0.0)
    shared = pipeline.shared_health() if pipeline is not None else None
    return MonitorHealth(
        project=project,
        sink=pipeline.sink_name if pipeline is not None else "",
        recorded=pipeline.buffer.recorded if pipeline is not None else 0,
        dropped={reason: count for reason, count in complaints.items() if reason in LOST},
        adjusted={reason: count for reason, count in complaints.items() if reason in ADJUSTED},
        series=pipeline.budget.used if pipeline is not None else 0,
        exported_points=counts.exported,
        deferred_points=counts.deferred,
        rejected_points=dict(counts.rejected),
        export_failures=counts.failures,
        last_error=counts.last_error,
        last_success_age_s=age_s,
        buffer="heap" if shared is None else "mapped",
        buffer_problems={reason: count for reason, count in complaints.items() if reason in KEPT},
        buffer_files=shared.files if shared is not None else 0,
        buffer_bytes=shared.bytes if shared is not None else 0,
        buffer_lost=dict(shared.lost) if shared is not None else {},
        is_writer=pipeline.is_writer if pipeline is not None else False,
        writer_pid=(shared.writer_pid or None) if shared is not None else None,
        store_failures=store_failures,
        alerts=alerts,
        monthly_cost_usd=pipeline.cost_cap.usd if pipeline is not None else None,
        given_up=pipeline.cost_cap.given_up if pipeline is not None else {},
        notifications=dict(notifications or {}),
    )
