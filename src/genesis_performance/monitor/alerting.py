"""The monitor's methods that make, list and delete alerts, and its dashboard."""

from __future__ import annotations

import dataclasses
import logging
import math
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from ..config import settings
from ..errors import GenesisPerformanceError, InvalidInputError
from ..model.alert import ApplyMode, PerformanceAlert
from .pipeline import Pipeline

# What makes alerts and policies is imported where it is used: most processes only record.
if TYPE_CHECKING:
    from .application import Progress
    from .cloud_incidents import CloudIncidents
    from .dashboards import PerformanceDashboard
    from .records import MonitorRecords
    from .watch import Watch

log = logging.getLogger(__name__)

METRIC_WAIT_S = 120.0
"""How long making a policy waits for a metric that alerting does not know yet."""

LONGEST_METRIC_WAIT_S = 660.0
"""The same in the background: Cloud Monitoring says up to ten minutes."""


class AlertOptions(TypedDict, total=False):
    """What every alert takes.

    duration_s: how long the condition must hold, in whole minutes.
    apply: ``api`` makes the policy in Cloud Monitoring, ``plan`` returns it as Terraform, ``local`` only
        evaluates here. By default ``monitoring.apply_alerts``, else ``api`` with a project.
    notification_channels: resource names of channels in Cloud Monitoring.
    severity: CRITICAL, ERROR or WARNING.
    documentation: Markdown that goes with each notification: what to do, a link to the runbook.
    metric_wait_s: how long to wait when alerting does not know the metric yet, by default 120 s, in the
        background 660 s.
    in_background: return at once and make the policy in a thread; ``alerts()`` has it with its resource name
        once it is there, and the log says what happens.
    progress: called with a sentence each time that the call has to wait.
    """

    duration_s: float
    apply: ApplyMode | str | None
    notification_channels: Iterable[str]
    severity: str
    documentation: str
    metric_wait_s: float
    in_background: bool
    progress: Callable[[str], object] | None


class Alerting(ABC):
    """Part of ``PerformanceMonitor``. Making an alert is set-up: with ``api`` it waits for the network."""

    _project: str | None
    _cloud: CloudIncidents | None
    _making: threading.Event

    @abstractmethod
    def _open(self) -> Pipeline: ...

    @abstractmethod
    def _watched(self) -> tuple[Watch, MonitorRecords]: ...

    def create_response_time_alert(
        self,
        service_name: str,
        threshold_ms: float,
        environment: str = "production",
        *,
        quantile: float = 0.95,
        **options: Unpack[AlertOptions],
    ) -> PerformanceAlert:
        """Watch the response time of each operation of a service; the same call again changes nothing.

        Args:
            options: see ``AlertOptions``; ``duration_s`` is 0 by default.

        Raises:
            InvalidInputError: such a policy could never open, or would always be open.
            CloudError: Cloud Monitoring refused it; it is evaluated here all the same.
        """
        from .alerts import response_time_alert

        alert = response_time_alert(
            service_name, threshold_ms, environment, quantile=quantile, **self._common(options)
        )
        return self._make(alert, options)

    def create_error_rate_alert(
        self,
        service_name: str,
        threshold_percent: float,
        environment: str = "production",
        **options: Unpack[AlertOptions],
    ) -> PerformanceAlert:
        """Watch the share of executions of each operation that fail; see ``create_response_time_alert``."""
        from .alerts import error_rate_alert

        alert = error_rate_alert(service_name, threshold_percent, environment, **self._common(options))
        return self._make(alert, options)

    def create_throughput_alert(
        self,
        service_name: str,
        min_per_minute: float | None = None,
        max_per_minute: float | None = None,
        environment: str = "production",
        *,
        by_operation: bool = False,
        **options: Unpack[AlertOptions],
    ) -> PerformanceAlert:
        """Watch how much a service executes; see ``create_response_time_alert``.

        Args:
            min_per_minute, max_per_minute: one of them.
            by_operation: judge each operation for itself. A lower limit then opens for every rare one.
            options: ``duration_s`` is 120 by default.
        """
        from .alerts import throughput_alert

        alert = throughput_alert(
            service_name,
            min_per_minute,
            max_per_minute,
            environment,
            by_operation=by_operation,
            **self._common(options, duration_s=120),
        )
        return self._make(alert, options)

    def create_cpu_alert(
        self,
        service_name: str,
        threshold_percent: float,
        environment: str = "production",
        **options: Unpack[AlertOptions],
    ) -> PerformanceAlert:
        """Watch the busiest instance of a service; see ``create_response_time_alert``.

        Args:
            threshold_percent: of the CPUs that the instance may use.
            options: ``duration_s`` is 300 by default.
        """
        from .alerts import cpu_alert

        alert = cpu_alert(
            service_name, threshold_percent, environment, **self._common(options, duration_s=300)
        )
        return self._make(alert, options)

    def create_memory_alert(
        self,
        service_name: str,
        threshold_mib: float,
        environment: str = "production",
        **options: Unpack[AlertOptions],
    ) -> PerformanceAlert:
        """Watch the largest instance of a service, in resident MiB; see ``create_response_time_alert``.

        Args:
            options: ``duration_s`` is 120 by default.
        """
        from .alerts import memory_alert

        alert = memory_alert(
            service_name, threshold_mib, environment, **self._common(options, duration_s=120)
        )
        return self._make(alert, options)

    def create_absence_alert(
        self, service_name: str, environment: str = "production", **options: Unpack[AlertOptions]
    ) -> PerformanceAlert:
        """Notice that nothing arrives from a service any more; see ``create_response_time_alert``.

        The process itself can only notice that what it sends does not arrive: watch for its end from outside,
        with ``apply="api"``.

        Args:
            options: ``duration_s``, by default 300, is how long the silence lasts, at least 120.
        """
        from .alerts import absence_alert

        alert = absence_alert(service_name, environment, **self._common(options, duration_s=300))
        interval_s = settings().monitoring.write_interval_s
        if alert.duration_s < 2 * interval_s:
            raise InvalidInputError(
                f"duration_s is {alert.duration_s} and monitoring.write_interval_s is {interval_s:g}: a "
                "service that is well would be called absent between two points; give at least "
                f"{math.ceil(interval_s / 30) * 60} s"
            )
        return self._make(alert, options)

    def create_burn_rate_alerts(
        self,
        service_name: str,
        objective_percent: float,
        environment: str = "production",
        *,
        slo: str | None = None,
        ticket_channels: Iterable[str] | None = None,
        **options: Unpack[AlertOptions],
    ) -> list[PerformanceAlert]:
        """Watch how fast a service uses up its error budget: two alerts that page, one that makes a ticket.

        The windows and rates are those of the SRE workbook (``burn_rate.BURNS``); a month has 30 days.

        Args:
            objective_percent: of executions that succeed, for example 99.9.
            slo: an objective in Cloud Monitoring, ``projects/P/services/S/serviceLevelObjectives/O``: the
                policies then ask for its burn rate. Here it is the executions of this service in any case.
            ticket_channels: of the slow one; ``notification_channels`` by default.
            options: without ``severity``, which each rate has its own of.

        Raises:
            InvalidInputError: the objective is not from 94 to 99.99 %, or another argument can not be.
            CloudError: Cloud Monitoring refused one; all are evaluated here all the same.
        """
        from .burn_rate import burn_rate_alerts

        if "severity" in options:
            raise InvalidInputError(
                "a burn rate has the severity that its speed asks for; leave severity out, and give "
                "ticket_channels for the slow one"
            )
        common = self._common(options)
        del common["severity"]
        found = burn_rate_alerts(
            service_name, objective_percent, environment, slo=slo, ticket_channels=ticket_channels, **common
        )
        for alert in found:
            self._watch_here(alert)
        return [self._make(alert, options) for alert in found]

    def alerts(self) -> list[PerformanceAlert]:
        """The alerts of this monitor, and those that the store knows from others."""
        watch, records = self._watched()
        mine = {alert.name: alert for alert in watch.alerts}
        return sorted(({one.name: one for one in records.alerts()} | mine).values(), key=lambda one: one.name)

    def delete_alert(self, alert: PerformanceAlert | str) -> bool:
        """Delete an alert, its policy in Cloud Monitoring too; False when there is none of that name."""
        from .application import withdraw

        watch, records = self._watched()
        name = alert if isinstance(alert, str) else alert.name
        known = next((one for one in self.alerts() if one.name == name), None)
        if known is None:
            return False
        withdraw(known, clock=self._open().clock)
        watch.remove(name)
        records.delete_alert(name)
        return True

    def create_performance_dashboard(
        self,
        service_name: str,
        environment: str = "production",
        *,
        apply: ApplyMode | str | None = None,
        slo: str | None = None,
    ) -> PerformanceDashboard:
        """The dashboard of a service; the same call again changes nothing.

        Latency with the thresholds of this monitor's alerts, errors, throughput, CPU, memory, the error
        budget, and open incidents.

        Args:
            apply: as for alerts; ``plan`` and ``local`` only return it, as JSON and Terraform.
            slo: an objective in Cloud Monitoring, whose error budget is drawn too.

        Raises:
            InvalidInputError: a name can not be one.
            CloudError: Cloud Monitoring refused it.
        """
        from .dashboards import performance_dashboard

        mode = self._mode(apply)
        dashboard = performance_dashboard(
            service_name,
            environment,
            prefix=self._open().destination.prefix,
            alerts=self.alerts(),
            slo=slo,
        )
        return dashboard.applied(self._resolved_project()) if mode is ApplyMode.API else dashboard

    def _common(self, options: AlertOptions, duration_s: float = 0) -> dict[str, Any]:
        return {
            "duration_s": options.get("duration_s", duration_s),
            "channels": options.get("notification_channels", ()),
            "apply": self._mode(options.get("apply")),
            "severity": options.get("severity", "WARNING"),
            "documentation": options.get("documentation", ""),
        }

    def _mode(self, said: ApplyMode | str | None) -> ApplyMode:
        from .alerts import apply_mode

        chosen = said or settings().monitoring.apply_alerts
        if chosen:
            return apply_mode(chosen)
        return ApplyMode.API if self._resolved_project() else ApplyMode.LOCAL

    def _resolved_project(self) -> str | None:
        from ..gcp.project import resolve_project

        return resolve_project(self._project)

    def _make(self, alert: PerformanceAlert, options: AlertOptions) -> PerformanceAlert:
        from .application import Progress

        _check_names(options)
        # Watched first: an alert that Cloud Monitoring refuses still works here.
        self._watch_here(alert)
        progress = Progress(options.get("progress"), self._making)
        if not options.get("in_background") or alert.apply is not ApplyMode.API:
            return self._applied(alert, options.get("metric_wait_s", METRIC_WAIT_S), progress)
        wait_s = options.get("metric_wait_s", LONGEST_METRIC_WAIT_S)
        threading.Thread(
            target=self._try_apply, args=(alert, wait_s, progress), name="genesis-alerts", daemon=True
        ).start()
        return alert

    def _try_apply(self, alert: PerformanceAlert, wait_s: float, progress: Progress) -> None:
        try:
            self._applied(alert, wait_s, progress)
        except GenesisPerformanceError as error:
            if not self._making.is_set():
                log.warning("alert %s is only evaluated here; its policy was not made: %s", alert.name, error)

    def _applied(self, alert: PerformanceAlert, wait_s: float, progress: Progress) -> PerformanceAlert:
        from .application import apply
        from .kinds import RESPONSE_TIME
        from .policy import RECORDED_RESPONSE_TIME

        pipeline = self._open()
        _, records = self._watched()
        also = pipeline.buffer.described(RECORDED_RESPONSE_TIME)
        if alert.condition != RESPONSE_TIME or (also and also[0].value_type != "DISTRIBUTION"):
            also = None
        made = apply(
            alert,
            project=self._resolved_project() if alert.apply is ApplyMode.API else None,
            prefix=pipeline.destination.prefix,
            also=also,
            clock=pipeline.clock,
            wait_s=wait_s,
            progress=progress,
        )
        self._watch_here(made)
        records.put_alert(made)
        return made

    def _watch_here(self, alert: PerformanceAlert) -> None:
        from .cloud_incidents import CloudIncidents

        pipeline = self._open()
        watch, records = self._watched()
        pipeline.name_service(alert.service_name)
        if pipeline.service != alert.service_name:
            log.info(
                "alert %s looks at the service %r; this process sends as %r, which can not open it",
                alert.name,
                alert.service_name,
                pipeline.service,
            )
        known = next((one for one in watch.alerts if one.name == alert.name), None)
        if alert.resource_name is None and known is not None and alert.apply is ApplyMode.API:
            # Its policy is there already: incidents of it stay ours while it is brought up to date.
            alert = dataclasses.replace(alert, resource_name=known.resource_name)
        if alert.resource_name and self._cloud is None:
            self._cloud = CloudIncidents(
                alert.resource_name.split("/")[1],
                pipeline.destination.prefix,
                alerts=lambda: watch.alerts,
                records=records,
                complaints=pipeline.complaints,
                monotonic=pipeline.clock.monotonic,
                unix_ns=pipeline.clock.unix_ns,
            )
            pipeline.restarts(self._cloud)
        watch.add(
            alert,
            in_background=settings().monitoring.enable_alerting,
            also=self._cloud.try_sync if self._cloud else None,
        )


def _check_names(options: AlertOptions) -> None:
    """Raise TypeError, as for any keyword argument that is not one."""
    unknown = options.keys() - AlertOptions.__annotations__.keys()
    if unknown:
        known = ", ".join(AlertOptions.__annotations__)
        raise TypeError(f"no alert takes {', '.join(sorted(unknown))}; it takes {known}")
