"""Watches the alerts of one monitor: looks at their windows, and keeps their incidents."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ..model.alert import PerformanceAlert, PerformanceIncident
from .conditions import METRICS, values
from .evaluation import Evaluation
from .history import History
from .pipeline import Pipeline
from .records import MonitorRecords

TICK_S = 10.0
"""How often the alerts are looked at, and how much longer than its alignment a window may be."""


class Watch:
    """Alerts and their open incidents."""

    def __init__(self, pipeline: Pipeline, records: MonitorRecords) -> None:
        self._pipeline = pipeline
        self._records = records
        self._lock = threading.RLock()
        self._alerts: dict[str, PerformanceAlert] = {}
        self._history = History()
        self._evaluation = Evaluation()
        self._also: Callable[[], object] | None = None
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
                self._evaluation.adopt(one for one in mine if one.source == "local")
                self._observe()  # so that the first window has a beginning
        self._also = also
        if in_background:
            self._pipeline.look_regularly(self._tick, TICK_S)

    def close(self) -> None:
        """Stop looking in the background; what is open stays open in the store."""
        self._pipeline.stop_looking(self._tick)

    def remove(self, name: str) -> PerformanceAlert | None:
        with self._lock:
            alert = self._alerts.pop(name, None)
            for incident in self._evaluation.drop(name, self._pipeline.clock.unix_ns()):
                self._records.put_incident(incident)
            return alert

    def look(self) -> list[PerformanceIncident]:
        """Evaluate every alert now; return what is open, the oldest first."""
        with self._lock:
            if not self._alerts:
                return []
            now_ns = self._observe()
            for alert in self._alerts.values():
                for incident in self._evaluation.step(alert, values(alert, self._history), now_ns):
                    self._records.put_incident(incident)
            return sorted(self._evaluation.open.values(), key=lambda one: (one.opened_unix_ns, one.id))

    def after_fork_in_child(self) -> None:
        """The parent watches its own traffic; the child starts with a window of its own."""
        self._lock = threading.RLock()
        self._records.after_fork_in_child()
        self._history.clear()
        self._evaluation = Evaluation()

    def _tick(self) -> None:
        self.look()
        if self._also is not None:
            self._also()

    def _observe(self) -> int:
        now_ns = self._pipeline.clock.unix_ns()
        keep_s = max((alert.alignment_s for alert in self._alerts.values()), default=60) + 2 * TICK_S
        self._history.add(now_ns, self._pipeline.observe(now_ns), METRICS, keep_s)
        return now_ns
