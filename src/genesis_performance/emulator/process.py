"""The emulator as a process: serves until it is told to stop, and says on one line when it is ready."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path

from . import state_file
from .cloud import Cloud, Settings
from .server import Server


def serve_until_stopped(
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    http_port: int = 0,
    state: Path | None = None,
    settings: Settings | None = None,
    ends_with_stdin: bool = False,
) -> None:
    """Serve until SIGTERM, SIGINT or, if ``ends_with_stdin``, until the other end of stdin is gone.

    Raises:
        EmulatorError: a port is taken, or the state file can not be used.
    """
    cloud = Cloud(settings)
    if state is not None:
        state_file.load(cloud, state)
    asyncio.run(_serve(cloud, host, port, http_port, ends_with_stdin))
    if state is not None:
        state_file.save(cloud, state)


async def _serve(cloud: Cloud, host: str, port: int, http_port: int, ends_with_stdin: bool) -> None:
    loop, stopping = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    if ends_with_stdin:
        loop.add_reader(sys.stdin.fileno(), stopping.set)
    async with Server(cloud, host=host, port=port, http_port=http_port) as server:
        ready = {"ready": True, "grpc": server.grpc, "http": server.http}
        sys.stdout.write(json.dumps(ready) + "\n")
        sys.stdout.flush()
        await stopping.wait()
