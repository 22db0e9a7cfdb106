"""Start a local Google Cloud from Python: in a thread of this process, or in a process of its own.

``running_emulator`` suits tests: its cloud can be looked into. ``spawn_emulator`` suits demos and anything
that forks: gRPC's threads do not survive a fork, so a process that serves must not fork workers. The workers'
own clients are no problem when each worker makes them after the fork.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import EmulatorError
from . import dependencies

if TYPE_CHECKING:
    from .clock import Clock
    from .cloud import Cloud, Settings

T = TypeVar("T")
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 5.0


class RunningEmulator:
    """An emulator in a thread of this process.

    Attributes:
        grpc, http: ``host:port`` of each front.
        cloud: the state behind them; change it only through ``run``.
    """

    def __init__(self, grpc: str, http: str, cloud: Cloud, loop: asyncio.AbstractEventLoop) -> None:
        self.grpc = grpc
        self.http = http
        self.cloud = cloud
        self._loop = loop

    def run(self, function: Callable[..., T], *arguments: Any, **named: Any) -> T:
        """Call ``function`` where the services run, between two requests."""

        async def call() -> T:
            return function(*arguments, **named)

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result(STOP_TIMEOUT_S)

    def fail(
        self,
        method: str,
        code: str = "UNAVAILABLE",
        *,
        times: int | None = 1,
        delay_ms: float = 0.0,
        probability: float = 1.0,
        applied: bool = False,
    ) -> None:
        """Plant a fault: the next ``times`` calls of ``method`` are late, or answer ``code``, or both.

        With ``applied`` the method does its work all the same: only its answer is lost.
        """
        fields = {
            "method": method,
            "code": code,
            "times": times,
            "delay_ms": delay_ms,
            "probability": probability,
            "applied": applied,
        }
        self.run(self.cloud.faults.add, fields)

    def advance(self, seconds: float) -> None:
        """Move the emulator's clock, and let its services do what that time brings."""

        def advance() -> None:
            self.cloud.clock.advance(seconds)
            self.cloud.tick()

        self.run(advance)

    def freeze(self, frozen: bool = True) -> None:
        """Stop the emulator's clock, or let it run on."""
        self.run(self.cloud.clock.freeze, frozen)

    def calls(self) -> dict[str, int]:
        """Calls since the start by ``package.Service/Method``."""
        return self.run(dict, self.cloud.calls)


@contextlib.contextmanager
def running_emulator(
    *, settings: Settings | None = None, clock: Clock | None = None, port: int = 0, http_port: int = 0
) -> Iterator[RunningEmulator]:
    """A fresh cloud, served from a daemon thread until the block ends.

    Raises:
        EmulatorError: it did not start; the message says why.
    """
    dependencies.check()
    from .cloud import Cloud
    from .server import Server

    cloud = Cloud(settings, clock)
    started: queue.SimpleQueue[RunningEmulator | BaseException] = queue.SimpleQueue()
    stop: list[Callable[[], object]] = []

    async def serve() -> None:
        loop, stopping = asyncio.get_running_loop(), asyncio.Event()
        async with Server(cloud, port=port, http_port=http_port) as server:
            stop.append(lambda: loop.call_soon_threadsafe(stopping.set))
            started.put(RunningEmulator(server.grpc, server.http, cloud, loop))
            await stopping.wait()

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:  # noqa: BLE001  whatever it is, the caller is told
            started.put(error)

    thread = threading.Thread(target=run, name="genesis-emulator", daemon=True)
    thread.start()
    try:
        outcome = started.get(timeout=START_TIMEOUT_S)
    except queue.Empty:
        raise EmulatorError(f"the emulator did not start within {START_TIMEOUT_S:.0f} s") from None
    if isinstance(outcome, BaseException):
        raise outcome
    try:
        yield outcome
    finally:
        stop[0]()
        thread.join(STOP_TIMEOUT_S)


@dataclass(slots=True)
class SpawnedEmulator:
    """An emulator in a process of its own, which ends when this one does, however it ends."""

    grpc: str
    http: str
    process: subprocess.Popen[str]

    @property
    def pid(self) -> int:
        return self.process.pid

    def stop(self) -> None:
        """End it; a second call does nothing."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()

    def __enter__(self) -> SpawnedEmulator:
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()


def spawn_emulator(*, port: int = 0, http_port: int = 0, state: str | Path | None = None) -> SpawnedEmulator:
    """Start an emulator in a process of its own and wait until it serves.

    Raises:
        EmulatorError: it did not start; the message has its own words.
    """
    dependencies.check()
    arguments = {"port": port, "http_port": http_port, "state": str(state) if state else None}
    said = tempfile.TemporaryFile("w+")  # noqa: SIM115  the process writes there as long as it lives
    process = subprocess.Popen(  # noqa: S603  our own interpreter and module
        [sys.executable, "-m", "genesis_performance.emulator", json.dumps(arguments)],
        stdin=subprocess.PIPE,  # held open by us: its end tells the emulator that we are gone
        stdout=subprocess.PIPE,
        stderr=said,
        text=True,
        start_new_session=True,  # Ctrl+C is for the one who spawned it
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    try:
        ready = json.loads(line)
        return SpawnedEmulator(ready["grpc"], ready["http"], process)
    except (ValueError, KeyError):
        process.kill()
        process.communicate()
        said.seek(0)
        words = said.read().strip().splitlines() or ["it said nothing"]
        raise EmulatorError(f"the emulator did not start: {words[-1]}") from None
    finally:
        said.close()
