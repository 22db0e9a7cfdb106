"""Serves one cloud: gRPC on one port, HTTP on another, on loopback unless told otherwise."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
from collections.abc import Iterator
from types import TracebackType
from typing import Any

import grpc
import uvicorn

from ..errors import EmulatorError
from .cloud import Cloud
from .grpc_front import Front
from .http_front import application

log = logging.getLogger(__name__)

GRPC_OPTIONS = (
    ("grpc.so_reuseport", 0),  # else a second emulator would silently share the port
    ("grpc.max_receive_message_length", 64 << 20),
    ("grpc.max_send_message_length", -1),
)
TICK_S = 1.0
STOP_GRACE_S = 0.1  # for calls on their way; without any, stopping takes no time


class Server:
    """``async with Server(cloud) as server``: serving on ``server.grpc`` and ``server.http``.

    Args:
        port, http_port: 0 picks a free one.

    Raises:
        EmulatorError: a port is taken or may not be used.
    """

    def __init__(self, cloud: Cloud, *, host: str = "127.0.0.1", port: int = 0, http_port: int = 0) -> None:
        self.cloud = cloud
        self.grpc = self.http = ""
        self._host, self._port, self._http_port = host, port, http_port
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Server:
        async with contextlib.AsyncExitStack() as stack:
            await self._start_grpc(stack)
            await self._start_http(stack)
            ticking = asyncio.create_task(self._tick(), name="genesis-emulator-tick")
            stack.push_async_callback(_cancelled, ticking)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def _start_grpc(self, stack: contextlib.AsyncExitStack) -> None:
        if self._port:  # gRPC's own error does not say why a port can not be used
            _listening(self._host, self._port, "--port").close()
        server = grpc.aio.server(options=GRPC_OPTIONS)
        server.add_generic_rpc_handlers((Front(self.cloud),))
        try:
            port = server.add_insecure_port(_address(self._host, self._port))
        except RuntimeError as error:
            raise EmulatorError(f"gRPC can not listen on {self._host}:{self._port}: {error}") from error
        await server.start()
        stack.push_async_callback(server.stop, STOP_GRACE_S)
        self.grpc = _address(self._host, port)

    async def _start_http(self, stack: contextlib.AsyncExitStack) -> None:
        listening = stack.enter_context(_listening(self._host, self._http_port, "--http-port"))
        self.http = _address(self._host, listening.getsockname()[1])
        server = _HttpServer(application(self.cloud))
        serving = asyncio.create_task(server.serve(sockets=[listening]), name="genesis-emulator-http")
        stack.push_async_callback(_finished, serving)
        stack.callback(server.stopping.set)
        await server.ready.wait()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            try:
                self.cloud.tick()
            except Exception as error:  # noqa: BLE001  the next tick must still come
                self.cloud.internal_errors += 1
                log.error("the emulator's tick failed: %s", type(error).__name__)


class _HttpServer(uvicorn.Server):
    """uvicorn as a guest in our event loop: signals are the host's, and stopping does not wait for a poll."""

    def __init__(self, app: Any) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
            )
        )
        self.ready = asyncio.Event()
        self.stopping = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    async def main_loop(self) -> None:
        await self.stopping.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _listening(host: str, port: int, option: str) -> socket.socket:
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(128)
    except (OSError, OverflowError) as error:
        listening.close()
        taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        why = "is taken by another process" if taken else f"can not be used: {error}"
        raise EmulatorError(
            f"port {port} on {host} {why}. Stop what listens there, or choose another with {option} "
            f"({option} 0 picks a free one)."
        ) from error
    return listening


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def _finished(task: asyncio.Task[None]) -> None:
    await task
