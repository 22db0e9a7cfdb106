"""What a channel tells, and how it reads: redacted, because a receiver may be anybody's.

Operation names are redacted when they are exported; here they are once more, so that no path leaves them out.
File names, call sites and exception texts stay here: a reader finds them in the incident.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ...export.redaction import redact
from ...model.alert import PerformanceIncident

OPENED, REOPENED, CLOSED, DIGEST = "opened", "reopened", "closed", "digest"

MAX_LISTED = 20
"""Notifications that a digest names; the rest it counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One thing to tell.

    Args:
        event: OPENED, REOPENED or CLOSED with an incident, DIGEST with what was held back.
        is_late: an earlier process should have told it.
    """

    event: str
    at_unix_ns: int
    incident: PerformanceIncident | None = None
    held: tuple[Notification, ...] = ()
    severity: str = "WARNING"
    is_late: bool = False

    @property
    def key(self) -> str:
        """The same for the same thing, so that a receiver can leave out what it has been told."""
        if self.incident is None:
            return f"{self.event}/{self.at_unix_ns}"
        times = len(self.incident.timeline)  # it may close and open again
        return f"{_safe_id(self.incident)}/{self.event}/{times}"


def body(notification: Notification) -> dict[str, Any]:
    """The notification as JSON."""
    made: dict[str, Any] = {
        "schema_version": 1,
        "event": notification.event,
        "key": notification.key,
        "at_unix_s": notification.at_unix_ns / 1e9,
        "severity": notification.severity,
        "late": notification.is_late,
        "text": text(notification),
    }
    if notification.incident is not None:
        made["incident"] = _incident(notification.incident)
    if notification.event == DIGEST:
        made["held_back"] = len(notification.held)
        made["notifications"] = [
            {"event": one.event, "key": one.key, "text": text(one)} for one in notification.held[:MAX_LISTED]
        ]
    return made


def as_json(notification: Notification) -> bytes:
    return json.dumps(body(notification), separators=(",", ":"), allow_nan=False).encode()


def as_slack(notification: Notification) -> bytes:
    """What Slack's incoming webhooks take; ``&``, ``<`` and ``>`` are its control characters.

    Source: https://docs.slack.dev/messaging/formatting-message-text/
    """
    lines = [text(notification)]
    if notification.event == DIGEST:
        lines += [f"- {text(one)}" for one in notification.held[:MAX_LISTED]]
        if len(notification.held) > MAX_LISTED:
            lines.append(f"and {len(notification.held) - MAX_LISTED} more")
    said = "\n".join(lines)
    for character, escaped in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        said = said.replace(character, escaped)
    return json.dumps({"text": said}).encode()


def text(notification: Notification) -> str:
    """One line for people."""
    if not notification.is_late:
        return _text(notification)
    at = datetime.fromtimestamp(notification.at_unix_ns / 1e9, UTC)
    return f"{_text(notification)}, told late: of {at:%Y-%m-%d %H:%M} UTC"


def _text(notification: Notification) -> str:
    incident = notification.incident
    if incident is None:
        number = len(notification.held)
        return f"{number} notification{'s' if number != 1 else ''} held back in the last minute"
    of = redact(incident.service_name) or redact(incident.alert_name)
    if incident.operation:
        of = f"{redact(incident.operation)} of {of}"
    now, limit = _number(incident.current_value), _number(incident.threshold)
    worst = _number(incident.worst_value)
    if notification.event != CLOSED:
        head = f"[{notification.severity}{' again' if notification.event == REOPENED else ''}] {of}"
        limited = f"threshold {limit} {incident.unit}"
        return f"{head}: {now} {incident.unit}, {limited} ({redact(incident.alert_name)})"
    lasted_s = ((incident.closed_unix_ns or notification.at_unix_ns) - incident.opened_unix_ns) / 1e9
    return (
        f"[{notification.event}] {of}: {now} {incident.unit} after {lasted_s / 60:.0f} min, at worst {worst} "
        f"{incident.unit} ({redact(incident.alert_name)})"
    )


def _incident(incident: PerformanceIncident) -> dict[str, Any]:
    evidence = incident.evidence
    made: dict[str, Any] = {
        "id": _safe_id(incident),
        "alert": redact(incident.alert_name),
        "service": redact(incident.service_name),
        "operation": redact(incident.operation),
        "state": incident.state.value,
        "value": _finite(incident.current_value),
        "worst_value": _finite(incident.worst_value),
        "threshold": _finite(incident.threshold),
        "unit": incident.unit,
        "opened_unix_s": incident.opened_unix_ns / 1e9,
        "closed_unix_s": None if incident.closed_unix_ns is None else incident.closed_unix_ns / 1e9,
        "source": incident.source,
    }
    if evidence is not None:
        made["profile"] = evidence.profile_key
        made["suspected_changes"] = [redact_change(one.text) for one in evidence.changes]
        made["operations"] = [
            {
                "operation": redact(one.operation),
                "count": one.count,
                "errors": one.errors,
                "p95_ms": one.p95_ms,
            }
            for one in evidence.operations
        ]
    return made


def redact_change(said: str) -> str:
    """Numbers of ours stay in it; what redaction knows by its form does not."""
    return " ".join(
        word if word.rstrip("%.,;").replace(".", "").isdigit() else redact(word) for word in said.split()
    )


def _safe_id(incident: PerformanceIncident) -> str:
    operation = incident.operation
    return incident.id.replace(operation, redact(operation)) if operation else incident.id


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _number(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else "unknown"
