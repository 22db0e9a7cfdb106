"""Text that is safe to show: escaped, bounded and in words."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable
from datetime import UTC, datetime

SHOWN_CHARACTERS = 300
"""Of one name or sentence: what comes from a request must not make a page of megabytes."""

_REPLACED = {code: "\ufffd" for code in (*range(0x20), *range(0x7F, 0xA0)) if code not in (0x09, 0x0A)}
# Overrides of the writing direction would show a name as another one.
_REPLACED |= dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A)), "\ufffd")


def clipped(text: str, limit: int = SHOWN_CHARACTERS) -> str:
    """At most ``limit`` characters, without control characters and lone surrogates."""
    clean = text[: limit + 1].translate(_REPLACED).encode("utf-8", "replace").decode("utf-8")
    return clean if len(text) <= limit else f"{clean[:limit]}… ({len(text):,} characters)"


def escaped(text: object, limit: int = SHOWN_CHARACTERS) -> str:
    """Any value as text of an HTML element or of a quoted attribute."""
    return html.escape(clipped(str(text), limit), quote=True)


def milliseconds(value: float) -> str:
    """A duration with three significant figures, in the unit that reads best."""
    if not math.isfinite(value):
        return "not known"
    size = abs(value)
    if size >= 60_000:
        return f"{value / 60_000:.1f} min"
    if size >= 1000:
        return f"{value / 1000:.2f} s"
    if size >= 100 or value == 0:
        return f"{value:.0f} ms"
    if size >= 10:
        return f"{value:.1f} ms"
    return f"{value:.2f} ms" if size >= 0.1 else f"{value * 1000:.2f} µs"


def percent(ratio: float, *, sign: bool = False) -> str:
    """A ratio in percent: ``0.25`` is ``25 %``."""
    if not math.isfinite(ratio):
        return "not known"
    digits = 0 if abs(ratio) >= 0.1 or ratio == 0 else 1
    return f"{ratio * 100:{'+' if sign else ''},.{digits}f} %"


def at(unix_ns: int, *, date: bool = False) -> str:
    """A moment in UTC; a time beyond the calendar is shown as the number it is."""
    try:
        moment = datetime.fromtimestamp(unix_ns / 1e9, UTC)
    except (OverflowError, ValueError, OSError):
        return str(unix_ns)
    return moment.strftime("%Y-%m-%d %H:%M:%S" if date else "%H:%M:%S")


def sure(probability: float) -> str:
    """A probability in words, so that 0.7 does not read as a finding."""
    for least, words in (
        (0.99, "almost certain"),
        (0.95, "very likely"),
        (0.8, "likely"),
        (0.6, "more likely than not"),
        (0.4, "as likely as not"),
        (0.2, "rather unlikely"),
        (0.05, "unlikely"),
    ):
        if probability >= least:
            return words
    return "very unlikely"


def probability(value: float) -> str:
    """A probability in percent that never claims to be 0 or 1."""
    if not math.isfinite(value):
        return "not known"
    if value > 0.999:
        return "over 99.9 %"
    if value < 0.001:
        return "under 0.1 %"
    return f"{value * 100:.1f} %"


def sentences(parts: Iterable[str]) -> str:
    """Parts joined by a middle dot; empty ones are left out."""
    return " · ".join(part for part in parts if part)
