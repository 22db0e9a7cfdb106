"""Incidents that Cloud Monitoring opened for our policies, from its REST list of alerts.

There is no gRPC method for them, and no way to close one: they are read, kept and shown beside the local
ones. An incident that both sides opened for one alert and operation is one incident.

Source: https://cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.alerts
"""

from __future__ import annotations

import dataclasses
import logging
import math
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from ..errors import GenesisPerformanceError
from ..export.catalog import OPERATION
from ..export.limits import Complaints
from ..model.alert import IncidentState, PerformanceAlert, PerformanceIncident
from .kinds import worse
from .measurement import measure
from .policy import ALERT_LABEL, MANAGED_BY
from .records import MonitorRecords

log = logging.getLogger(__name__)

SYNC_TIMEOUT_S = 5.0
SYNC_EVERY_S = 10.0
"""Asked at most so often without being told to: the list is no stream."""

SOURCE = "cloud_monitoring"
OPEN = "OPEN"


class CloudIncidents:
    """Incidents of our alerts in one project.

    Args:
        alerts: the alerts of this process, asked at each sync.
        prefix: of the metrics, to read the value of an incident.
    """

    def __init__(
        self,
        project: str,
        prefix: str,
        *,
        alerts: Callable[[], Iterable[PerformanceAlert]],
        records: MonitorRecords,
        complaints: Complaints,
        monotonic: Callable[[], float],
        unix_ns: Callable[[], int],
    ) -> None:
        self.project = project
        self._prefix = prefix
        self._alerts = alerts
        self._records = records
        self._complaints = complaints
        self._monotonic = monotonic
        self._unix_ns = unix_ns
        self._lock = threading.RLock()
        self._asked_at = -math.inf
        self._kept: dict[str, PerformanceIncident] = {}  # by the alert's resource name

    def try_sync(self) -> None:
        """Sync unless that was done a moment ago; a failure is logged, not raised."""
        if self._monotonic() - self._asked_at < SYNC_EVERY_S:
            return
        try:
            self.sync()
        except GenesisPerformanceError as error:
            self._complaints.add(
                "sync failed",
                "Cloud Monitoring's incidents could not be read, the local ones are shown: %s",
                error,
            )

    def sync(self) -> None:
        """Read the list and keep what changed.

        Raises:
            CloudError: it could not be read.
        """
        self._asked_at = self._monotonic()
        ours = {alert.resource_name: alert for alert in self._alerts() if alert.resource_name}
        if not ours:
            return
        read = [
            (found, alert)
            for found in listed(self.project, timeout_s=SYNC_TIMEOUT_S)
            if (alert := ours.get(_text(found.get("policy"), "name"))) is not None
        ]
        open_now = {alert.name: alert for found, alert in read if _text(found, "state") == OPEN}
        measured = {name: self._measured(alert) for name, alert in open_now.items()}
        with self._lock:
            for found, alert in read:
                self._take(found, alert, measured.get(alert.name, {}))

    def merged(self, local: list[PerformanceIncident]) -> list[PerformanceIncident]:
        """The local incidents, and the open ones of Cloud Monitoring that have no local twin."""
        twins = {(one.alert_name, one.operation) for one in local}
        with self._lock:
            theirs = [one for one in self._kept.values() if one.is_open]
        others = [one for one in theirs if (one.alert_name, one.operation) not in twins]
        return sorted([*local, *others], key=lambda one: (one.opened_unix_ns, one.id))

    def acknowledged(self, incident: PerformanceIncident) -> None:
        """Show it as acknowledged; Cloud Monitoring's API has no way to tell it."""
        with self._lock:
            if incident.id in self._kept:
                self._kept[incident.id] = incident

    def after_fork_in_child(self) -> None:
        self._lock = threading.RLock()

    def _take(self, found: Mapping[str, Any], alert: PerformanceAlert, values: Mapping[str, float]) -> None:
        name = _text(found, "name")
        known = self._kept.get(name)
        is_open = _text(found, "state") == OPEN
        if known is None and not is_open and not self._is_recent(found):
            return
        incident = known or _incident(name, found, alert, self._unix_ns())
        if is_open:
            value = values.get(incident.operation, math.nan)
            if not math.isnan(value):
                known_worst = incident.worst_value
                worst = value if math.isnan(known_worst) else worse(alert, value, known_worst)
                incident = dataclasses.replace(incident, current_value=value, worst_value=worst)
        elif incident.is_open:
            at_ns = _time_ns(found.get("closeTime")) or self._unix_ns()
            incident = dataclasses.replace(
                incident,
                state=IncidentState.CLOSED,
                closed_unix_ns=at_ns,
                timeline=(*incident.timeline, (at_ns, "closed by Cloud Monitoring")),
            )
        if incident != known:
            self._kept[name] = incident
            self._records.put_incident(incident)

    def _is_recent(self, found: Mapping[str, Any]) -> bool:
        """Opened and closed between two looks: worth a record; last month's is not."""
        closed_ns = _time_ns(found.get("closeTime"))
        return closed_ns is not None and closed_ns > self._unix_ns() - 3_600_000_000_000

    def _measured(self, alert: PerformanceAlert) -> Mapping[str, float]:
        """The newest values of the condition by operation; the list has none."""
        try:
            return measure(
                self.project, self._prefix, alert, now_unix_ns=self._unix_ns(), timeout_s=SYNC_TIMEOUT_S
            )
        except GenesisPerformanceError as error:
            log.debug("the values of incidents could not be read: %s", error)
            return {}


def listed(
    project: str, *, timeout_s: float | None = None, only_open: bool = False
) -> Iterator[Mapping[str, Any]]:
    """Every alert (the API's word for an incident) of the project.

    Raises:
        CloudError: the list could not be read.
    """
    from ..gcp.rest import get

    parameters = {"pageSize": "1000"}
    if only_open:
        parameters["filter"] = 'state="OPEN"'
    while True:
        page = get("alert_policies", f"v3/projects/{project}/alerts", parameters, timeout_s=timeout_s)
        yield from page.get("alerts", ())
        token = page.get("nextPageToken")
        if not token:
            return
        parameters = {**parameters, "pageToken": str(token)}


def summaries(project: str) -> Iterator[PerformanceIncident]:
    """The incidents of every policy of ours in the project, without their values: for the command line.

    Raises:
        CloudError: the list could not be read.
    """
    for found in listed(project):
        policy = found.get("policy")
        labels = policy.get("userLabels") if isinstance(policy, Mapping) else None
        if _text(labels, MANAGED_BY[0]) != MANAGED_BY[1]:
            continue
        opened_ns = _time_ns(found.get("openTime")) or 0
        is_open = _text(found, "state") == OPEN
        yield PerformanceIncident(
            id=_text(found, "name"),
            alert_name=_text(labels, ALERT_LABEL),
            service_name="",
            operation=_operation(found),
            state=IncidentState.OPEN if is_open else IncidentState.CLOSED,
            current_value=math.nan,
            worst_value=math.nan,
            threshold=math.nan,
            unit="",
            opened_unix_ns=opened_ns,
            closed_unix_ns=None if is_open else _time_ns(found.get("closeTime")),
            source=SOURCE,
            summary=_text(policy, "displayName"),
        )


def _operation(found: Mapping[str, Any]) -> str:
    metric = found.get("metric")
    return _text(metric.get("labels") if isinstance(metric, Mapping) else None, OPERATION)


def _incident(
    name: str, found: Mapping[str, Any], alert: PerformanceAlert, now_ns: int
) -> PerformanceIncident:
    operation = _operation(found)
    opened_ns = _time_ns(found.get("openTime")) or now_ns
    return PerformanceIncident(
        id=name,
        alert_name=alert.name,
        service_name=alert.service_name,
        operation=operation,
        state=IncidentState.OPEN,
        current_value=math.nan,
        worst_value=math.nan,
        threshold=alert.threshold,
        unit=alert.unit,
        opened_unix_ns=opened_ns,
        source=SOURCE,
        summary=f"{operation or alert.service_name} ({alert.environment}): {alert.display_name}",
        timeline=((opened_ns, "opened by Cloud Monitoring"),),
    )


def _text(value: object, key: str) -> str:
    text = value.get(key) if isinstance(value, Mapping) else None
    return text if isinstance(text, str) else ""


def _time_ns(text: object) -> int | None:
    if not isinstance(text, str) or not text:
        return None
    try:
        return round(datetime.fromisoformat(text).timestamp() * 1e9)
    except ValueError:
        return None
