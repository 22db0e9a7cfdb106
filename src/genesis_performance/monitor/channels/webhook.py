"""Tell a URL with a signed POST.

Nothing is followed and nothing is read but the status: a redirect is an error, because it could lead into the
network of the host, and an answer may be as long as it likes. Only ``https`` is spoken, and ``http`` to this
machine, unless the settings allow more. The request goes directly, not through a proxy.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable
from urllib.parse import SplitResult, urlsplit

from ...errors import ConfigurationError, GenesisPerformanceError
from . import signature
from .channel import ChannelError
from .notification import Notification, as_json

RETRYABLE = frozenset({408, 425, 429, 500, 502, 503, 504})
LONGEST_WAIT_S = 300.0


class Webhook:
    """One URL.

    Args:
        url, key: asked for each request, so that a secret may change; both may read Secret Manager.
        encode: the body of a notification.
        allow_private_http: ``http`` to other machines too.
    """

    name = "webhook"

    def __init__(
        self,
        url: Callable[[], str],
        key: Callable[[], bytes | None] = lambda: None,
        *,
        encode: Callable[[Notification], bytes] = as_json,
        allow_private_http: bool = False,
        unix_s: Callable[[], float] = time.time,
    ) -> None:
        self._url = url
        self._key = key
        self._encode = encode
        self._allow_private_http = allow_private_http
        self._unix_s = unix_s

    def send(self, notification: Notification, *, timeout_s: float) -> None:
        """Post it; see ``Channel``."""
        try:
            parts = checked_url(self._url(), allow_private_http=self._allow_private_http)
            key = self._key()
        except ConfigurationError as error:
            raise ChannelError(str(error), may_retry=False) from None
        except (GenesisPerformanceError, OSError) as error:
            raise ChannelError(f"its URL or key could not be read: {error}", may_retry=True) from None
        body = self._encode(notification)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "genesis-performance",
            "X-Genesis-Event": notification.event,
            # HTTP takes Latin-1 only; the body has the key as it is.
            "X-Genesis-Key": notification.key.encode("ascii", "replace").decode(),
        }
        if key is not None:
            headers[signature.HEADER] = signature.sign(key, body, int(self._unix_s()))
        try:
            status, after = _post(parts, body, headers, timeout_s)
        except (OSError, http.client.HTTPException, ValueError) as error:
            # The URL may be a secret: neither it nor a text that may quote it is said.
            raise ChannelError(f"{type(error).__name__} from {parts.hostname}", may_retry=True) from None
        _judge(status, after, parts.hostname or "")


def checked_url(url: str, *, allow_private_http: bool = False) -> SplitResult:
    """The parts of a URL that may be told.

    Raises:
        ConfigurationError: it is no URL, or would be read by others on its way.
    """
    try:
        parts = urlsplit(url.strip())
        _ = parts.port
    except ValueError:
        raise ConfigurationError("notifications.webhook_url is not a URL; write https://HOST/PATH") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.password:
        raise ConfigurationError(
            "notifications.webhook_url must be https://HOST/PATH, without user and password"
        )
    if parts.scheme == "http" and not (allow_private_http or is_this_machine(parts.hostname)):
        raise ConfigurationError(
            f"notifications.webhook_url is http to {parts.hostname}; use https, or set "
            "notifications.allow_private_http where everybody on the way may read it"
        )
    return parts


def is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _judge(status: int, after: str | None, host: str) -> None:
    if 200 <= status < 300:
        return
    said = f"HTTP {status} from {host}"
    if 300 <= status < 400:
        raise ChannelError(f"{said}: redirects are not followed; give the URL it leads to", may_retry=False)
    after_s = float(after) if after and after.strip().isdigit() else 0.0
    raise ChannelError(said, may_retry=status in RETRYABLE, after_s=min(after_s, LONGEST_WAIT_S))


def _post(
    parts: SplitResult, body: bytes, headers: dict[str, str], timeout_s: float
) -> tuple[int, str | None]:
    """Status and ``Retry-After`` of the answer."""
    host = parts.hostname or ""
    ends = time.monotonic() + timeout_s
    connection = (
        http.client.HTTPSConnection(host, parts.port, timeout=timeout_s, context=ssl.create_default_context())
        if parts.scheme == "https"
        else http.client.HTTPConnection(host, parts.port, timeout=timeout_s)
    )
    # A timeout of the socket is that of each byte; a receiver that sends one a second must not hold us.
    cut = threading.Timer(timeout_s, _abort, (connection,))
    cut.daemon = True
    with contextlib.suppress(RuntimeError):  # the interpreter ends and starts no thread any more
        cut.start()
    try:
        connection.request(
            "POST", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), body, headers
        )
        answer = connection.getresponse()
        if time.monotonic() > ends:
            raise TimeoutError
        return answer.status, answer.headers.get("Retry-After")
    finally:
        cut.cancel()
        _abort(connection)
        connection.close()


def _abort(connection: http.client.HTTPConnection) -> None:
    found = connection.sock
    if found is not None:
        with contextlib.suppress(OSError):
            found.shutdown(socket.SHUT_RDWR)
