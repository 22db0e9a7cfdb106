"""What an incident rests on: the values around it, what ran meanwhile, and what may have caused it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationInWindow:
    """One operation in the window in which an incident opened."""

    operation: str
    count: int
    errors: int
    p95_ms: float | None  # of the exported buckets; None where nothing ended
    error_types: Mapping[str, int] = field(default_factory=dict)  # class names; of this process only


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspectedChange:
    """Something that changed shortly before, or how far from normal an operation is."""

    kind: str  # "release", "baseline"
    text: str
    at_unix_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentEvidence:
    """Collected when the incident opens; the series goes on until it closes."""

    series: tuple[tuple[int, float], ...] = ()  # (unix_ns, value in the incident's unit), the oldest first
    operations: tuple[OperationInWindow, ...] = ()  # the incident's own first, then the slowest
    profile_key: str | None = None  # of the stored profiling session that overlaps the window
    repeated_calls: tuple[str, ...] = ()  # "12 calls of secret read in checkout at app.py:31"
    changes: tuple[SuspectedChange, ...] = ()
