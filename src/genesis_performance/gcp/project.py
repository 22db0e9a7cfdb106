"""Which project and which credentials: application default credentials, asked once and never for long.

``google.auth.default`` probes a metadata server that most machines do not have, for up to nine seconds. It
runs in a thread of its own: those who only want to know the project wait a moment, a client waits longer.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import threading
import time
from concurrent.futures import Future
from typing import Any

from ..config import configured_project, settings
from ..errors import CloudPermissionError, MissingDependencyError
from .errors import CREDENTIALS_REMEDY, first_line

log = logging.getLogger(__name__)

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
GLANCE_S = 3.0  # how long resolve_project waits for the metadata server, once
WAIT_S = 30.0  # how long a client waits: GKE's metadata server takes seconds in a new pod
FAILURE_KEPT_S = 60.0  # then credentials may have appeared

_Found = tuple[Any, str | None]


class _Question:
    """One run of ``google.auth.default``."""

    def __init__(self) -> None:
        self.answer: Future[_Found] = Future()
        self.asked_at = time.monotonic()
        threading.Thread(target=self._ask, name="genesis-credentials", daemon=True).start()

    def wait_s(self, seconds: float) -> float:
        """What is left of so many seconds since the question was asked."""
        return max(self.asked_at + seconds - time.monotonic(), 0.0)

    @property
    def is_stale(self) -> bool:
        failed = self.answer.done() and self.answer.exception() is not None
        return failed and time.monotonic() - self.asked_at > FAILURE_KEPT_S

    def _ask(self) -> None:
        try:
            import google.auth

            found, project = google.auth.default(
                scopes=[SCOPE], quota_project_id=settings().gcp.quota_project
            )
            self.answer.set_result((found, project))
        except Exception as error:  # noqa: BLE001 - kept for whoever asks
            self.answer.set_exception(error)


_question: _Question | None = None
_lock = threading.Lock()


def _asked() -> _Question:
    global _question  # noqa: PLW0603 - one question a process
    with _lock:
        if _question is None or _question.is_stale:
            _question = _Question()
        return _question


def resolve_project(argument: str | None = None) -> str | None:
    """Argument, environment, configuration file, then the credentials' own; None means local mode.

    With the emulator no credentials are asked.
    """
    known = configured_project(argument)
    if known or settings().gcp.emulator:
        return known
    found = _glance()
    return found[1] if found else None


def credentials_available() -> bool:
    """Whether calls can be made: application default credentials, or the emulator, which needs none."""
    return bool(settings().gcp.emulator) or _glance() is not None


def credentials() -> Any:
    """The application default credentials.

    Raises:
        MissingDependencyError: google-auth is not installed.
        CloudPermissionError: there are none.
    """
    if not _installed():
        raise MissingDependencyError("Google Cloud needs google-auth: pip install 'genesis-performance[gcp]'")
    question = _asked()
    try:
        return question.answer.result(question.wait_s(WAIT_S))[0]
    except Exception as error:
        waited = isinstance(error, TimeoutError)
        reason = f"no answer from the metadata server in {WAIT_S:.0f} s" if waited else first_line(error)
        raise CloudPermissionError(
            f"no Google Cloud credentials: {reason}; {CREDENTIALS_REMEDY}", code="UNAUTHENTICATED"
        ) from error


def _glance() -> _Found | None:
    if not _installed():
        return None
    question = _asked()
    try:
        return question.answer.result(question.wait_s(GLANCE_S))
    except Exception as error:  # noqa: BLE001 - no credentials means local mode
        log.debug("no application default credentials: %s", error)
        return None


def _installed() -> bool:
    try:
        return importlib.util.find_spec("google.auth") is not None
    except ModuleNotFoundError:  # not even the namespace package
        return False


def reset() -> None:
    """Ask again at the next use: for tests."""
    global _question  # noqa: PLW0603
    _question = None


def _after_fork_in_child() -> None:
    global _question, _lock  # noqa: PLW0603
    _lock = threading.Lock()
    if _question is not None and not _question.answer.done():
        _question = None  # the asking thread stayed in the parent


os.register_at_fork(after_in_child=_after_fork_in_child)
