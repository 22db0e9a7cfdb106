"""The profiler: time operations, watch the process during a session, report what was found."""

from __future__ import annotations

import _thread
import contextlib
import itertools
import os
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, overload

from ..errors import GenesisPerformanceError, InvalidInputError, StateError
from ..operations import Execution, NullExecution, Recorder, recorded, register

if TYPE_CHECKING:
    from ..config.profiler import ProfilerConfig
    from ..model.profile import ProfileReport
    from ..storage import LazyStore, Store
    from .session import Session

F = TypeVar("F", bound=Callable[..., Any])

MAX_ID_LENGTH = 200
MAX_UPLOAD_FAILURES = 10

_profilers: weakref.WeakSet[PerformanceProfiler] = weakref.WeakSet()


class PerformanceProfiler:
    """Times named operations of this process, always, and samples its resources during sessions.

    Making one starts nothing. Recording an operation never raises and takes no lock; monitors of the
    same process find what was recorded by themselves.

    Args:
        config: how to record; the process's settings by default.
        store: where reports are kept (a store or its URL) when ``enable_persistent_storage`` is set; the
            configured store by default.
        gcp_project_id, project_id: two names of the same, as every part accepts them; where sessions are
            uploaded to if ``cloud_profiler`` is set. Nothing else here calls Google Cloud.
    """

    def __init__(
        self,
        config: ProfilerConfig | None = None,
        *,
        store: Store | str | None = None,
        gcp_project_id: str | None = None,
        project_id: str | None = None,
    ) -> None:
        self._project_id: str | None = None
        if gcp_project_id is not None or project_id is not None:
            from ..config import project_argument  # most profilers are given none: a cold start is shorter

            self._project_id = project_argument(gcp_project_id, project_id)
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
            self.profile_context = self.recorder.operation  # type: ignore[method-assign]
        register(self.recorder)
        self._given_store = store
        self._store: LazyStore | None = None  # made with the first report: storage is not loaded before
        self._upload_failures: deque[str] = deque(maxlen=MAX_UPLOAD_FAILURES)
        self._lock = threading.Lock()
        self._sessions: dict[str, Session] = {}
        self._history: deque[ProfileReport] = deque(maxlen=self.config.max_profile_history)
        self._numbers = itertools.count(1)
        _profilers.add(self)
        # Nobody could stop them any more: they would sample, with a shorter switch interval, for ever.
        weakref.finalize(self, _end_unreachable, self._sessions).atexit = False

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

    def start_profiling(
        self, profile_id: str | None = None, *, fidelity: Literal["high", "standard"] | None = None
    ) -> str:
        """Start a session and return its id; several may run at once.

        Args:
            fidelity: for this session only, as ``ProfilerConfig.fidelity``.

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
        if fidelity not in (None, "high", "standard"):
            raise InvalidInputError(f'fidelity is {fidelity!r:.80}; it must be "high" or "standard"')
        config = self.config
        if fidelity is not None:
            from msgspec.structs import replace

            config = replace(config, fidelity=fidelity)
        with self._lock:
            chosen = profile_id or self._free_id()
            if chosen in self._sessions:
                raise StateError(f"profile {chosen!r} is running already; stop it first, or leave the id out")
            self._sessions[chosen] = Session(chosen, self.recorder, config)
        return chosen

    def stop_profiling(self, profile_id: str) -> ProfileReport:
        """End a session, from any thread, and return what it measured.

        Raises:
            StateError: no session with this id runs.
        """
        with self._lock:
            session = self._sessions.pop(profile_id, None) if isinstance(profile_id, str) else None
            running = sorted(self._sessions)
        if session is None:
            now = f"running now: {', '.join(running)}" if running else "none is running"
            raise StateError(f"profile {profile_id!r:.80} is not running; {now}")
        report = session.stop()
        self._history.append(report)
        if self.config.enable_persistent_storage:
            self._keep(report)
        if self.config.cloud_profiler:
            from .background_upload import upload_later

            upload_later(report, self.config, self._project_id, self._upload_failures)
        return report

    @property
    def upload_failures(self) -> tuple[str, ...]:
        """Why the last sessions could not be uploaded to Cloud Profiler; the log has it too."""
        return tuple(self._upload_failures)

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


def _end_unreachable(sessions: dict[str, Session]) -> None:
    """End the sessions of a profiler that is gone.

    In a thread: the collector may have stopped any thread, the sampler's too, where it holds a lock that
    this needs.
    """
    if not sessions or sys.is_finalizing():
        return

    def end() -> None:
        import logging

        for name, session in sessions.items():
            try:
                session.stop()
            except Exception:
                logging.getLogger(__name__).exception("profile %r could not be ended", name)
            else:
                logging.getLogger(__name__).warning("profile %r ended: its profiler is gone", name)

    def begin() -> None:
        threading.Thread(target=end, name="genesis-ending", daemon=True).start()

    with contextlib.suppress(RuntimeError):  # no thread can be started
        _thread.start_new_thread(begin, ())  # a lock is taken by threading.Thread's start, none by this


def _after_fork_in_child() -> None:
    """No session runs in the child: its sampler, and whatever held the lock, stayed with the parent."""
    for profiler in list(_profilers):
        profiler._lock = threading.Lock()
        sessions = list(profiler._sessions.values())
        profiler._sessions.clear()
        for session in sessions:
            session.abandon()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
