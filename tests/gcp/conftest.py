"""Settings of each test's own, and a server on the wire that answers what the test wrote down."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from concurrent import futures
from typing import Any

import grpc
import pytest

from genesis_performance import config, gcp
from genesis_performance.config.loading import VARIABLES
from genesis_performance.gcp import project


@pytest.fixture(autouse=True)
def own_settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for variable in (*VARIABLES, "GENESIS_PERF_CONFIG", "GOOGLE_APPLICATION_CREDENTIALS"):
        monkeypatch.delenv(variable, raising=False)
    config.reset()
    project.reset()
    yield
    gcp.close_all()
    config.reset()
    project.reset()


class Wire:
    """A gRPC server. ``answers[method]`` is a list: a message, a status code, or a code with RetryInfo.

    The last answer is given again and again.
    """

    def __init__(self) -> None:
        self.answers: dict[str, list[Any]] = defaultdict(list)
        self.requests: list[tuple[str, bytes]] = []
        self.metadata: list[dict[str, Any]] = []
        self.deadlines_s: list[float] = []
        self._server = grpc.server(futures.ThreadPoolExecutor(8))
        self._server.add_generic_rpc_handlers((_Everything(self),))
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def handle(self, path: str, request: bytes, context: grpc.ServicerContext) -> bytes:
        method = path.rpartition("/")[2]
        self.requests.append((method, request))
        self.metadata.append(dict(context.invocation_metadata()))
        self.deadlines_s.append(context.time_remaining())
        queue = self.answers[method]
        answer = queue.pop(0) if len(queue) > 1 else queue[0]
        if isinstance(answer, tuple):
            answer, trailer = answer
            context.set_trailing_metadata((("grpc-status-details-bin", trailer.SerializeToString()),))
        if isinstance(answer, grpc.StatusCode):
            context.abort(answer, "as the test says")
        return type(answer).serialize(answer)

    def stop(self) -> None:
        self._server.stop(None).wait()


class _Everything(grpc.GenericRpcHandler):
    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def service(self, details: Any) -> Any:
        return grpc.unary_unary_rpc_method_handler(lambda r, c: self._wire.handle(details.method, r, c))


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    wire = Wire()
    monkeypatch.setenv("GENESIS_PERF_EMULATOR", wire.address)
    config.reset()
    yield wire
    wire.stop()
