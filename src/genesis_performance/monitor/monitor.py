"""The monitor: record metrics, make alert policies, see incidents."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Mapping
from threading import get_ident
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ..config import configured_project, project_argument, settings
from ..errors import InvalidInputError, StateError, UnknownNameError
from ..export.buffer import LARGEST, LEAST, MetricBuffer
from ..export.catalog import OPERATION
from ..export.clock import Clock
from ..export.limits import Complaints
from ..export.sink import Sink
from .alerting import Alerting
from .handles import Counter, Distribution, Gauge
from .health import MonitorHealth
from .health import of as _health
from .pipeline import Destination, Pipeline, join, leave
from .published_health import publish

if TYPE_CHECKING:
    from ..model.alert import PerformanceIncident
    from ..storage import Store
    from .channels import Notifier
    from .cloud_incidents import CloudIncidents
    from .own_cost import OwnBill
    from .records import MonitorRecords
    from .watch import Watch

log = logging.getLogger(__name__)

PUBLISH_S = 10.0
"""Between two times that ``doctor`` is told how this process is."""

_PREFIX = re.compile(r"[A-Za-z0-9_.\-/]{1,100}")


class PerformanceMonitor(Alerting):
    """Records metrics, sends them with the operations of every profiler, and watches alerts.

    Nothing happens before the first use: no thread, no connection, no file. Without a project everything
    works in this process and on the local store.

    Args:
        gcp_project_id, project_id: the project, either name; by default that of the settings.
        metric_prefix: metrics are ``custom.googleapis.com/<prefix>/<name>``.
        service_name: label of what is sent; without it ``otlp.service_name`` (``OTEL_SERVICE_NAME``), else
            that of the first alert, else ``default``.
        environment: label of what is sent.
        store: where incidents are kept: a store, its URL, or None for ``storage.url``.
        sink: written to instead of the one that ``monitoring.sink`` names.
        clock: for tests.
    """

    def __init__(
        self,
        gcp_project_id: str | None = None,
        *,
        project_id: str | None = None,
        metric_prefix: str | None = None,
        service_name: str | None = None,
        environment: str = "production",
        store: Store | str | None = None,
        sink: Sink | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._project = project_argument(gcp_project_id, project_id)
        self._prefix = _checked_prefix(metric_prefix)
        self._service = _checked_text("service_name", service_name)
        self._environment = _checked_text("environment", environment) or "production"
        self._store = store
        self._sink = sink
        self._clock = clock
        self._lock = threading.RLock()
        self._pipeline: Pipeline | None = None
        self._ready: MetricBuffer | None = None  # the pipeline's, from its thread's start to our end
        self._watch: Watch | None = None
        self._records: MonitorRecords | None = None
        self._cloud: CloudIncidents | None = None
        self._notifier: Notifier | None = None
        self._making = threading.Event()  # set when nobody waits for policies any more
        self._complaints = Complaints(log)
        self._last: Pipeline | None = None  # once closed
        self._is_closed = False

    def start(self) -> None:
        """Export in the background from now on; the first record or alert does the same.

        Raises:
            ConfigurationError: the settings are wrong.
        """
        self._run(self._open())

    def record_performance_metric(
        self, name: str, value: float, labels: Mapping[str, str] | None = None
    ) -> None:
        """Add one value to the distribution ``name`` with these labels; never raises, never waits.

        What can not be recorded is counted in ``health()`` and logged at most once a minute.
        """
        kind = type(value)
        try:
            if (kind is float or kind is int) and LEAST < value < LARGEST:
                known = self._ready.known  # type: ignore[union-attr]
                if labels:
                    spelling = (name, *labels, *labels.values())
                    series = known.get(spelling) or known[(*spelling, *map(type, labels.values()))]
                else:
                    series = known[(name,)]
                series.cells[get_ident()].record(value)
                return
        except Exception:  # noqa: BLE001, S110 - a new series or thread, or something odd: not here
            pass
        self._record(name, value, labels)

    def distribution(
        self, name: str, labels: Mapping[str, str] | None = None, *, unit: str | None = None
    ) -> Distribution:
        """A handle for one series of values; ``unit`` in UCUM, by default from the name."""
        return Distribution(self._buffer, name, labels, unit)

    def counter(
        self, name: str, labels: Mapping[str, str] | None = None, *, unit: str | None = None
    ) -> Counter:
        """A handle for something that only grows."""
        return Counter(self._buffer, name, labels, unit)

    def gauge(self, name: str, labels: Mapping[str, str] | None = None, *, unit: str | None = None) -> Gauge:
        """A handle for something that has a value at any time."""
        return Gauge(self._buffer, name, labels, unit)

    def check_performance_thresholds(self) -> list[PerformanceIncident]:
        """Evaluate the alerts now and return the open incidents, the oldest first.

        The window is the last 60 s, as in the policies. With policies in Cloud Monitoring its open incidents
        are among them; when it can not be asked, the local ones are returned and the failure is logged.
        """
        watch, _ = self._watched()
        found = watch.look()
        cloud = self._cloud
        if cloud is not None:
            cloud.try_sync()
            found = cloud.merged(found)
        return found

    def sync_incidents(self) -> list[PerformanceIncident]:
        """Fetch the incidents of our policies from Cloud Monitoring, keep them, and return all open ones.

        Raises:
            CloudError: Cloud Monitoring could not be asked.
        """
        watch, _ = self._watched()
        cloud = self._cloud
        found = watch.look()
        if cloud is None:
            return found
        cloud.sync()
        return cloud.merged(found)

    def acknowledge_incident(
        self, incident: PerformanceIncident | str, said: str = ""
    ) -> PerformanceIncident:
        """Note that somebody deals with an open incident; it stays open until its values are fine.

        Args:
            incident: or its id.
            said: kept in its timeline: who, or what is done.

        Raises:
            UnknownNameError: there is no open incident of that id.
        """
        watch, _ = self._watched()
        wanted = incident if isinstance(incident, str) else incident.id
        cloud = self._cloud
        found = watch.acknowledge(wanted, said)
        if found is None:
            raise UnknownNameError(
                f"there is no open incident {wanted!r}; see check_performance_thresholds()"
            )
        if cloud is not None:
            cloud.acknowledged(found)
        return found

    def prometheus_text(self) -> str:
        """Operations and recorded metrics of all processes of the service, as Prometheus scrapes them.

        ``integrations.prometheus`` serves it.

        Raises:
            StateError: the monitor is closed.
        """
        from ..export.prometheus_text import prometheus_text

        pipeline = self._open()
        series = pipeline.observe(pipeline.clock.unix_ns(), ever=True)
        return prometheus_text(series, pipeline.destination.prefix)

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Export now and wait; True when nothing is left to send."""
        if self._is_closed:
            return True
        return self._open().flush(timeout_s)

    def close(self, timeout_s: float = 5.0) -> bool:
        """Flush and stop; True when nothing was left to send. A second call does nothing."""
        with self._lock:
            pipeline, self._pipeline = self._pipeline, None
            self._ready = None
            already, self._is_closed = self._is_closed, True
        self._making.set()
        if already or pipeline is None:
            return True
        if self._watch is not None:
            self._watch.close()
        pipeline.stop_looking(self._publish)
        complete = leave(pipeline, timeout_s)
        self._last = pipeline
        if pipeline.exporter.counts.exported or pipeline.exporter.counts.failures:
            self._publish()
        if self._notifier is not None:
            self._notifier.close(timeout_s)
        if self._records is not None:
            self._records.close()
        return complete

    def estimated_cost(self, *, instances: int = 1, lifetime_s: float = 86_400.0) -> OwnBill:
        """What our metrics and policies cost a month in each sink, as they are now; nothing is sent.

        Args:
            instances: of the service, each sending what this one does.
            lifetime_s: of a process: its histograms fill more buckets the longer it runs.
        """
        from .own_cost import PROCESS_LOAD, conditions_of, load_of, own_bill

        pipeline = self._open()
        watch, _ = self._watched()
        series = pipeline.observe(pipeline.clock.unix_ns())
        operations = {dict(one.labels).get(OPERATION) for one in series} - {None}
        return own_bill(
            load_of(series, lifetime_s=lifetime_s) + PROCESS_LOAD,
            instances=instances,
            interval_s=settings().monitoring.write_interval_s,
            conditions=conditions_of(watch.alerts, pipeline.destination.prefix),
            groups=len(operations),
        )

    def health(self) -> MonitorHealth:
        """What was recorded, dropped, sent and refused so far."""
        if self._pipeline is None and self._last is not None:
            return self._health_of(self._last)
        return self._health_of(self._pipeline)

    def after_fork_in_child(self) -> None:
        """Called by the pipeline: the parent's locks may be held by a thread that the child does not have."""
        self._lock = threading.RLock()
        self._making = threading.Event()
        self._ready = None  # until the child has a thread

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self) -> Pipeline:
        """The pipeline, made at first use.

        Raises:
            StateError: the monitor is closed.
            ConfigurationError: the settings are wrong.
        """
        pipeline = self._pipeline
        if pipeline is not None:
            return pipeline
        with self._lock:
            if self._is_closed:
                raise StateError("this monitor is closed; make a new one")
            if self._pipeline is None:
                self._keep(self._joined())
            assert self._pipeline is not None
            return self._pipeline

    def _joined(self) -> Pipeline:
        section = settings().monitoring
        destination = Destination(
            project=configured_project(self._project),
            prefix=self._prefix or section.metric_prefix,
            service=self._service or settings().otlp.service_name,
            environment=self._environment,
            sink=section.sink,
        )
        return join(destination, sink=self._sink, clock=self._clock)

    def _keep(self, pipeline: Pipeline) -> None:
        if self._pipeline is None:
            self._pipeline = pipeline
            pipeline.restarts(self)
        else:  # a signal handler recorded meanwhile, and was first
            pipeline.users -= 1

    def _buffer(self) -> MetricBuffer | None:
        """Where values are recorded; None, and counted, when there is no place for them."""
        try:
            pipeline = self._pipeline or self._open()
            if not pipeline.exporter.is_running:
                self._run(pipeline)
            return pipeline.buffer
        except StateError:
            self._complaints.add("closed", "a metric was recorded after the monitor was closed")
        except Exception as error:  # noqa: BLE001 - the host's request must go on
            self._complaints.add("failed", "metrics are not recorded: %s", error)
        return None

    def _run(self, pipeline: Pipeline) -> None:
        """Export in the background, and say how it goes to who looks from outside."""
        if pipeline.writer is None:
            pipeline.exporter.start()
        else:
            pipeline.look_regularly(self._publish, PUBLISH_S)

    def _publish(self) -> None:
        """Called by the process that sends."""
        pipeline = self._pipeline or self._last
        shared = pipeline.shared_health() if pipeline is not None else None
        if pipeline is None or shared is None:
            return
        place = {
            "service": pipeline.service,
            "environment": self._environment,
            "prefix": pipeline.destination.prefix,
            "write_interval_s": settings().monitoring.write_interval_s,
        }
        try:
            publish(shared.folder, {**place, **self._health_of(pipeline)})
        except OSError as error:  # a disk that is full: the log says so, which has room elsewhere
            pipeline.complaints.add("health", "doctor can not be told how this process is: %s", error)

    def _record(self, name: str, value: float, labels: Mapping[str, str] | None) -> None:
        buffer = self._ready or self._buffer()
        if buffer is None:
            return
        buffer.record(name, value, labels)
        if self._ready is None:
            with self._lock:  # not after close()
                pipeline = self._pipeline
                # As long as there is no thread, every record is to try for one.
                if pipeline is not None and pipeline.exporter.is_running:
                    self._ready = pipeline.buffer

    def _watched(self) -> tuple[Watch, MonitorRecords]:
        from .channels import open_notifier
        from .records import MonitorRecords
        from .watch import Watch

        pipeline = self._open()
        with self._lock:
            if self._watch is None or self._records is None:
                records = MonitorRecords(self._store, pipeline.complaints)
                self._notifier = open_notifier(pipeline.clock, records)
                self._watch = Watch(pipeline, records, self._notifier)
                self._records = records
            return self._watch, self._records

    def _health_of(self, pipeline: Pipeline | None) -> MonitorHealth:
        own = dict(self._complaints.counts)
        if pipeline is None:
            return _health(own, project=self._project)
        return _health(
            {**pipeline.complaints.counts, **own},
            pipeline,
            project=pipeline.project,
            store_failures=self._records.failures if self._records else 0,
            alerts=len(self._watch.alerts) if self._watch else 0,
            notifications=self._notifier.counts if self._notifier else {},
        )


def _checked_prefix(prefix: str | None) -> str | None:
    if prefix is None:
        return None
    if not isinstance(prefix, str) or not _PREFIX.fullmatch(prefix) or not prefix.strip("/"):
        raise InvalidInputError(
            f"metric_prefix is {prefix!r:.120}; it holds letters, digits, '_', '-', '.' and '/', at most "
            "100 of them, for example 'myapp.performance'"
        )
    return prefix


def _checked_text(what: str, text: str | None) -> str | None:
    if text is None or (isinstance(text, str) and text.strip() and text.isprintable() and len(text) <= 100):
        return text
    raise InvalidInputError(f"{what} is {text!r:.120}; give a text of 1 to 100 printable characters")
