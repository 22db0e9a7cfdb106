"""One connection to an OTLP endpoint: post a request, read the answer, tell what the answer means.

Source: https://opentelemetry.io/docs/specs/otlp/ (OTLP/HTTP: responses, partial success, throttling)
"""

from __future__ import annotations

import http.client
import json
import time
import zlib
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ..errors import CloudPermissionError
from .otlp_target import Target

MAX_ANSWER_BYTES = 4 << 20
"""The specification's own recommendation for answers."""

RETRYABLE = frozenset({429, 502, 503, 504})
"""The specification's list: every other status is final."""

TOO_LARGE = 413
_GZIP = 16 + zlib.MAX_WBITS
_REPLAYABLE = (ConnectionResetError, BrokenPipeError, http.client.RemoteDisconnected)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the endpoint said.

    Args:
        status: of HTTP; 0 when there was no answer at all.
        rejected: points that were refused for good, of a request that was otherwise taken.
        message: why, in the endpoint's own words; with 0 rejected it is a warning.
        retry_after_s: how long it wants to be left alone; None where it did not say.
    """

    status: int
    rejected: int = 0
    message: str = ""
    retry_after_s: float | None = None


class Connection:
    """Posts to one target over one connection that is kept open; for one thread at a time."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._parts = urlsplit(target.url)
        self._connection: http.client.HTTPConnection | None = None

    def post(self, body: bytes, *, timeout_s: float) -> Answer:
        """Send one request and wait for its answer.

        Raises:
            GenesisPerformanceError: there are no credentials, or no package for them.
        """
        headers = {"Content-Type": "application/x-protobuf", **self._target.headers}
        if self._target.compress:
            body = zlib.compress(body, 1, _GZIP)
            headers["Content-Encoding"] = "gzip"
        if self._target.with_credentials:
            _authorize(self._target.url, headers)
        try:
            response, content = self._exchange(body, headers, timeout_s)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            return Answer(status=0, message=f"{type(error).__name__}: {error}")
        return _answer(response, content)

    def close(self) -> None:
        """Let go of the connection; a later post opens a new one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _exchange(
        self, body: bytes, headers: dict[str, str], timeout_s: float
    ) -> tuple[http.client.HTTPResponse, bytes]:
        is_reused = self._connection is not None
        try:
            return self._send(body, headers, timeout_s)
        except _REPLAYABLE:
            self.close()
            if not is_reused:
                raise
        # A connection that was kept and is dropped at the next use was closed meanwhile: nothing was read.
        return self._send(body, headers, timeout_s)

    def _send(
        self, body: bytes, headers: dict[str, str], timeout_s: float
    ) -> tuple[http.client.HTTPResponse, bytes]:
        connection = self._connection
        if connection is None:
            connection = self._connection = _opened(self._target.url, timeout_s)
        connection.timeout = timeout_s
        if connection.sock is not None:
            connection.sock.settimeout(timeout_s)
        path = self._parts.path or "/"
        connection.request(
            "POST", f"{path}?{self._parts.query}" if self._parts.query else path, body, headers
        )
        response = connection.getresponse()
        content = response.read(MAX_ANSWER_BYTES)
        if not response.isclosed() or response.will_close:
            self.close()
        return response, content


def _opened(url: str, timeout_s: float) -> http.client.HTTPConnection:
    """A connection to the host; over TLS through the proxy that the environment names."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "http":
        return http.client.HTTPConnection(host, parts.port or 80, timeout=timeout_s)
    import ssl
    import urllib.request

    proxy = None if urllib.request.proxy_bypass(host) else urllib.request.getproxies().get("https")
    at = urlsplit(proxy) if proxy else parts
    made = http.client.HTTPSConnection(
        at.hostname or "", at.port or 443, timeout=timeout_s, context=ssl.create_default_context()
    )
    if proxy:
        made.set_tunnel(host, parts.port or 443)
    return made


def _authorize(url: str, headers: dict[str, str]) -> None:
    """Add the access token and the quota project."""
    from ..gcp.project import credentials

    found = credentials()
    from google.auth.exceptions import GoogleAuthError
    from google.auth.transport.requests import Request

    try:
        found.before_request(Request(), "POST", url, headers)
    except GoogleAuthError as error:
        raise CloudPermissionError(
            f"POST {url}: the credentials could not be used: {error}", code="UNAUTHENTICATED"
        ) from error


def _answer(response: http.client.HTTPResponse, content: bytes) -> Answer:
    is_json = "json" in response.headers.get("Content-Type", "")
    try:
        if response.headers.get("Content-Encoding", "") == "gzip":
            content = zlib.decompressobj(_GZIP).decompress(content, MAX_ANSWER_BYTES)
        if 200 <= response.status < 300:
            rejected, message = _partial_from_json(content) if is_json else _partial(content)
            return Answer(status=response.status, rejected=rejected, message=message[:500])
        message = _message_from_json(content) if is_json else _status_message(content)
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, zlib.error):
        message = ""  # an answer in another form; the status says enough
    reason = f"HTTP {response.status} {response.reason}"
    return Answer(
        status=response.status,
        message=f"{reason}: {message[:500]}" if message else reason,
        retry_after_s=_retry_after(response.headers.get("Retry-After")),
    )


def _partial(content: bytes) -> tuple[int, str]:
    """``ExportMetricsServiceResponse{partial_success = 1 {rejected_data_points = 1, error_message = 2}}``."""
    inner = fields(content).get(1, b"")
    partial = fields(inner) if isinstance(inner, bytes) else {}
    rejected, message = partial.get(1, 0), partial.get(2, b"")
    return int(rejected) if isinstance(rejected, int) else 0, _decoded(message)


def _partial_from_json(content: bytes) -> tuple[int, str]:
    partial = json.loads(content or b"{}").get("partialSuccess") or {}
    return int(partial.get("rejectedDataPoints", 0)), str(partial.get("errorMessage", ""))


def _status_message(content: bytes) -> str:
    """``google.rpc.Status{message = 2}``."""
    return _decoded(fields(content).get(2, b""))


def _message_from_json(content: bytes) -> str:
    told: Any = json.loads(content)
    if isinstance(told, list):
        told = told[0]
    return str((told.get("error") or told).get("message", ""))


def _decoded(value: int | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else ""


def fields(content: bytes) -> dict[int, int | bytes]:
    """Field number to the last value of a protobuf message; numbers of fixed size are skipped.

    Raises:
        ValueError: it is no protobuf.
        IndexError: it is cut.
    """
    found: dict[int, int | bytes] = {}
    at = 0
    while at < len(content):
        tag, at = _read_varint(content, at)
        wire = tag & 7
        if wire == 0:
            found[tag >> 3], at = _read_varint(content, at)
        elif wire == 2:
            size, at = _read_varint(content, at)
            if at + size > len(content):
                raise IndexError(at)
            found[tag >> 3] = content[at : at + size]
            at += size
        elif wire in {1, 5}:
            at += 8 if wire == 1 else 4
        else:
            raise ValueError(f"wire type {wire}")
    return found


def _read_varint(content: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = content[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7
        if shift > 63:
            raise ValueError("a varint has at most ten bytes")


def _retry_after(text: str | None) -> float | None:
    """Seconds of a ``Retry-After`` header: a number, or a date."""
    if not text:
        return None
    if text.strip().isdigit():
        return float(text)
    from email.utils import parsedate_to_datetime

    try:
        return max(parsedate_to_datetime(text).timestamp() - time.time(), 0.0)
    except (ValueError, TypeError, OverflowError):
        return None
