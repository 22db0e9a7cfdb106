"""ASGI middleware: every HTTP request of a FastAPI, Starlette or other ASGI application is an operation.

An operation is called ``METHOD /route/{template}``. The template is looked up after the application ran,
when the router has left it in the scope; a request that matched no route is ``METHOD <unmatched>``. The raw
path is never a name: it holds ids and comes from outside.

The duration ends with the last body chunk, so streamed responses are measured whole and background tasks are
not. Responses from 500 on count as errors. Nothing of ours ever raises into the application.

Source: https://asgi.readthedocs.io/en/latest/specs/www.html
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Naming = Callable[[Scope], str]

UNMATCHED = "<unmatched>"
OTHER_METHOD = "OTHER"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"})
"""Of RFC 9110 and 5789; a client may send any other word, and each would be a new operation."""

MAX_MOUNTS = 20
"""Nested mounts that are followed; deeper is surely a loop."""


class ServerError(Exception):
    """Never raised: the name under which responses from 500 on are counted."""


class Profiler(Protocol):
    """What the middleware needs of a ``PerformanceProfiler``."""

    def profile_context(self, operation_name: str) -> Any: ...


class PerformanceMiddleware:
    """Records each HTTP request; add it last, so that it is outermost.

    Args:
        app: the ASGI application within.
        profiler: records the operations; one of its own by default.
        server_timing: send ``Server-Timing: app;dur=…`` (milliseconds to the first byte), which browsers
            show. Switch it off where that tells strangers too much.
        operation_name: the route template of a finished request, for applications whose router leaves none in
            the scope; return ``""`` for the built-in look-up.

    Attributes:
        disconnects: clients that left before the response was complete. They are recorded, and no errors.
        failures: faults of our own, logged once.
    """

    def __init__(
        self,
        app: App,
        *,
        profiler: Profiler | None = None,
        server_timing: bool = True,
        operation_name: Naming | None = None,
    ) -> None:
        self.app = app
        self._profiler = profiler
        self._server_timing = server_timing
        self._operation_name = operation_name
        self.disconnects = 0
        self.failures = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = self._request(scope)
        if request is None:
            await self.app(scope, receive, send)
            return
        # Entered here and not in a function: from the caller's frame the recorder sees that the body awaits,
        # and leaves the CPU clock alone.
        try:
            request.execution.__enter__()
        except Exception:  # noqa: BLE001 - the host's request must go on
            self._count_failure()
            await self.app(scope, receive, send)
            return
        try:
            await self.app(scope, request.receiving(receive), request.sending(send))
        except BaseException as error:
            request.end(type(error))
            raise
        request.end(None)

    def template(self, scope: Scope) -> str:
        """The route template of a finished request."""
        if self._operation_name is not None:
            named = self._operation_name(scope)
            if named:
                return named
        return route_template(scope)

    def _request(self, scope: Scope) -> _Request | None:
        try:
            if self._profiler is None:
                from ..profiler import PerformanceProfiler

                self._profiler = PerformanceProfiler()
            method = scope.get("method", "")
            verb = method if method in METHODS else OTHER_METHOD
            return _Request(self, scope, verb, self._profiler.profile_context(f"{verb} {UNMATCHED}"))
        except Exception:  # noqa: BLE001 - the host's request must go on
            self._count_failure()
            return None

    def _count_failure(self) -> None:
        self.failures += 1
        if self.failures == 1:
            log.warning("requests can not be recorded; later failures are only counted", exc_info=True)  # noqa: LOG014


class _Request:
    """One request, from its first byte to its last."""

    __slots__ = (
        "_begin_ns",
        "_ended",
        "_middleware",
        "_root_path",
        "_scope",
        "_status",
        "_verb",
        "execution",
    )

    def __init__(
        self,
        middleware: PerformanceMiddleware,
        scope: Scope,
        verb: str,
        execution: AbstractContextManager[Any],
    ) -> None:
        self._middleware = middleware
        self._scope = scope
        self._verb = verb
        self.execution: Any = execution
        self._status = 0
        self._ended = False
        self._begin_ns = time.perf_counter_ns()

    def receiving(self, receive: Receive) -> Receive:
        async def received() -> Message:
            message = await receive()
            if message.get("type") == "http.disconnect" and not self._ended:
                self._middleware.disconnects += 1
                self.end(None)
            return message

        return received

    def sending(self, send: Send) -> Send:
        async def sent(message: Message) -> None:
            kind = message.get("type")
            if kind == "http.response.start":
                message = self._started(message)
            await send(message)
            if kind == "http.response.body" and not message.get("more_body", False):
                self.end(None)

        return sent

    def end(self, error: type[BaseException] | None) -> None:
        """Record the request; only the first call counts."""
        if self._ended:
            return
        self._ended = True
        try:
            self._rename()
            if error is None and self._status >= 500:
                self.execution.fail(ServerError)
        except Exception:  # noqa: BLE001 - the host's request must go on
            self._middleware._count_failure()
        try:
            self.execution.__exit__(error, None, None)
        except Exception:  # noqa: BLE001 - the host's request must go on
            self._middleware._count_failure()

    def _rename(self) -> None:
        template = self._middleware.template(self._scope)
        if template != UNMATCHED:
            self.execution.rename(f"{self._verb} {template}")

    def _started(self, message: Message) -> Message:
        try:
            self._status = int(message.get("status", 0))
            if not self._middleware._server_timing:
                return message
            elapsed_ms = (time.perf_counter_ns() - self._begin_ns) / 1e6
            timing = (b"server-timing", f"app;dur={elapsed_ms:.1f}".encode())
            return {**message, "headers": [*message.get("headers", ()), timing]}
        except Exception:  # noqa: BLE001 - the host's response must go out as it is
            self._middleware._count_failure()
            return message


def route_template(scope: Scope) -> str:
    """The whole template of the route that answered, mounts and router prefixes included.

    FastAPI keeps the effective path of an included router in a context of its own (its ``route.path`` is only
    the leaf). A mount leaves no trace but raw values in ``root_path``; its template is found again by walking
    the routes that the outermost router holds.
    """
    inner = scope.get("fastapi")
    context = inner.get("effective_route_context") if isinstance(inner, dict) else None
    route = scope.get("route")
    # Starlette leaves a mount there when nothing below it is a route.
    leaf = _text(context, "path") or ("" if hasattr(route, "routes") else _path(route))
    mounts, routes_within = _mounts(scope)
    if leaf:
        return mounts + leaf
    # A mounted application without routes, such as static files: the mount is all that is known of it.
    if mounts and not routes_within:
        return f"{mounts}/{{path}}"
    return UNMATCHED


def _mounts(scope: Scope) -> tuple[str, bool]:
    """Templates of the mounts that the request went through, and whether the innermost has routes."""
    root = str(scope.get("root_path") or "")
    outer = str(scope.get("app_root_path") or "")
    raw = root.removeprefix(outer) if "app_root_path" in scope else ""
    routes: Iterable[Any] = getattr(scope.get("router"), "routes", None) or ()
    made = ""
    for _ in range(MAX_MOUNTS):
        if not raw:
            break
        for route in routes:
            consumed = _consumed(route, raw)
            if consumed:
                made += str(route.path)
                raw = raw[len(consumed) :]
                routes = getattr(route, "routes", None) or ()
                break
        else:
            return f"{made}/<mount>", True
    return made, bool(routes)


def _consumed(route: Any, raw: str) -> str:
    """What a mount takes of a raw path; nothing when ``route`` is no mount, or another one."""
    regex, path = getattr(route, "path_regex", None), getattr(route, "path", None)
    if regex is None or not isinstance(path, str) or not path or not hasattr(route, "app"):
        return ""
    found = regex.match(f"{raw}/")
    if found is None or "path" not in regex.groupindex:
        return ""
    # A leaf with a {path:path} of its own matches too; only a mount has it at the very end of its pattern.
    return f"{raw}/"[: found.start("path") - 1]


def _path(route: Any) -> str:
    return _text(route, "path_format") or _text(route, "path")


def _text(value: Any, name: str) -> str:
    text = getattr(value, name, None)
    return text if isinstance(text, str) else ""
