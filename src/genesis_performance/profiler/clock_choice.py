"""Which clock explains a session."""

from __future__ import annotations

from ..frames import clock_column, totals
from ..model.profile import ProfileReport

BUSY = 0.1
"""Of one core: a program that used less waited, and is explained by wall time."""


def hottest_clock(report: ProfileReport) -> str:
    """``"cpu"``, or ``"wall"`` for a session that mostly waited."""
    stacks = report.stacks
    if stacks is None or not stacks.records:
        return "cpu"
    cpu_ns = totals(stacks)[clock_column(stacks, "cpu")]
    return "cpu" if cpu_ns >= BUSY * report.duration_s * 1e9 else "wall"
