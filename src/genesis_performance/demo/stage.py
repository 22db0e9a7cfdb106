"""What every demonstration stands on: an emulator, a store, traffic, a screen, and a clean end."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from .. import config
from ..emulator import spawn_emulator
from ..errors import GenesisPerformanceError
from ..storage import open_store
from . import records
from .cloud import PROJECT
from .processes import WebProcess, child_environment, free_port
from .screen import Row, Screen

if TYPE_CHECKING:
    from ..emulator.running import SpawnedEmulator
    from ..storage import Store
    from .traffic import Traffic

T = TypeVar("T")
S = TypeVar("S", bound="Stage")

LOOK_EVERY_S = 0.25
ROWS_EVERY_S = 1.0
ROWS_WINDOW_S = 8.0
WRITE_INTERVAL_S = 5
"""The shortest that Cloud Monitoring takes."""


class StepFailedError(GenesisPerformanceError):
    """A step of the story did not happen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step(Generic[S]):
    """Something that must happen, and where it is seen.

    Args:
        name: what is waited for, as a sentence.
        kind: its word in the log.
        holds: what was found in the cloud and the store, in words; None when it did not happen yet. A
            contradiction raises AssertionError.
    """

    name: str
    kind: str
    deadline_s: float
    holds: Callable[[S], str | None]


class Stage:
    """One running demonstration; leaving it ends every process and deletes every file of it.

    Args:
        service: the ``service`` label of the application.
    """

    def __init__(self, screen: Screen, service: str) -> None:
        self.screen = screen
        self.service = service
        self.folder = Path(tempfile.mkdtemp(prefix="genesis-demo-"))
        self.traffic: Traffic | None = None
        self._end = ExitStack()
        self._end.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self._rows: tuple[float, list[Row]] = (0.0, [])
        self._store: Store | None = None

    def set_up(self) -> None:
        """Start the local Google Cloud, and let this process use it."""
        self.screen.say("SETUP", "starting a local Google Cloud: Cloud Monitoring and Secret Manager")
        self.emulator: SpawnedEmulator = self.during("the emulator starts", spawn_emulator)
        self._end.callback(self.emulator.stop)
        self.variables = {
            "GENESIS_PERF_EMULATOR": self.emulator.grpc,
            "GENESIS_PERF_EMULATOR_HTTP": self.emulator.http,
            "GENESIS_PERF__MONITORING__WRITE_INTERVAL_S": str(WRITE_INTERVAL_S),
            "GENESIS_PERF__MONITORING__BUFFER_DIR": str(self.folder / "metrics"),
            "GENESIS_PERF__STORAGE__URL": f"sqlite:///{self.folder / 'history.db'}",
            "GOOGLE_CLOUD_PROJECT": PROJECT,
        }
        self._end.enter_context(_environment(self.variables))
        self._store = open_store()
        self._end.callback(self._store.close)
        self.screen.say(
            "SETUP",
            f"emulator ready: gRPC {self.emulator.grpc}, HTTP {self.emulator.http}; no account needed",
        )

    @property
    def store(self) -> Store:
        assert self._store is not None, "set_up comes first"
        return self._store

    def at_end(self, callback: Callable[[], object]) -> None:
        """Call this before what was started earlier is ended."""
        self._end.callback(callback)

    def start_web(self, name: str, arguments: Callable[[int], Sequence[str]], ready: str) -> WebProcess:
        """Start a web server in a process of its own and wait until it answers ``ready``."""
        port = free_port()
        process = WebProcess(
            name,
            arguments(port),
            port=port,
            environment=child_environment(self.variables),
            folder=self.folder,
        )
        self._end.callback(process.stop)
        self.during(f"{name} starts", lambda: process.wait_until_ready(ready))
        return process

    def during(self, what: str, function: Callable[[], T]) -> T:
        """Run a function in a thread and keep the screen alive meanwhile."""
        outcome: list[T] = []
        failure: list[BaseException] = []

        def run() -> None:
            try:
                outcome.append(function())
            except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
                failure.append(error)

        thread = threading.Thread(target=run, name="genesis-demo-step", daemon=True)
        thread.start()
        while thread.is_alive():
            self.look(what)
            thread.join(LOOK_EVERY_S)
        if failure:
            raise failure[0]
        return outcome[0]

    def play(self: S, step: Step[S]) -> str:
        """Wait until the step holds, and say so.

        Raises:
            StepFailedError: it did not happen in time, could not be looked for, or something else was found.
        """
        ends = time.monotonic() + step.deadline_s
        while True:
            try:
                found = step.holds(self)
            except (AssertionError, GenesisPerformanceError, OSError) as error:
                raise StepFailedError(f"step '{step.name}': {error}") from error
            if found is not None:
                self.screen.say(step.kind, found)
                return found
            if time.monotonic() > ends:
                raise StepFailedError(f"step '{step.name}' did not happen within {step.deadline_s:.0f} s")
            self.pause(LOOK_EVERY_S * 2, f"until {step.name}")

    def pause(self, seconds: float, what: str) -> None:
        """Let time pass with the screen alive."""
        ends = time.monotonic() + seconds
        while (left := ends - time.monotonic()) > 0:
            self.look(what)
            time.sleep(min(left, LOOK_EVERY_S))

    def look(self, what: str) -> None:
        """Refresh the screen from what the store holds."""
        self.screen.show(what, self.rows())

    def rows(self) -> list[Row]:
        """The operations of the last seconds, read again once a second."""
        read_at, rows = self._rows
        if self._store is not None and time.monotonic() - read_at >= ROWS_EVERY_S:
            rows = _rows(self._store, self.service)
            self._rows = (time.monotonic(), rows)
        return rows

    @property
    def known_rows(self) -> list[Row]:
        """The rows as last read."""
        return self._rows[1]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.close()


def _rows(store: Store, service: str) -> list[Row]:
    now_ns = time.time_ns()
    found = records.intervals(store, service, since_unix_ns=now_ns - 60_000_000_000)
    if not found:
        return []
    # One span for all: an operation that did not run in an interval has no record of it.
    newest = max(one.end_unix_ns for one in found)
    begin = max(newest - ROWS_WINDOW_S * 1e9, min(one.begin_unix_ns for one in found))
    span_s = (newest - begin) / 1e9
    made = []
    for name in sorted({one.snapshot.name for one in found}):
        mine = [one for one in found if one.snapshot.name == name]
        latest = [one for one in mine if one.begin_unix_ns >= begin - LOOK_EVERY_S * 1e9]
        if not latest:
            continue
        (total,) = records.merged(latest)
        made.append(
            Row(
                operation=name,
                release=latest[-1].release,
                rate_per_s=total.count / span_s,
                p50_ms=records.quantile_ms(total, 0.5),
                p95_ms=records.quantile_ms(total, 0.95),
                errors=total.errors,
                trend_ms=tuple(one.p95_ms for one in mine),
            )
        )
    return made


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """This process's settings are those of the demo, until the end."""
    before = dict(os.environ)
    wanted = child_environment(variables)
    _replace_environment(wanted)
    try:
        yield
    finally:
        from ..gcp import close_all

        close_all()
        _replace_environment(before)


def _replace_environment(wanted: Mapping[str, Any]) -> None:
    for name in set(os.environ) - set(wanted):
        del os.environ[name]
    os.environ.update(wanted)
    config.reset()
