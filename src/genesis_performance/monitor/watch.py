"""Watches the alerts of one monitor: looks at their windows, and keeps their incidents."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ..export.process_series import ProcessSeries
from ..model.alert import PerformanceAlert, PerformanceIncident
from ..model.series import Series
from .conditions import Readings
from .evaluation import Evaluation
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
        self._process: ProcessSeries | None = None
        self._readings = Readings(
            gauges=self._gauges, sent=lambda: pipeline.exporter.counts.last_success_unix_ns
        )
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
                for incident in self._evaluation.step(alert, self._readings.values(alert), now_ns):
                    self._records.put_incident(incident)
            return sorted(self._evaluation.open.values(), key=lambda one: (one.opened_unix_ns, one.id))

    def after_fork_in_child(self) -> None:
        """The parent watches its own traffic; the child starts with a window of its own."""
        self._lock = threading.RLock()
        self._records.after_fork_in_child()
        self._readings.clear()
        self._process = None
        self._evaluation = Evaluation()

    def _tick(self) -> None:
        self.look()
        if self._also is not None:
            self._also()

    def _observe(self) -> int:
        now_ns = self._pipeline.clock.unix_ns()
        self._readings.observe(now_ns, self._pipeline.observe(now_ns), self._alerts.values(), 2 * TICK_S)
        return now_ns

    def _gauges(self, now_ns: int) -> list[Series]:
        """CPU and memory now; nothing where a sandbox does not tell them."""
        if self._process is None:
            self._process = ProcessSeries((), monotonic=self._pipeline.clock.monotonic)
        try:
            return self._process.series(now_ns)
        except Exception as error:  # noqa: BLE001 - the other alerts go on
            self._pipeline.complaints.add(
                "process", "CPU and memory are not watched: %s: %s", type(error).__name__, error
            )
            return []
