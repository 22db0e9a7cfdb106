"""Times as text: RFC 3339 for fields and JSON, and the form that storage errors use."""

from __future__ import annotations

from datetime import UTC, datetime

_FIRST_S = -62135596800  # year 1
_LAST_S = 253402300799  # year 9999


def rfc3339(time_ns: int) -> str:
    """``2026-11-23T10:00:00Z``, with as many fraction digits as are needed: 0, 3, 6 or 9."""
    seconds, nanos = divmod(time_ns, 1_000_000_000)
    if not _FIRST_S <= seconds <= _LAST_S:
        return f"{seconds} s since 1970"
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    # strftime leaves leading zeros of the year out on some platforms.
    text = text.rjust(19, "0")
    if nanos == 0:
        return f"{text}Z"
    for digits, unit in ((3, 1_000_000), (6, 1_000)):
        if nanos % unit == 0:
            return f"{text}.{nanos // unit:0{digits}d}Z"
    return f"{text}.{nanos:09d}Z"


def display(time_ns: int) -> str:
    """``2025/10/05-06:03:53.004``, as storage errors show a time."""
    seconds, nanos = divmod(time_ns, 1_000_000_000)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y/%m/%d-%H:%M:%S")
    return f"{text}.{nanos // 1_000_000:03d}"


def span(duration_ns: int) -> str:
    """``189h27m56s``, as refusals show how far away a time is."""
    seconds = abs(duration_ns) // 1_000_000_000
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    if hours:
        return f"{hours}h{minutes}m{seconds}s"
    return f"{minutes}m{seconds}s" if minutes else f"{seconds}s"


def is_valid(timestamp_seconds: int, nanos: int) -> bool:
    """Whether a protobuf Timestamp is in its documented range."""
    return _FIRST_S <= timestamp_seconds <= _LAST_S and 0 <= nanos < 1_000_000_000
