"""What a fidelity check is, and what it may use: a site, which is an emulator or a real project."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from google.api_core import exceptions

T = TypeVar("T")

PREFIX = "genesis-verify-"
MAX_CALLS = 500
VERSION_USD = 0.06  # a secret version, if it stayed for a whole month
CALL_USD = 0.00001  # above the price of any call that a check makes
POLL_TIMEOUT_S = 180.0

# Answers that say nothing about the rule in question.
NOT_ALLOWED = (exceptions.Forbidden, exceptions.Unauthorized)
NOT_REACHABLE = (exceptions.ServiceUnavailable, exceptions.GatewayTimeout, exceptions.RetryError)


class DiffersError(AssertionError):
    """The site does not answer as the rule says."""


class OverBudgetError(Exception):
    """The next step could cost more than was allowed."""


@dataclass(frozen=True, slots=True)
class Check:
    """One behaviour, provable with official clients alone."""

    id: str
    rules: tuple[str, ...]
    run: Callable[[Site], None]

    @property
    def title(self) -> str:
        return (self.run.__doc__ or self.id).strip().splitlines()[0]


def check(*rules: str) -> Callable[[Callable[[Site], None]], Check]:
    """Make a function a check of ``rules``; its module and name become the id."""

    def decorate(function: Callable[[Site], None]) -> Check:
        module = function.__module__.rpartition(".")[2]
        return Check(f"{module}/{function.__name__}".replace("_", "-"), rules, function)

    return decorate


@dataclass(slots=True)
class Site:
    """Where checks run.

    Attributes:
        project: its id.
        connect: makes an official client of a class.
        poll_s: how long to wait between looks at something that may take time.
        max_usd: no step starts that could cost more in all.
    """

    project: str
    connect: Callable[[type[Any]], Any]
    poll_s: float = 0.01
    max_usd: float = 1.0
    spent_usd: float = 0.0
    calls: list[dict[str, str]] = field(default_factory=list)
    _clients: dict[type[Any], Any] = field(default_factory=dict)
    _cleanups: list[Callable[[], object]] = field(default_factory=list)

    @property
    def parent(self) -> str:
        return f"projects/{self.project}"

    def client(self, cls: type[T]) -> T:
        """An official client; the same one for the same class."""
        if cls not in self._clients:
            self._clients[cls] = self.connect(cls)
        found: T = self._clients[cls]
        return found

    def name(self) -> str:
        """An id that nobody else uses and that tells where it came from."""
        return f"{PREFIX}{secrets.token_hex(4)}"

    def call(self, function: Callable[..., T], *, may_cost_usd: float = 0.0, **arguments: Any) -> T:
        """Make one call and note what came of it."""
        self.spent_usd += CALL_USD + may_cost_usd
        if self.spent_usd > self.max_usd or len(self.calls) >= MAX_CALLS:
            raise OverBudgetError(f"the next call could exceed {self.max_usd} USD or {MAX_CALLS} calls")
        entry = {"call": function.__name__, "code": "OK", "message": ""}
        self.calls.append(entry)
        try:
            return function(**arguments)
        except exceptions.GoogleAPICallError as error:
            entry["code"] = _code(error)
            entry["message"] = self.redacted(error.message or "")
            raise

    def refused(self, code: str, text: str, function: Callable[..., Any], **arguments: Any) -> Any:
        """Expect a refusal with ``code`` whose message contains ``text``; returns the error."""
        try:
            self.call(function, **arguments)
        except exceptions.GoogleAPICallError as error:
            found = _code(error)
            if found != code and isinstance(error, (*NOT_ALLOWED, *NOT_REACHABLE)):
                raise
            if found != code or text not in (error.message or ""):
                said = self.redacted(error.message or "")
                raise DiffersError(f"expected {code} with {text!r}, got {found}: {said}") from None
            return error
        raise DiffersError(f"expected {code} with {text!r}, but the call succeeded")

    def eventually(self, look: Callable[[], T], fits: Callable[[T], bool]) -> T:
        """Look again until it fits: the real service answers some reads with a delay."""
        deadline = time.monotonic() + (POLL_TIMEOUT_S if self.poll_s >= 1 else 2.0)
        while True:
            found = look()
            if fits(found):
                return found
            if time.monotonic() > deadline:
                raise DiffersError("it did not become so in time")
            time.sleep(self.poll_s)

    def same(self, what: str, found: object, expected: object) -> None:
        if found != expected:
            raise DiffersError(
                f"{what}: expected {self.redacted(repr(expected))}, got {self.redacted(repr(found))}"
            )

    def afterwards(self, function: Callable[..., object], **arguments: Any) -> None:
        """Remember what has to be removed."""
        self._cleanups.append(lambda: function(**arguments))

    @contextmanager
    def cleaning_up(self) -> Iterator[list[str]]:
        """Remove afterwards what was made; yields the list that will hold what could not be removed."""
        left: list[str] = []
        try:
            yield left
        finally:
            for cleanup in reversed(self._cleanups):
                try:
                    cleanup()
                except exceptions.NotFound:
                    pass
                except exceptions.GoogleAPIError as error:
                    left.append(self.redacted(f"{type(error).__name__}: {error}"))
            self._cleanups.clear()

    def redacted(self, text: str) -> str:
        """Without the project, account numbers, e-mail addresses and ids that were made for the check."""
        text = re.sub(rf"{PREFIX}[0-9a-f]+", f"{PREFIX}ID", text.replace(self.project, "PROJECT"))
        text = re.sub(r"[\w.+-]+@[\w-]+(\.[\w-]+)+", "EMAIL", text)
        return re.sub(r"\d{9,}", "NUMBER", re.sub(r"[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}", "ACCOUNT", text))


def _code(error: exceptions.GoogleAPICallError) -> str:
    code: Any = error.grpc_status_code
    return str(code.name) if code is not None else type(error).__name__


def all_checks(values: Iterable[object]) -> list[Check]:
    return [value for value in values if isinstance(value, Check)]
