"""What an incident shows beside its value: the series around it, what ran, a profile, what changed before.

Everything comes from this process and its store; what is not known is left out, never guessed. It is
collected when an incident opens and when it closes, so that looking costs next to nothing meanwhile.
"""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict, deque
from collections.abc import Mapping
from datetime import UTC, datetime

from ..export.catalog import (
    ENVIRONMENT,
    OPERATION,
    OPERATION_COUNT,
    OPERATION_DURATION,
    SERVICE,
    STATUS,
    STATUS_ERROR,
)
from ..export.limits import Complaints
from ..export.redaction import redact
from ..model.alert import PerformanceAlert, PerformanceIncident
from ..model.evidence import IncidentEvidence, OperationInWindow, SuspectedChange
from ..model.series import Distribution
from ..operations import recorders
from .history import History, merged, quantile
from .kinds import RESPONSE_TIME
from .records import MonitorRecords

SECOND_NS = 1_000_000_000
KEPT_LOOKS = 30
"""Values before an incident: five minutes of looks."""

MAX_SERIES = 120
"""Points of an incident's series; of a longer one the middle is thinned out."""

MAX_OPERATIONS = 5
MAX_CALLS = 3
RECENT_NS = 24 * 3600 * SECOND_NS
"""A release is suspected of what begins within a day of it."""

FAR_RATIO = 1.25
"""Of the baseline: what is nearer to it is no finding."""


class EvidenceCollector:
    """Remembers the last values of every alert, and collects the evidence of an incident.

    Args:
        version: of the program that runs, "" where it is not known.
    """

    def __init__(
        self, records: MonitorRecords, history: History, complaints: Complaints, *, version: str
    ) -> None:
        self._records = records
        self._history = history
        self._complaints = complaints
        self._version = version
        self._values: dict[str, deque[tuple[int, Mapping[str, float]]]] = defaultdict(
            lambda: deque(maxlen=KEPT_LOOKS)
        )
        self._errors: deque[tuple[int, Mapping[str, Counter[str]]]] = deque(maxlen=KEPT_LOOKS)

    def watched(self, alert: PerformanceAlert, now_ns: int) -> None:
        """Note which version of the service runs, so that a change of it is known later."""
        if self._version:
            self._records.note_version(alert.service_name, alert.environment, self._version, now_ns)

    def looked(self, now_ns: int) -> None:
        """Take in the error types as of now."""
        self._errors.append((now_ns, _error_types(self._complaints)))

    def seen(self, alert: PerformanceAlert, values: Mapping[str, float], now_ns: int) -> None:
        """Take in what was looked at now."""
        self._values[alert.name].append((now_ns, values))

    def forget(self, alert_name: str) -> None:
        self._values.pop(alert_name, None)

    def clear(self) -> None:
        """Start anew, as the child of a fork does."""
        self._values.clear()
        self._errors.clear()

    def opened(self, alert: PerformanceAlert, incident: PerformanceIncident) -> PerformanceIncident:
        """The incident with its evidence."""
        at_ns = incident.opened_unix_ns
        evidence = IncidentEvidence(
            series=self._series(incident),
            operations=tuple(self._operations(alert, incident.operation, at_ns)),
            profile_key=self._records.profile_key(at_ns - alert.alignment_s * SECOND_NS, at_ns),
            repeated_calls=tuple(_repeated_calls(incident.operation)),
            changes=tuple(self._changes(alert, incident)),
        )
        return dataclasses.replace(incident, evidence=evidence)

    def closed(self, incident: PerformanceIncident) -> PerformanceIncident:
        """The incident with the rest of its series, and the profile that was taken while it was open."""
        evidence = incident.evidence or IncidentEvidence()
        known = dict(evidence.series) | dict(self._series(incident))
        profile = evidence.profile_key
        if profile is None:
            until_ns = incident.closed_unix_ns or incident.opened_unix_ns
            profile = self._records.profile_key(incident.opened_unix_ns, until_ns)
        evidence = dataclasses.replace(evidence, series=_thinned(known), profile_key=profile)
        return dataclasses.replace(incident, evidence=evidence)

    def _series(self, incident: PerformanceIncident) -> tuple[tuple[int, float], ...]:
        looks = self._values.get(incident.alert_name, ())
        return tuple(
            (at_ns, values[incident.operation]) for at_ns, values in looks if incident.operation in values
        )

    def _operations(self, alert: PerformanceAlert, own: str, now_ns: int) -> list[OperationInWindow]:
        """The incident's operation first, then the slowest others of the service."""
        counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        durations: dict[str, list[Distribution]] = defaultdict(list)
        for metric in (OPERATION_COUNT, OPERATION_DURATION):
            for labels, value in self._history.increases(metric.name, alert.alignment_s):
                found = dict(labels)
                if (found.get(SERVICE), found.get(ENVIRONMENT)) != (alert.service_name, alert.environment):
                    continue
                operation = found.get(OPERATION, "")
                if isinstance(value, Distribution):
                    durations[operation].append(value)
                else:
                    counts[operation][0] += int(value)
                    counts[operation][1] += int(value) if found.get(STATUS) == STATUS_ERROR else 0
        types = self._types_since(now_ns - alert.alignment_s * SECOND_NS)
        made = []
        for operation, (count, errors) in counts.items():
            whole = merged(durations[operation])
            p95 = quantile(whole, 0.95) if whole is not None else None
            made.append(
                OperationInWindow(
                    operation=operation,
                    count=count,
                    errors=errors,
                    p95_ms=p95,
                    error_types=dict(types.get(operation, {})),
                )
            )
        made.sort(key=lambda one: (one.operation != own, -(one.p95_ms or 0.0), one.operation))
        return [one for one in made if one.count][:MAX_OPERATIONS]

    def _types_since(self, since_ns: int) -> dict[str, Counter[str]]:
        """Error types that were counted after that time."""
        if not self._errors:
            return {}
        newest = self._errors[-1][1]
        before = next((types for at_ns, types in reversed(self._errors) if at_ns <= since_ns), {})
        return {name: types - before.get(name, Counter()) for name, types in newest.items()}

    def _changes(self, alert: PerformanceAlert, incident: PerformanceIncident) -> list[SuspectedChange]:
        made = []
        release = self._records.last_release(alert.service_name, alert.environment)
        if release is not None and 0 <= incident.opened_unix_ns - release.at_unix_ns <= RECENT_NS:
            minutes = (incident.opened_unix_ns - release.at_unix_ns) / 60e9
            made.append(
                SuspectedChange(
                    kind="release",
                    text=f"{release.version} replaced {release.previous} {minutes:.0f} minutes before",
                    at_unix_ns=release.at_unix_ns,
                )
            )
        if alert.condition == RESPONSE_TIME and incident.operation:
            made += self._against_baseline(alert, incident)
        return made

    def _against_baseline(
        self, alert: PerformanceAlert, incident: PerformanceIncident
    ) -> list[SuspectedChange]:
        baseline = self._records.baseline(incident.operation)
        samples = sorted(baseline.samples_ms) if baseline is not None else []
        if baseline is None or not samples:
            return []
        q = alert.quantile or 0.95
        then = samples[min(int(q * len(samples)), len(samples) - 1)]
        if then <= 0 or incident.current_value < FAR_RATIO * then:
            return []
        day = datetime.fromtimestamp(baseline.created_unix_ns / 1e9, UTC).date()
        times = f"{incident.current_value / then:.1f} times"
        text = f"p{q * 100:g} is {times} the baseline's {then:.4g} ms of {day}"
        return [SuspectedChange(kind="baseline", text=text, at_unix_ns=baseline.created_unix_ns)]


def _error_types(complaints: Complaints) -> dict[str, Counter[str]]:
    """Of every operation of this process, since it started."""
    found: dict[str, Counter[str]] = {}
    for recorder in recorders():
        try:
            failing = [one for one in recorder.snapshots() if one.error_types]
        except Exception as error:  # noqa: BLE001 - a broken recorder must not stop the evaluation
            complaints.add("recorder", "error types are missing: %s: %s", type(error).__name__, error)
            continue
        for snapshot in failing:
            found.setdefault(redact(snapshot.name), Counter()).update(snapshot.error_types)
    return found


def _repeated_calls(operation: str) -> list[str]:
    """Calls that are made again and again within one execution: what N+1 queries leave."""
    found = [
        (call.duration_ns, f"up to {call.most} calls of {call.kind} in {call.function}")
        for recorder in recorders()
        for call in recorder.repeated_calls()
        if redact(call.operation) == operation
    ]
    return [text for _, text in sorted(found, reverse=True)[:MAX_CALLS]]


def _thinned(known: Mapping[int, float]) -> tuple[tuple[int, float], ...]:
    points = sorted(known.items())
    while len(points) > MAX_SERIES:
        middle = points[KEPT_LOOKS:-KEPT_LOOKS]
        points = points[:KEPT_LOOKS] + middle[::2] + points[-KEPT_LOOKS:]
    return tuple(points)
