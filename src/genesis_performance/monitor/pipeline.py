"""What all monitors of one process share that send to the same place: buffer, operations, exporter.

Two monitors with the same project, prefix, service and environment are one writer: two would send every
operation twice and be refused. All processes with that destination share a folder, and one of them sends.
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
from ..export.cells import Cells, OperationMemory
from ..export.clock import Clock, SystemClock
from ..export.exporter import Exporter
from ..export.labels import Labels
from ..export.limits import Complaints, SeriesBudget
from ..export.mapped_file import MappedFile
from ..export.opening import check_sink_name, open_sink
from ..export.operation_series import OperationSeries
from ..export.place import shared_folder
from ..export.process_series import ProcessSeries
from ..export.reading import Reader
from ..export.region import Region
from ..export.rendering import rendered
from ..export.resource import acting_as, task_id
from ..export.sharing import SharedFolder, SharedHealth
from ..export.sink import Sink
from ..export.totals import Totals, add_all
from ..export.writer import Writer
from ..model.operation import OperationSnapshot
from ..model.series import Series
from ..operations import recorders, stop_using, use_memory
from .cost_cap import CostCap

log = logging.getLogger(__name__)

DEFAULT_SERVICE = "default"

PULSE_S = 1.0
"""Between two looks at the folder: who takes over, who waits for an export."""

TIDY_EVERY = 10
"""Pulses between two looks for threads that have ended."""

FRESHEN_S = 3600.0
"""Between two touches of the files, so that nobody clears them away as unused."""

NO_LIMIT = 1 << 40


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
        is_shared: keep what is recorded in the folder of the destination's processes, if the settings do.
    """

    def __init__(
        self,
        destination: Destination,
        *,
        sink: Sink | None = None,
        clock: Clock | None = None,
        is_shared: bool = False,
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
        new_region = weakref.WeakMethod(self._new_region)  # the process holds the cells, not the pipeline
        # Looked up at each call: the pipeline may be gone by then.
        self.cells = Cells(lambda: (new_region() or Region)(), self.complaints)  # noqa: PLW0108
        self.buffer = MetricBuffer(
            service=self.service,
            environment=destination.environment,
            budget=self.budget,
            complaints=self.complaints,
            unix_ns=self.clock.unix_ns,
            cells=self.cells,
        )
        self._shared = self._folder() if is_shared and section.buffer == "mapped" else None
        self.writer: Writer | None = None
        if self._shared is not None:
            self.writer = Writer(
                self._shared, self.cells, complaints=self.complaints, max_series=section.max_series
            )
        self._memory = OperationMemory(
            self.cells, budget=self.budget, complaints=self.complaints, unix_ns=self.clock.unix_ns
        )
        self._operations = OperationSeries(
            service=self.service,
            environment=destination.environment,
            # In a shared folder their cells are what counts against the budget.
            budget=SeriesBudget(NO_LIMIT) if self._shared else self.budget,
            complaints=self.complaints,
        )
        self._has_memory = False  # the recorders' cells are ours
        self._staying: list[Callable[[], list[OperationSnapshot]]] = []
        self._pulses = 0
        self._sync_s = section.buffer_sync_s
        self._synced_s = self.clock.monotonic()
        self._freshened_s = self.clock.monotonic()
        self._own: Exporter | None = None  # of what is on the heap although there is a folder
        self._own_readers: dict[Region, Reader] = {}
        self._process: ProcessSeries | None = None
        self._given_sink = sink
        self._lock = threading.RLock()
        self._forked: weakref.WeakSet[Restarting] = weakref.WeakSet()
        self.cost_cap = CostCap(
            section.max_monthly_cost,
            sink=destination.sink,
            interval_s=section.write_interval_s,
            complaints=self.complaints,
        )
        self._ticks: list[Callable[[], object]] = []
        self.exporter = Exporter(
            self._collect,
            self._open_sink,
            interval_s=section.write_interval_s,
            clock=self.clock,
            after_fork=self._after_fork,
            turn=self.writer,
            pulse=self._pulse if self.writer is not None else None,
            pulse_s=min(PULSE_S, section.buffer_sync_s),
        )
        if self.writer is not None:
            self._has_memory = use_memory(self._memory, self._staying.append)
            # Who drops a monitor without closing it must not have operations counted here and elsewhere too.
            weakref.finalize(self, _let_go, self._memory, self.cells).atexit = False
            self._keep_operations()

    def name_service(self, service: str) -> None:
        """Take the name of the first alert's service, where the monitor was given none."""
        if self.destination.service is None and self.service == DEFAULT_SERVICE:
            with self._lock:
                self.service = service
                self.buffer.name_service(service)
                self._operations.rename_service(service)

    def observe(self, now_unix_ns: int, *, ever: bool = False) -> list[Series]:
        """Operations and recorded metrics as they are now; of all processes, since this one began.

        Args:
            ever: since the first of them began.
        """
        with self._lock:
            if self.writer is None:
                self._operations.update(self._snapshots())
                return [*self._operations.series(now_unix_ns), *self.buffer.series(now_unix_ns)]
            self._keep_operations()
            try:
                look = self.writer.everything if ever else self.writer.observed
                seen = look(now_unix_ns, **self._labels())
            except OSError as error:
                self.complaints.add("folder", "the metrics of other processes can not be read: %s", error)
                seen = []
            return [*seen, *self._on_the_heap(now_unix_ns)]

    def flush(self, timeout_s: float) -> bool:
        """Export now and wait; True when nothing is left to send."""
        complete = self.exporter.flush(timeout_s)
        return complete if self._own is None else self._own.flush(timeout_s) and complete

    def close(self, timeout_s: float) -> bool:
        """Flush and stop; True when nothing was left to send."""
        if self.writer is not None:
            self._keep_operations()
        exporters = [one for one in (self.exporter, self._own) if one is not None]
        failed = [one for one in exporters if not one.close(timeout_s)]
        complete = not failed
        if failed:
            self._say_unsent(failed)
        if self.writer is None:
            return complete
        _let_go(self._memory, self.cells)
        if complete:
            self.writer.finish()
        self.writer.resign()
        return complete

    def _say_unsent(self, failed: Sequence[Exporter]) -> None:
        """One warning of what is not sent at the end, why, and what becomes of it."""
        unsent = failed[0].unsent
        if unsent is None:
            unsent = len(self.observe(self.clock.unix_ns()))
        if self._shared is None or self.exporter not in failed:
            fate = "they were kept in memory and are lost"
        else:
            fate = f"they are kept in {self._shared.path} and sent by the next process"
            if self.cells.on_the_heap():
                fate += ", but for those in memory, which are lost"
        why = failed[0].counts.last_error
        message = "the newest values of %d series are not sent at the end: %s; %s"
        self.complaints.add("unsent", message, unsent, why, fate)

    def shared_health(self) -> SharedHealth | None:
        """What is known of the folder, None where there is none."""
        return self._shared.health() if self._shared is not None else None

    @property
    def is_writer(self) -> bool:
        """Whether this process sends."""
        return self._shared is None or self._shared.leads

    def process_series(self, labels: Labels = ()) -> ProcessSeries:
        """CPU and memory of the processes that this pipeline's series stand for."""
        pids = self._shared.pids if self._shared is not None else None
        return ProcessSeries(labels, monotonic=self.clock.monotonic, pids=pids)

    def _labels(self) -> dict[str, str]:
        return {"service": self.service, "environment": self.destination.environment}

    def _folder(self) -> SharedFolder | None:
        """The folder of the destination; None where it can not be used, then everything is on the heap."""
        to = self.destination
        try:
            path = shared_folder(
                settings().monitoring.buffer_dir,
                service=self.service,
                # An emulator forgets what it was sent: what went to another one is no beginning for it.
                destination=(
                    to.project,
                    to.prefix,
                    to.service,
                    to.environment,
                    to.sink,
                    settings().gcp.emulator,
                ),
            )
            return SharedFolder(path, self.complaints, new_task_id=task_id())
        except OSError as error:
            self.complaints.add(
                "no folder", "metrics are kept on the heap, where a kill loses them: %s", error
            )
            return None

    def _new_region(self) -> Region:
        if self._shared is not None:
            try:
                return self._shared.new_file()
            except OSError as error:
                self.complaints.add(
                    "no file", "metrics are kept on the heap, where a kill loses them: %s", error
                )
        return Region()

    def _replaced(self, removed: MappedFile) -> MappedFile:
        self.complaints.add(
            "file removed", "the file %s was removed by somebody; its values go on in another", removed.path
        )
        assert self._shared is not None
        try:
            return self._shared.replace(removed)
        except OSError as error:
            self.complaints.add("no file", "metrics can be lost by a kill: %s", error)
            return removed

    def _pulse(self) -> bool:
        """Every second, look after the files; whether others wait for an export."""
        assert self.writer is not None
        with self._lock:
            self._pulses += 1
            if self._pulses % TIDY_EVERY == 0:
                for _ in self._snapshots():  # recorders let go of ended threads when they are read
                    pass
            self._keep_operations()
            self._memory.tidy()
        made = self.cells.made
        if isinstance(made, MappedFile):
            if made.is_removed:
                made = self.cells.made = self._replaced(made)
            made.follow()
            if self.clock.monotonic() - self._synced_s >= self._sync_s:
                self._synced_s = self.clock.monotonic()
                made.sync()
        if self._own is None and self.cells.on_the_heap():
            self._own = Exporter(
                self._on_the_heap,
                self._open_own_sink,
                interval_s=settings().monitoring.write_interval_s,
                clock=self.clock,
            )
        if self._own is not None:
            self._own.start()
        self.writer.take()
        if self.clock.monotonic() - self._freshened_s > FRESHEN_S:
            self._freshened_s = self.clock.monotonic()
            self.writer.freshen()
        return self.writer.is_wanted()

    def _keep_operations(self) -> None:
        """Copy what recorders count on the heap to where it survives this process."""
        if not self._has_memory:
            self._operations.update(self._snapshots())
        elif self._staying:
            self._operations.update((index, read()) for index, read in enumerate(self._staying))
        self._operations.copy_to(self._memory)

    def _on_the_heap(self, now_unix_ns: int) -> list[Series]:
        """What no other process can read, so that it is sent by this one for itself."""
        totals: Totals = {}
        for region in self.cells.on_the_heap():
            reader = self._own_readers.setdefault(region, Reader())
            add_all(totals, reader.of_region(region).values())
        return rendered(totals, now_unix_ns, service=self.service, environment=self.destination.environment)

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
        if self.writer is None:
            # A clock that is set back a little must not date a point before the one already sent.
            now_unix_ns = self._newest_ns = max(now_unix_ns, self._newest_ns + 1)
            series = self.observe(now_unix_ns)
        else:
            with self._lock:
                self._keep_operations()
                series = self.writer.collect(now_unix_ns, **self._labels())
        if self._process is None:
            labels = ((ENVIRONMENT, self.destination.environment), (SERVICE, self.service))
            self._process = self.process_series(labels)
        try:
            series = [*series, *self._process.series(now_unix_ns)]
        except Exception as error:  # noqa: BLE001 - a sandbox without /proc still has operations
            self.complaints.add("process", "CPU and memory are not sent: %s: %s", type(error).__name__, error)
        return self.cost_cap.fit(series)

    def _open_sink(self) -> Sink:
        if self._shared is None or not self._shared.leads:
            return self._open_own_sink()
        with acting_as(self._shared.folded.task_id):
            return self._open_own_sink()

    def _open_own_sink(self) -> Sink:
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
        self._own = None
        self._own_readers.clear()
        self._staying.clear()
        if self._shared is not None and self.writer is not None:
            self._forget_parent(self._shared)
            self.writer.after_fork_in_child()
        self.buffer.reset()
        self._memory.restart()
        self._operations.reset()
        self._process = None
        for one in list(self._forked):
            one.after_fork_in_child()

    def _forget_parent(self, shared: SharedFolder) -> None:
        """The file and the locks are the parent's: close this process's copies of them."""
        made = self.cells.made
        if isinstance(made, MappedFile):
            made.close()
        shared.after_fork_in_child()
        self.budget.used = self.buffer.started


def _let_go(memory: OperationMemory, cells: Cells) -> None:
    """Have nothing more recorded here: from now on the file is that of a process that ended."""
    stop_using(memory)
    if isinstance(cells.made, MappedFile):
        cells.made.close()


_SINK_NAMES = {
    "CloudMonitoringSink": "cloud_monitoring",
    "OtlpSink": "otlp",
    "MemorySink": "memory",
    "NoSink": "none",
}

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
            pipeline_or_none = _pipelines[destination] = Pipeline(destination, is_shared=True)
        pipeline_or_none.users += 1
        return pipeline_or_none


def leave(pipeline: Pipeline, timeout_s: float) -> bool:
    """Flush, and close when nobody else uses it; True when nothing is left to send."""
    with _lock:
        pipeline.users -= 1
        last = pipeline.users <= 0
    pipeline.buffer.forget_handles()
    return pipeline.close(timeout_s) if last else pipeline.flush(timeout_s)


def _after_fork_in_child() -> None:
    global _lock  # noqa: PLW0603 - the parent's may be held by a thread that the child does not have
    _lock = threading.RLock()


os.register_at_fork(after_in_child=_after_fork_in_child)
