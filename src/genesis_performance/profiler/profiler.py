"""The profiler: time operations, watch the process during a session, report what was found."""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, overload

from ..errors import GenesisPerformanceError, InvalidInputError, StateError
from ..operations import Execution, NullExecution, Recorder, recorded, register

if TYPE_CHECKING:
    from ..config.profiler import ProfilerConfig
    from ..model.profile import ProfileReport
    from ..storage import LazyStore, Store
    from .session import Session

F = TypeVar("F", bound=Callable[..., Any])

MAX_ID_LENGTH = 200


class PerformanceProfiler:
    """Times named operations of this process, always, and samples its resources during sessions.

    Making one starts nothing. Recording an operation never raises and takes no lock; monitors of the
    same process find what was recorded by themselves.

    Args:
        config: how to record; the process's settings by default.
        store: where reports are kept (a store or its URL) when ``enable_persistent_storage`` is set; the
            configured store by default.
        gcp_project_id, project_id: two names of the same, as every part accepts them; the profiler itself
            calls nothing in Google Cloud.
    """

    def __init__(
        self,
        config: ProfilerConfig | None = None,
        *,
        store: Store | str | None = None,
        gcp_project_id: str | None = None,
        project_id: str | None = None,
    ) -> None:
        if gcp_project_id is not None or project_id is not None:
            from ..config import project_argument  # most profilers are given none: a cold start is shorter

            project_argument(gcp_project_id, project_id)
        # Settings, and msgspec below them, are most of a cold start: not before somebody makes a profiler.
        from ..config.profiler import ProfilerConfig

        if config is not None and not isinstance(config, ProfilerConfig):
            raise InvalidInputError(f"config is {config!r}; it must be a ProfilerConfig")
        if config is None:
            from ..config import settings

            config = settings().profiler
        self.config = config
        self.recorder = Recorder(
            enabled=self.config.enabled,
            cpu=self.config.cpu,
            max_operations=self.config.max_operations,
        )
        if type(self).profile_context is PerformanceProfiler.profile_context:
            # The recorder's own method, without a call of ours around it; the one below documents it.
            self.profile_context = self.recorder.operation  # type: ignore[method-assign,assignment]
        register(self.recorder)
        self._given_store = store
        self._store: LazyStore | None = None  # made with the first report: storage is not loaded before
        self._lock = threading.Lock()
        self._sessions: dict[str, Session] = {}
        self._history: deque[ProfileReport] = deque(maxlen=self.config.max_profile_history)
        self._numbers = itertools.count(1)

    def profile_context(
        self, operation_name: str, labels: Mapping[str, str] | None = None
    ) -> Execution | NullExecution:
        """A context manager that records its body under a name; never raises.

        Around an ``await`` it measures wall time only: the thread's CPU clock would also count the other
        tasks. ``profile_function`` on a coroutine function measures both.
        """
        return self.recorder.operation(operation_name, labels)

    @overload
    def profile_function(self, function: F, /) -> F: ...

    @overload
    def profile_function(
        self, function: str | None = None, operation_name: str | None = None
    ) -> Callable[[F], F]: ...

    def profile_function(self, function: Any = None, operation_name: str | None = None) -> Any:
        """Decorate a function, coroutine function or generator function; each call is one execution.

        Used bare or with a name; without one the operation is called ``module.qualified_name``.
        """
        if callable(function):
            name = operation_name or f"{function.__module__}.{function.__qualname__}"
            return recorded(self.recorder, function, name)
        name = operation_name or function

        def decorate(decorated: F) -> F:
            used = name or f"{decorated.__module__}.{decorated.__qualname__}"
            return recorded(self.recorder, decorated, used)  # type: ignore[return-value]

        return decorate

    def start_profiling(self, profile_id: str | None = None) -> str:
        """Start a session and return its id; several may run at once.

        Raises:
            StateError: a session with this id runs.
        """
        from .session import Session  # a host that only records does not pay for sessions

        if profile_id is not None and (
            not isinstance(profile_id, str) or not 0 < len(profile_id) <= MAX_ID_LENGTH
        ):
            raise InvalidInputError(
                f"profile_id is {profile_id!r:.80}; it must be text of 1 to {MAX_ID_LENGTH} characters"
            )
        with self._lock:
            chosen = profile_id or self._free_id()
            if chosen in self._sessions:
                raise StateError(f"profile {chosen!r} is running already; stop it first, or leave the id out")
            self._sessions[chosen] = Session(chosen, self.recorder, self.config)
        return chosen

    def stop_profiling(self, profile_id: str) -> ProfileReport:
        """End a session, from any thread, and return what it measured.

        Raises:
            StateError: no session with this id runs.
        """
        with self._lock:
            session = self._sessions.pop(profile_id, None)
            running = sorted(self._sessions)
        if session is None:
            now = f"running now: {', '.join(running)}" if running else "none is running"
            raise StateError(f"profile {profile_id!r} is not running; {now}")
        report = session.stop()
        self._history.append(report)
        if self.config.enable_persistent_storage:
            self._keep(report)
        return report

    @property
    def history(self) -> tuple[ProfileReport, ...]:
        """The last reports of this process, oldest first; ``max_profile_history`` of them."""
        return tuple(self._history)

    def close(self) -> None:
        """Close the store, if it was opened here. Operations are still recorded."""
        if self._store is not None:
            self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _free_id(self) -> str:
        return next(chosen for n in self._numbers if (chosen := f"profile-{n}") not in self._sessions)

    def _keep(self, report: ProfileReport) -> None:
        """Store the report; a store that can not be written costs the history, not the report."""
        from ..storage import Kind, LazyStore, to_body

        try:
            if self._store is None:
                self._store = LazyStore(self._given_store)
            store = self._store.opened()
            # Ids such as profile-1 come again in the next process: the start tells the reports apart.
            key = f"{report.profile_id}/{report.start_unix_ns}"
            store.append(Kind.PROFILE, key, to_body(report))
            self._trim(store)
        except GenesisPerformanceError as error:
            import logging  # not at the top: it is a third of a cold start's import

            log = logging.getLogger(__name__)
            log.warning("profile %r is not kept: %s", report.profile_id, error)

    def _trim(self, store: Store) -> None:
        """Delete stored reports beyond ``max_profile_history`` or older than ``retention_days``."""
        from ..storage import Kind

        oldest_ns = time.time_ns() - self.config.retention_days * 86_400 * 10**9
        for place, record in enumerate(store.list(Kind.PROFILE)):
            if place >= self.config.max_profile_history or record.at_unix_ns < oldest_ns:
                store.delete(Kind.PROFILE, record.key)
