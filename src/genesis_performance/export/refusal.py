"""Read which series of a CreateTimeSeries call were refused, and whether they may succeed later.

The call's error carries a ``CreateTimeSeriesSummary`` with counts only; the series are named in the message,
as ``timeSeries[0-2,5]``. Forms seen, joined by ``; ``::

    timeSeries[0-2] (example metric.type=…): write for resource=… failed with: …
    Field timeSeries[3].points … had an invalid value: …: timeSeries[3]

Source: opentelemetry-operations-python#431, #255, opentelemetry-collector-contrib#31507.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ..errors import CloudError

_NAMED = re.compile(r"timeSeries\[(\d[\d,\- ]*)\]")
_TOO_SOON = re.compile(
    r"(?i)written more frequently|more recent than any other point|older end time|written in order"
)
_TRANSIENT = re.compile(_TOO_SOON.pattern + r"|internal error|retry after|try again")


def is_too_soon(text: str) -> bool:
    """Whether the words say that a later point would be taken: somebody else has written the series."""
    return _TOO_SOON.search(text) is not None


@dataclass(frozen=True, slots=True)
class Reason:
    """Why one series was refused."""

    text: str
    is_transient: bool


@dataclass(frozen=True, slots=True)
class Refusal:
    """The part of a call that was refused; the rest was written."""

    reasons: Mapping[int, Reason]  # index in the call -> why
    unnamed: int  # points refused that the message does not name
    summary: str


def refusal(error: CloudError, count: int) -> Refusal | None:
    """What the error says about ``count`` series; None when it has no summary: then none was written."""
    summary = next((d for d in error.details if hasattr(d, "success_point_count")), None)
    if summary is None:
        return None
    reasons = named(str(error), count)
    failed = count - min(summary.success_point_count, count)
    return Refusal(reasons=reasons, unnamed=max(failed - len(reasons), 0), summary=str(error))


def named(message: str, count: int) -> dict[int, Reason]:
    """Every series below ``count`` that the message names."""
    reasons: dict[int, Reason] = {}
    for part in message.split("; "):
        why = part.rpartition(" failed with: ")[2]  # what stands before is one series' own
        for match in _NAMED.finditer(part):
            for index in _indices(match.group(1)):
                if index < count:
                    reasons.setdefault(index, Reason(why, bool(_TRANSIENT.search(why))))
    return reasons


def _indices(text: str) -> Iterator[int]:
    for run in text.replace(" ", "").split(","):
        first, _, last = run.partition("-")
        if first.isdigit() and (last.isdigit() or not last):
            yield from range(int(first), min(int(last or first), int(first) + 200) + 1)
