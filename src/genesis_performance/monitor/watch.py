"""Watches the alerts of one monitor: looks at their windows, and keeps their incidents.

One alert and operation has one incident at a time, whoever looks: all processes that share their series share
their incidents through the store. One that is violated again soon after it closed is the same incident.
"""

from __future__ import annotations

import dataclasses
import os
import threading
from collections.abc import Callable, Mapping

from ..config import settings
from ..export.catalog import OPERATION
from ..export.process_series import ProcessSeries
from ..model.alert import Comparison, IncidentState, PerformanceAlert, PerformanceIncident
from ..model.series import Distribution, Series
from .burn_rate import Saved
from .channels.notification import CLOSED, OPENED, REOPENED, Notification
from .channels.notifier import Notifier
from .conditions import Readings
from .evaluation import MAX_TIMELINE, Evaluation, Key
from .incident_evidence import EvidenceCollector
from .kinds import ERROR_RATE, RESPONSE_TIME
from .pipeline import Pipeline
from .policy import RECORDED_RESPONSE_TIME
from .records import NEWEST, MonitorRecords, acknowledged

TICK_S = 10.0
"""How often the alerts are looked at, and how much longer than its alignment a window may be."""

SECOND_NS = 1_000_000_000
AGAIN_NS = 300 * SECOND_NS
"""What is violated again within so long of its end goes on: an incident that comes and goes is one."""

REFRESH_NS = 60 * SECOND_NS
"""How often the store is asked what other processes opened and closed."""

JUMP_NS = 5 * SECOND_NS
"""The clock and the time that passed differ by more: somebody set it, or the machine slept."""


class Watch:
    """Alerts and their open incidents.

    Args:
        notifier: told of every incident that opens and closes; None where nobody is to be told.
    """

    def __init__(self, pipeline: Pipeline, records: MonitorRecords, notifier: Notifier | None = None) -> None:
        self._pipeline = pipeline
        self._records = records
        self._notifier = notifier
        self._lock = threading.RLock()
        self._alerts: dict[str, PerformanceAlert] = {}
        self._process: ProcessSeries | None = None
        self._shares = pipeline.writer is not None
        self._readings = Readings(
            gauges=self._gauges,
            sent=self._sent,
            load_budget=records.budget,
            save_budget=self._save_budget,
            shares=self._shares,
            follows=self._follows,
        )
        self._evidence = EvidenceCollector(
            records,
            self._readings.history,
            pipeline.complaints,
            version=settings().profiler.service_version or "",
        )
        self._evaluation = Evaluation()
        self._name = os.urandom(8).hex()  # tells this process from others
        self._ended: dict[Key, PerformanceIncident] = {}  # a short while ago
        self._also: Callable[[], object] | None = None
        self._last: tuple[int, float] | None = None  # wall clock and monotonic time of the last look
        self._jumped: tuple[int, int] | None = None  # the last export before a jump, and how far it was
        self._refreshed_ns = self._told_ns = 0
        pipeline.restarts(self)

    @property
    def alerts(self) -> list[PerformanceAlert]:
        with self._lock:
            return list(self._alerts.values())

    def add(self, alert: PerformanceAlert, *, in_background: bool, also: Callable[[], object] | None) -> None:
        """Evaluate this alert from now on; one of the same name is replaced.

        Args:
            also: called after each evaluation in the background.
        """
        with self._lock:
            known = self._alerts.get(alert.name)
            self._alerts[alert.name] = alert
            if known is None:
                mine = [one for one in self._records.incidents() if one.alert_name == alert.name]
                mine = [one for one in mine if one.source == "local"]
                self._evaluation.adopt(mine)
                for one in reversed(mine):  # the newest last
                    if not one.is_open:
                        self._ended[one.alert_name, one.operation] = one
                now_ns = self._observe()  # so that the first window has a beginning
                self._evidence.watched(alert, now_ns)
        self._also = also
        if in_background:
            self._pipeline.look_regularly(self._tick, TICK_S)

    def close(self) -> None:
        """Stop looking in the background; what is open stays open in the store."""
        self._pipeline.stop_looking(self._tick)
        with self._lock:
            self._readings.save(self._pipeline.clock.unix_ns())

    def remove(self, name: str) -> PerformanceAlert | None:
        with self._lock:
            alert = self._alerts.pop(name, None)
            for incident in self._evaluation.drop(name, self._pipeline.clock.unix_ns()):
                self._records.put_incident(incident)
                self._tell(CLOSED, incident, alert)
            self._evidence.forget(name)
            return alert

    def look(self) -> list[PerformanceIncident]:
        """Evaluate every alert now; return what is open, the oldest first."""
        with self._lock:
            if not self._alerts:
                return []
            now_ns = self._observe()
            self._records.catch_up()
            if self._notifier is not None and abs(now_ns - self._told_ns) >= REFRESH_NS:
                self._told_ns = now_ns
                self._notifier.catch_up()
            self._refresh(now_ns)
            self._evidence.looked(now_ns)
            for alert in self._alerts.values():
                values = self._readings.values(alert)
                self._evidence.seen(alert, values, now_ns)
                before = dict(self._evaluation.open)
                for incident in self._evaluation.step(alert, self._news(alert, values), now_ns):
                    self._changed(alert, incident, before, now_ns)
            return sorted(self._evaluation.open.values(), key=lambda one: (one.opened_unix_ns, one.id))

    def acknowledge(self, incident_id: str, said: str) -> PerformanceIncident | None:
        """Note that somebody deals with an open incident; None when there is no such one."""
        now_ns = self._pipeline.clock.unix_ns()
        with self._lock:
            found = next((one for one in self._evaluation.open.values() if one.id == incident_id), None)
            known = found or self._records.incident(incident_id)
            if known is None or not known.is_open:
                return None
            if known.state is IncidentState.ACKNOWLEDGED:
                return known
            self._records.acknowledge(incident_id, now_ns, said)
            made = acknowledged(known, now_ns, said)
            if found is not None:
                self._evaluation.open[made.alert_name, made.operation] = made
            return made

    def after_fork_in_child(self) -> None:
        """The parent watches its own traffic; the child starts with a window of its own."""
        self._lock = threading.RLock()
        self._records.after_fork_in_child()
        self._readings.clear()
        self._evidence.clear()
        self._process = None
        self._evaluation = Evaluation()
        self._name = os.urandom(8).hex()
        self._ended.clear()
        self._last = self._jumped = None
        self._refreshed_ns = self._told_ns = 0

    def _tick(self) -> None:
        self.look()
        if self._also is not None:
            self._also()

    def _news(self, alert: PerformanceAlert, values: Mapping[str, float]) -> Mapping[str, float]:
        """Without operations that are bad and did not run since the last look.

        When traffic stops, the last executions of its window are few, and may look fine by chance.
        """
        bad = {operation for name, operation in self._evaluation.open if name == alert.name}
        if alert.condition not in {RESPONSE_TIME, ERROR_RATE} or not bad & values.keys():
            return values
        ran = {
            dict(labels).get(OPERATION)
            for metric in (alert.metric_name, RECORDED_RESPONSE_TIME)
            for labels, value in self._readings.history.increases(metric, TICK_S)
            if (value.count if isinstance(value, Distribution) else value)
        }
        return {operation: value for operation, value in values.items() if operation not in bad - ran}

    def _changed(
        self,
        alert: PerformanceAlert,
        incident: PerformanceIncident,
        before: dict[Key, PerformanceIncident],
        now_ns: int,
    ) -> None:
        key = (alert.name, incident.operation)
        opening, closing = "/".join(("opened", *key)), f"closed/{incident.id}/{len(incident.timeline)}"
        if not incident.is_open:
            incident = self._evidence.closed(incident)
            self._ended[key] = incident
            if self._other(closing, incident, now_ns) is None:
                self._records.put_incident(incident)
                self._tell(CLOSED, incident, alert)
                if self._shares:
                    self._records.unclaim(opening)
            return
        if key not in before:
            twin = self._twin(key)
            if twin is not None:
                incident = dataclasses.replace(
                    twin, current_value=incident.current_value, worst_value=incident.worst_value
                )
            else:
                event, incident = self._opened(alert, incident, now_ns)
                other = self._other(opening, incident, now_ns)
                if other is None:
                    self._tell(event, incident, alert)
                else:
                    incident = dataclasses.replace(incident, id=other)
            self._evaluation.open[key] = incident
        self._records.put_incident(incident)

    def _opened(
        self, alert: PerformanceAlert, incident: PerformanceIncident, now_ns: int
    ) -> tuple[str, PerformanceIncident]:
        """What is to be told, and the incident with its evidence or its history."""
        ended = self._ended_last((alert.name, incident.operation))
        if ended is not None and now_ns - _end(ended) < AGAIN_NS:
            return REOPENED, _again(alert, ended, incident, now_ns)
        return OPENED, self._evidence.opened(alert, incident)

    def _ended_last(self, key: Key) -> PerformanceIncident | None:
        """The one of this alert and operation that ended last, whichever process closed it."""
        found = [self._ended.pop(key)] if key in self._ended else []
        if self._shares:
            kept = (one for one in self._records.incidents(NEWEST) if one.source == "local")
            found += [one for one in kept if not one.is_open and (one.alert_name, one.operation) == key]
        return max(found, key=_end, default=None)

    def _other(self, what: str, incident: PerformanceIncident, now_ns: int) -> str | None:
        """The incident of another process that found so at the same moment, and tells; None without one."""
        if not self._shares:
            return None
        first = self._records.claim(what, self._name, incident.id, now_ns)
        return None if first is None or first[0] == self._name else first[1]

    def _twin(self, key: Key) -> PerformanceIncident | None:
        """The same incident, opened by another process meanwhile."""
        if not self._shares:
            return None
        found = self._records.open_incidents() or []
        return next((one for one in found if (one.alert_name, one.operation) == key), None)

    def _refresh(self, now_ns: int) -> None:
        """Take over what other processes that share our series opened, closed and acknowledged."""
        for key, one in list(self._evaluation.open.items()):
            if one.state is IncidentState.OPEN:
                found = self._records.acknowledgement(one.id)
                if found is not None:
                    self._evaluation.open[key] = acknowledged(one, *found)
        self._ended = {key: one for key, one in self._ended.items() if now_ns - _end(one) < AGAIN_NS}
        if not self._shares or abs(now_ns - self._refreshed_ns) < REFRESH_NS:
            return
        self._refreshed_ns = now_ns
        kept = self._records.open_incidents()
        if kept is None:
            return
        still = {one.id for one in kept}
        for key, one in list(self._evaluation.open.items()):
            if one.id not in still and not self._records.waits(one.id):
                del self._evaluation.open[key]
        self._evaluation.adopt(one for one in kept if one.alert_name in self._alerts)

    def _tell(self, event: str, incident: PerformanceIncident, alert: PerformanceAlert | None) -> None:
        if self._notifier is None:
            return
        now_ns = self._pipeline.clock.unix_ns()
        if any(mute.matches(incident, now_ns) for mute in self._records.mutes()):
            self._notifier.counts["muted"] += 1
            return
        severity = alert.severity if alert is not None else "WARNING"
        self._notifier.tell(
            Notification(event=event, at_unix_ns=now_ns, incident=incident, severity=severity)
        )

    def _observe(self) -> int:
        clock = self._pipeline.clock
        now_ns, monotonic = clock.unix_ns(), clock.monotonic()
        if self._last is not None:
            jump_ns = now_ns - self._last[0] - round((monotonic - self._last[1]) * SECOND_NS)
            if abs(jump_ns) > JUMP_NS:
                self._jump(jump_ns)
        self._last = (now_ns, monotonic)
        self._readings.observe(now_ns, self._pipeline.observe(now_ns), self._alerts.values(), 2 * TICK_S)
        return now_ns

    def _jump(self, by_ns: int) -> None:
        """The clock was set: windows keep their length, and how long anything lasted is measured anew."""
        self._pipeline.complaints.add("clock", "the clock jumped by %.0f s", by_ns / SECOND_NS)
        self._readings.shift(by_ns)
        is_open = list(self._evaluation.open.values())
        self._evaluation = Evaluation()
        self._evaluation.adopt(is_open)
        sent_ns = self._pipeline.exporter.counts.last_success_unix_ns
        if sent_ns is not None:
            earlier_ns = self._jumped[1] if self._jumped is not None and self._jumped[0] == sent_ns else 0
            self._jumped = (sent_ns, by_ns + earlier_ns)

    def _sent(self) -> int | None:
        """When the newest point that was taken was sent, by the clock as it is now."""
        if not self._pipeline.is_writer:  # another process sends, and notices when that fails
            return None
        sent_ns = self._pipeline.exporter.counts.last_success_unix_ns
        if sent_ns is not None and self._jumped is not None and self._jumped[0] == sent_ns:
            return sent_ns + self._jumped[1]
        return sent_ns

    def _follows(self) -> bool:
        """Whether another process looks, or did until it was killed."""
        if not self._shares or self._pipeline.is_writer:
            return False
        try:
            health = self._pipeline.shared_health()
        except OSError:  # the folder can not be read: nor is there anything of other processes to judge
            return False
        return health is not None and health.writer_pid != 0

    def _save_budget(self, service: str, environment: str, counts: Saved) -> None:
        if self._pipeline.is_writer:  # of those that share their series one looks regularly
            self._records.put_budget(service, environment, counts)

    def _gauges(self, now_ns: int) -> list[Series]:
        """CPU and memory now; nothing where a sandbox does not tell them."""
        if self._process is None:
            self._process = self._pipeline.process_series()
        try:
            return self._process.series(now_ns)
        except Exception as error:  # noqa: BLE001 - the other alerts go on
            self._pipeline.complaints.add(
                "process", "CPU and memory are not watched: %s: %s", type(error).__name__, error
            )
            return []


def _end(incident: PerformanceIncident) -> int:
    return incident.closed_unix_ns or 0


def _again(
    alert: PerformanceAlert, ended: PerformanceIncident, opened: PerformanceIncident, now_ns: int
) -> PerformanceIncident:
    """The incident that ended a moment ago, open once more."""
    worse = min if alert.comparison is Comparison.LESS else max
    return dataclasses.replace(
        ended,
        state=IncidentState.OPEN,
        closed_unix_ns=None,
        current_value=opened.current_value,
        worst_value=worse(ended.worst_value, opened.worst_value),
        timeline=(*ended.timeline, (now_ns, opened.timeline[-1][1].replace("opened", "opened again", 1)))[
            -MAX_TIMELINE:
        ],
    )
