"""Use a secret, and once more with a fresh one when it turns out that it was rotated.

What counts as "the secret was not accepted", without importing any driver:

* ``PermissionError`` (our own and the operating system's), HTTP 401 in ``status``, ``status_code`` or
  ``code``, also of the exception's ``response``;
* SQLSTATE class 28 (invalid authorization) in ``sqlstate``, ``pgcode`` or as ODBC's first argument; 1045
  (access denied) as MySQL's first argument; 18456 (login failed) as SQL Server's; 18 (authentication failed)
  as the ``code`` of MongoDB's OperationFailure;
* gRPC's UNAUTHENTICATED, as ``code()`` or ``grpc_status_code``;
* class names that say so: AuthenticationError, AuthError, InvalidPassword, Unauthenticated, Unauthorized,
  AuthenticationFailed, LoginFailed, BadCredentials, InvalidCredentials;
* texts that servers send where the driver has one class for everything: "password authentication failed"
  (psycopg 2 while connecting), "WRONGPASS" and "NOAUTH" (Redis), "ORA-01017" (Oracle).

HTTP 403 and PERMISSION_DENIED are not among them by number: who is not allowed is known, so the secret was
accepted. ``auth_errors`` replaces the whole list.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")

Use = Callable[[str], T | Awaitable[T]]
AuthErrors = type[BaseException] | tuple[type[BaseException], ...] | Callable[[Exception], bool]
"""Exceptions, or a function that says whether one means that the secret was not accepted."""

_NAMES = (
    "authenticationerror",
    "authenticationfailed",
    "autherror",
    "badcredentials",
    "invalidcredentials",
    "invalidpassword",
    "loginfailed",
    "unauthenticated",
    "unauthorized",
)
_TEXTS = ("password authentication failed", "WRONGPASS", "NOAUTH ", "ORA-01017")
_DRIVER_NUMBERS = (1045, 18456)
_MONGODB = 18


def rejects(error: Exception, auth_errors: AuthErrors | None) -> bool:
    """Whether the error means that the secret was not accepted. Never raises."""
    try:
        if auth_errors is None:
            return is_authentication_error(error)
        if isinstance(auth_errors, type | tuple):
            return isinstance(error, auth_errors)
        return bool(auth_errors(error))
    except Exception:  # noqa: BLE001 - the error of the use is the one to be told
        return False


def is_authentication_error(error: Exception) -> bool:
    """By the list above; the causes that an error was raised from count too."""
    seen: set[int] = set()
    at: BaseException | None = error
    while at is not None and id(at) not in seen:
        seen.add(id(at))
        if _says_so(at):
            return True
        at = at.__cause__
    return False


def _says_so(error: BaseException) -> bool:
    kind = type(error).__name__
    if isinstance(error, PermissionError):
        return getattr(error, "code", None) != "PERMISSION_DENIED"
    if any(part in kind.lower() for part in _NAMES) or _sqlstate(error).startswith("28"):
        return True
    first = error.args[0] if error.args else None
    if first in _DRIVER_NUMBERS or (kind == "OperationFailure" and getattr(error, "code", None) == _MONGODB):
        return True
    if any(_says_unauthenticated(said) for said in _statuses(error)):
        return True
    text = str(error)[:500]
    return any(part in text for part in _TEXTS)


def _sqlstate(error: BaseException) -> str:
    """Of the SQL standard, five characters; ODBC has it as the first argument."""
    for said in (getattr(error, "sqlstate", None), getattr(error, "pgcode", None), *error.args[:1]):
        if isinstance(said, str) and len(said) == 5:
            return said
    return ""


def _statuses(error: BaseException) -> list[Any]:
    code, response = getattr(error, "code", None), getattr(error, "response", None)
    return [
        code() if callable(code) else code,  # gRPC's errors have a method
        getattr(error, "grpc_status_code", None),
        *(getattr(where, name, None) for where in (error, response) for name in ("status", "status_code")),
    ]


def _says_unauthenticated(said: Any) -> bool:
    return said in (401, "401") or "UNAUTHENTICATED" in (said, getattr(said, "name", None))
