"""Weights that a file may hold: whole, and within 64 bits."""

from __future__ import annotations

import math

LARGEST = 2**63 - 1

TO_NANOSECONDS = {
    "nanoseconds": 1,
    "nanosecond": 1,
    "ns": 1,
    "microseconds": 1_000,
    "microsecond": 1_000,
    "us": 1_000,
    "milliseconds": 1_000_000,
    "millisecond": 1_000_000,
    "ms": 1_000_000,
    "seconds": 1_000_000_000,
    "second": 1_000_000_000,
    "s": 1_000_000_000,
}


def whole(value: object, factor: int = 1) -> int | None:
    """A number times a factor, rounded; ``None`` for what is no number or has no place in 64 bits."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float):
        if not math.isfinite(value) or abs(value) * factor > LARGEST:
            return None
        return round(value * factor)
    scaled = value * factor
    return scaled if abs(scaled) <= LARGEST else None
