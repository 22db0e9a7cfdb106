"""An endpoint that Prometheus scrapes, for ASGI and WSGI applications.

Any worker may be asked: the numbers are those of all workers, and the same from each of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Protocol

from ..export.prometheus_text import CONTENT_TYPE


class Monitor(Protocol):
    """What the endpoint needs of a ``PerformanceMonitor``."""

    def prometheus_text(self) -> str: ...


class PrometheusEndpoint:
    """An ASGI application to be mounted, at ``/metrics`` as a rule; its ``wsgi`` is one for WSGI.

    Args:
        monitor: whose metrics are shown. A request after its end is answered with 503.
    """

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[Any]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        if scope["type"] != "http":
            return
        status, body = await asyncio.to_thread(self._answer)  # files of other processes are read
        headers = [(key.lower().encode(), text.encode()) for key, text in _headers(body)]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def wsgi(self, environ: Any, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """The same for WSGI."""
        status, body = self._answer()
        start_response("200 OK" if status == 200 else "503 Service Unavailable", _headers(body))
        return [body]

    def _answer(self) -> tuple[int, bytes]:
        try:
            return 200, self._monitor.prometheus_text().encode()
        except Exception as error:  # noqa: BLE001 - the host's request path
            return 503, f"# {type(error).__name__}\n".encode()


def _headers(body: bytes) -> list[tuple[str, str]]:
    return [("Content-Type", CONTENT_TYPE), ("Content-Length", str(len(body)))]
