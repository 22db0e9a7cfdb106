"""REST calls, for what Google's gRPC clients do not have: Cloud Monitoring's list of alerts.

Same credentials, endpoints, deadlines and retries as ``call``; the standard library sends.
"""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

from ..config import settings
from ..errors import CloudError, ConfigurationError
from .calling import Attempt
from .clients import endpoint_of, user_agent
from .errors import HTTP_CODES, made, translate
from .project import credentials

MAX_RESPONSE_BYTES = 64 * 1024 * 1024


def get(
    service: str,
    path: str,
    parameters: Mapping[str, str] | None = None,
    *,
    timeout_s: float | None = None,
) -> dict[str, Any]:
    """``GET`` a resource of ``service`` (a name of ``clients.SERVICES``): ``"v3/projects/p/alerts"``.

    Raises:
        CloudError: the service refused, or could not be reached in time.
    """
    query = f"?{urllib.parse.urlencode(parameters)}" if parameters else ""
    return _send("GET", service, path + query, None, Attempt(f"GET {service} {path}", timeout_s, True))


def post(
    service: str, path: str, body: Mapping[str, Any], *, timeout_s: float | None = None, retry: bool = False
) -> dict[str, Any]:
    """``POST`` a JSON body; sent once, unless ``retry`` says that it is idempotent."""
    data = json.dumps(body).encode()
    return _send("POST", service, path, data, Attempt(f"POST {service} {path}", timeout_s, retry))


def _send(method: str, service: str, path: str, data: bytes | None, attempt: Attempt) -> dict[str, Any]:
    while True:
        request = _request(method, service, path, data)
        try:
            # The scheme is ours: http for the emulator, https for everything else.
            with urllib.request.urlopen(request, timeout=attempt.remaining_s()) as response:  # noqa: S310
                return _decoded(response.read(MAX_RESPONSE_BYTES), attempt.what)
        except (OSError, http.client.HTTPException) as error:
            pause_s = attempt.pause_s(_translated(error, attempt.what), error)
        time.sleep(pause_s)


def _request(method: str, service: str, path: str, data: bytes | None) -> urllib.request.Request:
    gcp = settings().gcp
    headers = {"User-Agent": user_agent(), "Accept": "application/json"}
    if data is not None:
        headers["Content-Type"] = "application/json"
    host = endpoint_of(service)
    if gcp.emulator_http:
        url = f"http://{gcp.emulator_http}/{path}"
    elif gcp.emulator:
        raise ConfigurationError(
            "gcp.emulator is set, gcp.emulator_http is not; set GENESIS_PERF_EMULATOR_HTTP to its HTTP port"
        )
    else:
        url = f"https://{host}/{path}"
        _authorize(method, url, headers)
    return urllib.request.Request(url, data=data, headers=headers, method=method)  # noqa: S310


def _authorize(method: str, url: str, headers: dict[str, str]) -> None:
    """Add the access token and the quota project."""
    from google.auth.exceptions import GoogleAuthError
    from google.auth.transport.requests import Request

    try:
        credentials().before_request(Request(), method, url, headers)
    except GoogleAuthError as error:
        raise translate(error, f"{method} {url.partition('?')[0]}") from error


def _translated(error: Exception, what: str) -> CloudError:
    if not isinstance(error, urllib.error.HTTPError):
        reason = getattr(error, "reason", error)
        late = isinstance(reason, TimeoutError)
        return made(
            "DEADLINE_EXCEEDED" if late else "UNAVAILABLE", what, str(reason) or type(reason).__name__
        )
    with error:
        text = error.read(MAX_RESPONSE_BYTES)
    try:
        told = json.loads(text)["error"]
        code, message = str(told["status"]), str(told["message"])
    except (ValueError, KeyError, TypeError):
        code, message = HTTP_CODES.get(error.code, "UNKNOWN"), f"HTTP {error.code} {error.reason}"
    return made(code, what, message)


def _decoded(body: bytes, what: str) -> dict[str, Any]:
    try:
        found = json.loads(body or b"{}")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise made("UNKNOWN", what, "the answer is not a JSON object")
    return found
