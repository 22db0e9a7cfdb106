"""Open, keep and close incidents: one for each alert and operation, however often it is looked at.

An incident opens when its condition is met (``verdicts``), at the moment that its policy in Cloud Monitoring
does. It closes when the value is clearly within the threshold, or just within it for a whole window; values
that swing around the threshold do not flap. Without data it keeps its state, and closes after the policy's
``auto_close``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

from ..model.alert import Comparison, IncidentState, PerformanceAlert, PerformanceIncident
from .kinds import ABSENCE, quantity, violates, windows_s, worse
from .policy import auto_close_s, duration_text
from .verdicts import Verdicts

CLEARLY_RATIO = 0.75
"""Below this share of the threshold (above its inverse, for a lower limit) an incident closes at once."""

MAX_TIMELINE = 50
SECOND_NS = 1_000_000_000

Key = tuple[str, str]  # alert name and operation


@dataclasses.dataclass(slots=True)
class _State:
    fine_since_ns: int | None = None
    seen_ns: int = 0


class Evaluation:
    """Incidents of this process's alerts."""

    def __init__(self) -> None:
        self.open: dict[Key, PerformanceIncident] = {}
        self.verdicts = Verdicts()
        self._states: dict[Key, _State] = {}

    def adopt(self, incidents: Iterable[PerformanceIncident]) -> None:
        """Go on with incidents that an earlier process opened."""
        for incident in incidents:
            if incident.is_open:
                self.open.setdefault((incident.alert_name, incident.operation), incident)

    def step(
        self, alert: PerformanceAlert, values: Mapping[str, float], now_ns: int
    ) -> list[PerformanceIncident]:
        """Look at one alert's values; return the incidents that changed."""
        self.verdicts.step(alert, values, now_ns)
        changed = []
        known = {operation for name, operation in (*self._states, *self.open) if name == alert.name}
        for operation in sorted(known | values.keys()):
            key = (alert.name, operation)
            state = self._states.setdefault(key, _State(seen_ns=now_ns))
            value = values.get(operation)
            if value is None:
                after = self._without_data(alert, key, state, now_ns)
            elif violates(alert, value):
                after = self._violated(alert, key, state, value, now_ns)
            else:
                after = self._fine(alert, key, state, value, now_ns)
            if after is not None:
                changed.append(after)
        return changed

    def drop(self, alert_name: str, now_ns: int) -> list[PerformanceIncident]:
        """Close what is open of an alert that is deleted."""
        closed = [
            self._close(key, incident, "closed: the alert was deleted", now_ns)
            for key, incident in list(self.open.items())
            if key[0] == alert_name
        ]
        self._states = {key: state for key, state in self._states.items() if key[0] != alert_name}
        self.verdicts.forget(alert_name)
        return closed

    def _violated(
        self,
        alert: PerformanceAlert,
        key: Key,
        state: _State,
        value: float,
        now_ns: int,
    ) -> PerformanceIncident | None:
        incident = self.open.get(key)
        state.seen_ns, state.fine_since_ns = now_ns, None
        if incident is None:
            if not self.verdicts.is_met(*key):
                return None
            made = _opened(alert, key[1], value, now_ns)
            self.open[key] = made
            return made
        worst = worse(alert, value, incident.worst_value)
        if value == incident.current_value and worst == incident.worst_value:
            return None
        self.open[key] = dataclasses.replace(incident, current_value=value, worst_value=worst)
        return self.open[key]

    def _fine(
        self,
        alert: PerformanceAlert,
        key: Key,
        state: _State,
        value: float,
        now_ns: int,
    ) -> PerformanceIncident | None:
        incident = self.open.get(key)
        state.seen_ns = now_ns
        if state.fine_since_ns is None:
            state.fine_since_ns = now_ns
        if incident is None:
            return None
        incident = self.open[key] = dataclasses.replace(incident, current_value=value)
        for_a_window = now_ns - state.fine_since_ns >= windows_s(alert)[-1] * SECOND_NS
        if _is_clearly_fine(alert, value) or for_a_window:
            return self._close(key, incident, f"closed: {_said(alert, value)}", now_ns)
        return None

    def _without_data(
        self, alert: PerformanceAlert, key: Key, state: _State, now_ns: int
    ) -> PerformanceIncident | None:
        closes_after_s = auto_close_s(alert)
        if now_ns - state.seen_ns < closes_after_s * SECOND_NS:
            return None
        del self._states[key]
        self.verdicts.forget(*key)
        incident = self.open.get(key)
        if incident is None:
            return None
        return self._close(key, incident, f"closed: no data for {closes_after_s // 60} minutes", now_ns)

    def _close(self, key: Key, incident: PerformanceIncident, said: str, now_ns: int) -> PerformanceIncident:
        self.open.pop(key, None)
        return closed(incident, said, now_ns)


def closed(incident: PerformanceIncident, said: str, now_ns: int) -> PerformanceIncident:
    """The incident after its end."""
    return dataclasses.replace(
        incident,
        state=IncidentState.CLOSED,
        closed_unix_ns=now_ns,
        timeline=(*incident.timeline, (now_ns, said))[-MAX_TIMELINE:],
    )


def _opened(alert: PerformanceAlert, operation: str, value: float, now_ns: int) -> PerformanceIncident:
    said = _said(alert, value)
    of = f"{operation} of {alert.service_name}" if operation else alert.service_name
    return PerformanceIncident(
        id=f"{alert.name}/{operation}/{now_ns}",
        alert_name=alert.name,
        service_name=alert.service_name,
        operation=operation,
        state=IncidentState.OPEN,
        current_value=value,
        worst_value=value,
        threshold=alert.threshold,
        unit=alert.unit,
        opened_unix_ns=now_ns,
        summary=f"{of} ({alert.environment}): {said}",
        timeline=((now_ns, f"opened: {said}"),),
    )


def _said(alert: PerformanceAlert, value: float) -> str:
    if alert.condition == ABSENCE:
        is_silent = violates(alert, value)
        limit = duration_text(int(alert.threshold))
        return f"nothing sent for {value:.0f} s, which is {'at least' if is_silent else 'less than'} {limit}"
    if alert.comparison is Comparison.LESS:
        sign = "<" if violates(alert, value) else ">="
    else:
        sign = ">" if violates(alert, value) else "<="
    return f"{quantity(alert)} {value:.4g} {alert.unit} {sign} {alert.threshold:g} {alert.unit}"


def _is_clearly_fine(alert: PerformanceAlert, value: float) -> bool:
    if alert.comparison is Comparison.LESS:
        return value >= alert.threshold / CLEARLY_RATIO
    return value <= CLEARLY_RATIO * alert.threshold
