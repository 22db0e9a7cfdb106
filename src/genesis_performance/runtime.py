"""The composition root: settings in, the seven parts wired together, one start and one end.

The parts know nothing of each other. Here a profiler's operations reach the monitor (through the
process-wide registry), the store (as a history of intervals) and the optimizer, and a benchmark's results
reach the monitor.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from .config import settings
from .errors import GenesisPerformanceError
from .model.operation import OperationSnapshot
from .operations import Recorder, recorders
from .stats.histogram import difference

if TYPE_CHECKING:
    from .benchmarks import PerformanceBenchmarks
    from .cost import CostOptimizationMonitor
    from .monitor import PerformanceMonitor
    from .optimizer import PerformanceOptimizer
    from .profiler import PerformanceProfiler
    from .regression import RegressionDetector
    from .secrets import OptimizedSecretManager
    from .storage import Store

log = logging.getLogger(__name__)

_Key = tuple[str, tuple[tuple[str, str], ...]]


def start(
    service_name: str,
    *,
    environment: str = "production",
    release: str = "",
    project_id: str | None = None,
    interval_s: float | None = None,
) -> Runtime:
    """Start everything for one service: recording, export, history, refresh of secrets.

    Args:
        service_name: label of the metrics and key of the alerts.
        environment: label of the metrics.
        release: what is deployed, such as a commit or a revision; kept with the history.
        project_id: by default that of the settings; without one everything stays local.
        interval_s: seconds between two records of the history; ``monitoring.write_interval_s`` by default.

    Raises:
        ConfigurationError: the settings are wrong.
    """
    runtime = Runtime(
        service_name, environment=environment, release=release, project_id=project_id, interval_s=interval_s
    )
    runtime.start()
    return runtime


class Runtime:
    """The seven parts of one process over one store; making one starts nothing.

    Each part is made when it is first used.
    """

    def __init__(
        self,
        service_name: str,
        *,
        environment: str = "production",
        release: str = "",
        project_id: str | None = None,
        interval_s: float | None = None,
    ) -> None:
        self.service_name = service_name
        self.environment = environment
        self.release = release
        self._project_id = project_id
        self._interval_s = interval_s
        self._history: History | None = None

    @cached_property
    def store(self) -> Store:
        from .storage import open_store

        return open_store()

    @cached_property
    def profiler(self) -> PerformanceProfiler:
        from .profiler import PerformanceProfiler

        return PerformanceProfiler(store=self.store)

    @cached_property
    def monitor(self) -> PerformanceMonitor:
        from .monitor import PerformanceMonitor

        return PerformanceMonitor(
            project_id=self._project_id,
            service_name=self.service_name,
            environment=self.environment,
            store=self.store,
        )

    @cached_property
    def benchmarks(self) -> PerformanceBenchmarks:
        from .benchmarks import PerformanceBenchmarks

        return PerformanceBenchmarks(
            store=self.store,
            project_id=self._project_id,
            publish=self.monitor.record_performance_metric,
        )

    @cached_property
    def regression(self) -> RegressionDetector:
        from .regression import RegressionDetector

        return RegressionDetector(store=self.store)

    @cached_property
    def optimizer(self) -> PerformanceOptimizer:
        from .optimizer import PerformanceOptimizer

        return PerformanceOptimizer(project_id=self._project_id, store=self.store)

    @cached_property
    def cost(self) -> CostOptimizationMonitor:
        from .cost import CostOptimizationMonitor

        return CostOptimizationMonitor(project_id=self._project_id, store=self.store)

    @cached_property
    def secrets(self) -> OptimizedSecretManager:
        from .secrets import OptimizedSecretManager

        return OptimizedSecretManager(self._project_id)

    def start(self) -> None:
        """Begin to export and to keep history; flush when the process is asked to end."""
        from .export import flush_at_sigterm

        _ = self.profiler
        self.monitor.start()
        if settings().secret_manager.background_optimization:
            self.secrets.start_optimization()
        if self._history is None:
            history = History(self, self._interval_s or settings().monitoring.write_interval_s)
            if history.start():
                self._history = history
        if threading.current_thread() is threading.main_thread():
            flush_at_sigterm()

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Write the history and send what was recorded; True when nothing is left."""
        if self._history is not None:
            self._history.write()
        return bool(self.monitor.flush(timeout_s))

    def close(self, timeout_s: float = 5.0) -> None:
        """Flush, then end every part. Closing twice is the same as closing once."""
        if self._history is not None:
            self._history.close()
            self._history = None
        made = self.__dict__  # the parts that were used
        if "monitor" in made:
            self.monitor.close(timeout_s)
        if "profiler" in made:
            self.profiler.close()  # and kept: what it recorded lives as long as it does
        for name in ("secrets", "optimizer", "cost", "regression", "benchmarks", "store"):
            close = getattr(made.pop(name, None), "close", None)
            if close is not None:
                close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


_keeper: History | None = None
_keeper_lock = threading.RLock()


class History:
    """Writes what every operation did in each interval into the store, from a thread of its own.

    A store that can not be written costs the history and nothing else: it is logged once, and counted.
    """

    def __init__(
        self, runtime: Runtime, interval_s: float, *, wall_clock_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self._runtime = runtime
        self._interval_s = interval_s
        self._wall_clock_ns = wall_clock_ns
        self._begin_unix_ns = wall_clock_ns()
        self._first_unix_ns = self._begin_unix_ns
        self._last: dict[int, dict[_Key, OperationSnapshot]] = {}
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self.failures = 0

    def start(self) -> bool:
        """Begin to write, unless another runtime of this process does: one writes for every recorder."""
        global _keeper  # noqa: PLW0603 - one history a process
        from .export.at_end import watch

        with _keeper_lock:
            if _keeper is not None and _keeper is not self and not _keeper.is_closed:
                log.warning(
                    "runtime %r keeps the history of this process already; %r adds none of its own. "
                    "Close the first one to hand over",
                    _keeper._runtime.service_name,
                    self._runtime.service_name,
                )
                return False
            _keeper = self
        watch(self)
        self._thread = threading.Thread(target=self._run, name="genesis-history", daemon=True)
        self._thread.start()
        return True

    def close(self) -> None:
        """End the thread and write the last interval."""
        self._ended.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(self._interval_s)
        self.write()

    def write(self) -> None:
        """Write what happened since the last time; never raises."""
        with self._lock:
            now_unix_ns = self._wall_clock_ns()
            try:
                for recorder in recorders():
                    self._write_operations(recorder, now_unix_ns)
                    self._write_repeats(recorder, now_unix_ns)
            except GenesisPerformanceError as error:
                self.failures += 1
                if self.failures == 1:
                    log.warning("the history of operations is not kept: %s", error)
            self._begin_unix_ns = now_unix_ns

    def _run(self) -> None:
        while not self._ended.wait(self._interval_s):
            self.write()

    def _write_operations(self, recorder: Recorder, now_unix_ns: int) -> None:
        from .storage import Kind, to_body

        before = self._last.get(id(recorder), {})
        now = {(snapshot.name, snapshot.labels): snapshot for snapshot in recorder.snapshots()}
        self._last[id(recorder)] = now
        for key, snapshot in now.items():
            happened = difference(snapshot, before.get(key))
            if happened.count:
                body = self._common() | {
                    "begin_unix_ns": self._begin_unix_ns,
                    "end_unix_ns": now_unix_ns,
                    "snapshot": to_body(happened),
                }
                self._runtime.store.append(Kind.OPERATION, snapshot.name, body)

    def _write_repeats(self, recorder: Recorder, now_unix_ns: int) -> None:
        from .storage import Kind, to_body

        for call in recorder.repeated_calls():
            common = self._common()
            key = (
                f"{common['service']}/{common['release']}/{call.operation}/{call.kind}/{call.key}/{call.site}"
            )
            window_s = (now_unix_ns - self._first_unix_ns) / 1e9
            self._runtime.store.put(
                Kind.REPEATED_CALL, key, common | {"window_s": window_s, "call": to_body(call)}
            )

    def _common(self) -> dict[str, Any]:
        return {
            "service": self._runtime.service_name,
            "environment": self._runtime.environment,
            "release": self._runtime.release,
            "pid": os.getpid(),
        }

    # What export.at_end asks of whoever has something to write when the process ends or forks:

    @property
    def is_closed(self) -> bool:
        return self._ended.is_set()

    @property
    def is_running(self) -> bool:
        return self._thread is not None

    def begin_flush(self, timeout_s: float, *, final: bool) -> None:
        self.write()

    def wait(self, flush: None, timeout_s: float) -> bool:
        return True

    def after_fork_in_child(self) -> None:
        """The child has no thread and has recorded nothing yet."""
        global _keeper_lock  # noqa: PLW0603 - a thread of the parent may hold it
        _keeper_lock = threading.RLock()
        self._lock = threading.RLock()
        self._last = {}
        self._begin_unix_ns = self._first_unix_ns = self._wall_clock_ns()
        if self.is_running and not self.is_closed:
            self._ended = threading.Event()
            self.start()
