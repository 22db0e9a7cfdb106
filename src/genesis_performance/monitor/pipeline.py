"""What all monitors of one process share that send to the same place: buffer, operations, exporter.

Two monitors with the same project, prefix, service and environment are one writer: two would send every
operation twice and be refused.
"""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..config import settings
from ..export.buffer import MetricBuffer
from ..export.catalog import ENVIRONMENT, SERVICE
from ..export.clock import Clock, SystemClock
from ..export.exporter import Exporter
from ..export.limits import Complaints, SeriesBudget
from ..export.opening import check_sink_name, open_sink
from ..export.operation_series import OperationSeries
from ..export.process_series import ProcessSeries
from ..export.sink import Sink
from ..model.operation import OperationSnapshot
from ..model.series import Series
from ..operations import recorders

log = logging.getLogger(__name__)

DEFAULT_SERVICE = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where a pipeline writes, and what it writes about."""

    project: str | None  # as given; the environment and the credentials are asked at the first export
    prefix: str
    service: str | None
    environment: str
    sink: str


class Restarting(Protocol):
    """Something that starts anew in the child of a fork."""

    def after_fork_in_child(self) -> None: ...


class Pipeline:
    """One writer of one process.

    Args:
        sink: written to instead of the one that ``destination`` names.
    """

    def __init__(
        self, destination: Destination, *, sink: Sink | None = None, clock: Clock | None = None
    ) -> None:
        section = settings().monitoring
        self.destination = destination
        self.clock = clock or SystemClock()
        self.project: str | None = destination.project
        self.sink_name = ""
        self.users = 0
        self._newest_ns = 0
        self.complaints = Complaints(log, clock=self.clock.monotonic)
        self.budget = SeriesBudget(section.max_series)
        self.service = destination.service or DEFAULT_SERVICE
        self.buffer = MetricBuffer(
            service=self.service,
            environment=destination.environment,
            budget=self.budget,
            complaints=self.complaints,
            unix_ns=self.clock.unix_ns,
        )
        self._operations = OperationSeries(
            service=self.service,
            environment=destination.environment,
            budget=self.budget,
            complaints=self.complaints,
        )
        self._process: ProcessSeries | None = None
        self._given_sink = sink
        self._lock = threading.RLock()
        self._forked: weakref.WeakSet[Restarting] = weakref.WeakSet()
        self._ticks: list[Callable[[], object]] = []
        self.exporter = Exporter(
            self._collect,
            self._open_sink,
            interval_s=section.write_interval_s,
            clock=self.clock,
            after_fork=self._after_fork,
        )

    def name_service(self, service: str) -> None:
        """Take the name of the first alert's service, where the monitor was given none."""
        if self.destination.service is None and self.service == DEFAULT_SERVICE:
            with self._lock:
                self.service = service
                self.buffer.name_service(service)
                self._operations.rename_service(service)

    def observe(self, now_unix_ns: int) -> list[Series]:
        """Operations and recorded metrics as they are now."""
        with self._lock:
            self._operations.update(self._snapshots())
            return [*self._operations.series(now_unix_ns), *self.buffer.series(now_unix_ns)]

    def _snapshots(self) -> Iterator[tuple[int, list[OperationSnapshot]]]:
        for recorder in recorders():
            try:
                yield id(recorder), recorder.snapshots()
            except Exception as error:  # noqa: BLE001 - one broken recorder must not stop the others
                self.complaints.add("recorder", "operations are missing: %s: %s", type(error).__name__, error)

    def restarts(self, one: Restarting) -> None:
        """Call ``one.after_fork_in_child`` in the child of a fork."""
        self._forked.add(one)

    def look_regularly(self, look: Callable[[], object], every_s: float) -> None:
        """Call ``look`` in the exporter's thread from now on."""
        if look not in self._ticks:
            self._ticks = [*self._ticks, look]
        self.exporter.every(every_s, self._tick)
        self.exporter.start()

    def stop_looking(self, look: Callable[[], object]) -> None:
        self._ticks = [one for one in self._ticks if one != look]

    def _tick(self) -> None:
        for look in self._ticks:
            look()

    def _collect(self, now_unix_ns: int) -> Sequence[Series]:
        # A clock that is set back a little must not date a point before the one already sent.
        now_unix_ns = self._newest_ns = max(now_unix_ns, self._newest_ns + 1)
        series = self.observe(now_unix_ns)
        if self._process is None:
            labels = ((ENVIRONMENT, self.destination.environment), (SERVICE, self.service))
            self._process = ProcessSeries(labels, monotonic=self.clock.monotonic)
        try:
            return [*series, *self._process.series(now_unix_ns)]
        except Exception as error:  # noqa: BLE001 - a sandbox without /proc still has operations
            self.complaints.add("process", "CPU and memory are not sent: %s: %s", type(error).__name__, error)
            return series

    def _open_sink(self) -> Sink:
        if self._given_sink is not None:
            self.sink_name = type(self._given_sink).__name__
            return self._given_sink
        name = self.destination.sink
        if name in {"auto", "cloud_monitoring"}:
            from ..gcp.project import resolve_project

            self.project = resolve_project(self.destination.project)
        sink = open_sink(
            name,
            project=self.project,
            prefix=self.destination.prefix,
            service=self.service,
            environment=self.destination.environment,
            location=settings().gcp.location,
            clock=self.clock,
        )
        self.sink_name = _SINK_NAMES.get(type(sink).__name__, name)
        if name == "auto" and not self.project:
            log.info(
                "no Google Cloud project: metrics stay in this process, alerts are evaluated here and "
                "incidents kept in the local store; set GOOGLE_CLOUD_PROJECT to send them to Cloud Monitoring"
            )
        return sink

    def _after_fork(self) -> None:
        self._lock = threading.RLock()
        self.budget.after_fork_in_child()
        self.buffer.reset()
        self._operations.reset()
        self._process = None
        for one in list(self._forked):
            one.after_fork_in_child()


_SINK_NAMES = {"CloudMonitoringSink": "cloud_monitoring", "MemorySink": "memory", "NoSink": "none"}

_lock = threading.RLock()
_pipelines: weakref.WeakValueDictionary[Destination, Pipeline] = weakref.WeakValueDictionary()


def join(destination: Destination, *, sink: Sink | None = None, clock: Clock | None = None) -> Pipeline:
    """The pipeline to this destination; one of its own where a sink or a clock is given.

    Raises:
        ConfigurationError: the sink's name is unknown, or the sink is not built yet.
    """
    if sink is None:
        check_sink_name(destination.sink)
    if sink is not None or clock is not None:
        pipeline = Pipeline(destination, sink=sink, clock=clock)
        pipeline.users = 1
        return pipeline
    with _lock:
        pipeline_or_none = _pipelines.get(destination)
        if pipeline_or_none is None or pipeline_or_none.exporter.is_closed:
            pipeline_or_none = _pipelines[destination] = Pipeline(destination)
        pipeline_or_none.users += 1
        return pipeline_or_none


def leave(pipeline: Pipeline, timeout_s: float) -> bool:
    """Flush, and close when nobody else uses it; True when nothing is left to send."""
    with _lock:
        pipeline.users -= 1
        last = pipeline.users <= 0
    return pipeline.exporter.close(timeout_s) if last else pipeline.exporter.flush(timeout_s)


def _after_fork_in_child() -> None:
    global _lock  # noqa: PLW0603 - the parent's may be held by a thread that the child does not have
    _lock = threading.RLock()


os.register_at_fork(after_in_child=_after_fork_in_child)
