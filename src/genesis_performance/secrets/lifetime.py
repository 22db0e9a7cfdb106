"""What a manager has once it is used: settings, cache, background thread; made at the first read."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from ..config import settings
from ..config.secret_manager import SecretManagerSection
from ..errors import StateError
from .reading import Access, Reading
from .refresh import Refresher

log = logging.getLogger(__name__)


class _Parts(NamedTuple):
    reading: Reading
    refresher: Refresher


class Lifetime:
    """From the first read to ``close``, across forks."""

    def __init__(
        self,
        section: SecretManagerSection | None,
        overrides: dict[str, Any],
        access: Access,
        clock: Callable[[], float],
    ) -> None:
        self._section = section
        self._overrides = overrides
        self._access = access
        self._clock = clock
        self._parts: _Parts | None = None
        self._first_read_at: float | None = None
        self._wants_refresh = False
        self._is_closed = False
        self._lock = threading.Lock()

    def reading(self) -> Reading:
        """The cache and its reads, made at the first call.

        Raises:
            StateError: closed.
            ConfigurationError: the settings are wrong.
        """
        if self._is_closed:
            raise StateError("this OptimizedSecretManager is closed; make a new one")
        parts = self._parts
        if parts is None:
            with self._lock:
                parts = self._parts = self._parts or self._make()
        return parts.reading

    def invalidate(self, parent: str) -> None:
        if self._parts is not None:
            self._parts.reading.invalidate(parent)

    def note_read(self, now: float) -> None:
        """A read that is not a hit begins."""
        if self._first_read_at is None:
            self._first_read_at = now
        self.refresh_if_wanted()

    def observed_s(self) -> float:
        """Since the first read."""
        return 0.0 if self._first_read_at is None else self._clock() - self._first_read_at

    def want_refresh(self, wanted: bool) -> None:
        self._wants_refresh = wanted
        if self._parts is not None and not wanted:
            self._parts.refresher.stop()
        self.refresh_if_wanted()

    def refresh_if_wanted(self) -> None:
        """Start the background thread, if it should run and does not in this process."""
        if not self._wants_refresh or self._parts is None:
            return
        section = self._parts.reading.section
        if not section.background_optimization:
            self._wants_refresh = False
            log.info("secret_manager.background_optimization is false: no secret is refreshed ahead")
        elif section.cache_ttl_s > 0:
            self._parts.refresher.start()

    @property
    def is_refreshing(self) -> bool:
        return self._parts is not None and self._parts.refresher.is_running

    def close(self) -> None:
        self._is_closed = True
        if self._parts is not None:
            self._parts.refresher.stop()
            self._parts.reading.close()

    def after_fork(self) -> None:
        """In the child: new locks, no threads; values stay."""
        self._lock = threading.Lock()
        if self._parts is not None:
            self._parts.reading.after_fork()
            self._parts.refresher.after_fork()

    def _make(self) -> _Parts:
        section = msgspec.structs.replace(self._section or settings().secret_manager, **self._overrides)
        reading = Reading(section, self._access, self._clock)
        return _Parts(reading, Refresher(reading.refresh_due, section.cache_ttl_s))
