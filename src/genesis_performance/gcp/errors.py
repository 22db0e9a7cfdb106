"""Turn what Google's libraries raise into the tree of ``genesis_performance.errors``, once, at the border.

The message holds the method, the resource and the service's own words, never a request or a response.
"""

from __future__ import annotations

from typing import Any

from ..config import settings
from ..errors import (
    CloudConflictError,
    CloudDeadlineError,
    CloudError,
    CloudInvalidError,
    CloudNotFoundError,
    CloudPermissionError,
    CloudPreconditionError,
    CloudQuotaError,
    CloudUnavailableError,
    CloudUnimplementedError,
)

BY_CODE: dict[str, type[CloudError]] = {
    "CANCELLED": CloudUnavailableError,  # gRPC's word for a channel that was closed under the call
    "INVALID_ARGUMENT": CloudInvalidError,
    "OUT_OF_RANGE": CloudInvalidError,
    "DEADLINE_EXCEEDED": CloudDeadlineError,
    "NOT_FOUND": CloudNotFoundError,
    "ALREADY_EXISTS": CloudConflictError,
    "ABORTED": CloudConflictError,
    "PERMISSION_DENIED": CloudPermissionError,
    "UNAUTHENTICATED": CloudPermissionError,
    "RESOURCE_EXHAUSTED": CloudQuotaError,
    "FAILED_PRECONDITION": CloudPreconditionError,
    "UNIMPLEMENTED": CloudUnimplementedError,
    "INTERNAL": CloudUnavailableError,  # "Internal error encountered. Please retry after a few seconds"
    "UNAVAILABLE": CloudUnavailableError,
}

HTTP_CODES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    412: "FAILED_PRECONDITION",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}

CREDENTIALS_REMEDY = (
    "run `gcloud auth application-default login`, attach a service account, "
    "or set GENESIS_PERF_EMULATOR to work without Google Cloud"
)
LONGEST_MESSAGE = 2000  # characters of the service's own words


def foreign() -> tuple[type[Exception], ...]:
    """What Google's libraries raise; asked for inside an ``except``, when they are loaded anyway."""
    from google.api_core.exceptions import GoogleAPIError
    from google.auth.exceptions import GoogleAuthError

    return (GoogleAPIError, GoogleAuthError)


def translate(error: Exception, what: str) -> CloudError:
    """The error of our tree for one that a Google library raised in ``what``."""
    from google.auth.exceptions import GoogleAuthError, TransportError

    if isinstance(error, TransportError):
        return made("UNAVAILABLE", what, f"the credentials could not be refreshed: {error}")
    if isinstance(error, GoogleAuthError):
        return made("UNAUTHENTICATED", what, f"{first_line(error)}; {CREDENTIALS_REMEDY}")
    status = getattr(error, "grpc_status_code", None)
    code = status.name if status is not None else HTTP_CODES.get(getattr(error, "code", 0) or 0, "UNKNOWN")
    details = tuple(_unpacked(detail) for detail in getattr(error, "details", None) or ())
    return made(code, what, str(getattr(error, "message", None) or error), details)


def made(code: str, what: str, message: str, details: tuple[object, ...] = ()) -> CloudError:
    """The error of our tree for a canonical status name."""
    kind = BY_CODE.get(code, CloudError)
    text = f"{what}: {code}: {message[:LONGEST_MESSAGE]}"
    emulator = settings().gcp.emulator
    if code == "UNAVAILABLE" and emulator:
        text += f" (the emulator at {emulator}; is it running?)"
    return kind(text, code=code, details=details)


def resource_of(request: Any) -> str:
    """Name or parent in a request: a mapping, a proto-plus message or a raw one."""
    for key in ("name", "parent", "resource"):
        value = request.get(key) if isinstance(request, dict) else getattr(request, key, None)
        if isinstance(value, str) and value:
            return value
    return ""


def _unpacked(detail: Any) -> Any:
    """The message inside an Any of a package that api_core does not know, if its class is loaded."""
    if type(detail).__name__ != "Any" or not hasattr(detail, "type_url"):
        return detail
    from google.protobuf import descriptor_pool, message_factory

    try:
        described = descriptor_pool.Default().FindMessageTypeByName(detail.type_url.rpartition("/")[2])
    except KeyError:
        return detail
    message = message_factory.GetMessageClass(described)()
    return message if detail.Unpack(message) else detail


def first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
