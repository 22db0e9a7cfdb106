"""What a manager has once it is used: settings, cache, background thread; made at the first read."""

from __future__ import annotations

import logging
import threading
from typing import Any, NamedTuple

import msgspec

from ..config import settings
from ..config.secret_manager import CacheStrategy, SecretManagerSection
from ..errors import ConfigurationError, InvalidInputError, StateError
from .entry import Slot
from .inventory import KeptSecret, OwnVersions
from .notices import concerned
from .outside import Outside, access_over_grpc
from .push import NoticesReport, SecretNotices
from .reading import Reading
from .refresh import Refresher

log = logging.getLogger(__name__)


class _Parts(NamedTuple):
    reading: Reading
    refresher: Refresher
    notices: SecretNotices | None


class Lifetime:
    """From the first read to ``close``, across forks."""

    def __init__(
        self,
        section: SecretManagerSection | None,
        overrides: dict[str, Any],
        outside: Outside,
    ) -> None:
        self._section = section
        self._overrides = overrides
        self._outside = outside
        self._parts: _Parts | None = None
        self._first_read_at: float | None = None
        self._wants_refresh = False
        self._relies_on_notices = False
        self._is_closed = False
        self._own_versions = OwnVersions()
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

    @property
    def started(self) -> Reading | None:
        """The cache and its reads, if there was a first one."""
        return None if self._parts is None or self._is_closed else self._parts.reading

    def note_read(self, reading: Reading, slot: Slot, now: float) -> None:
        """A read that is not a hit begins."""
        if self._first_read_at is None:
            self._first_read_at = now
        self.refresh_if_wanted()
        reading.missed(slot, now)

    def observed_s(self) -> float:
        """Since the first read."""
        return 0.0 if self._first_read_at is None else self._outside.clock() - self._first_read_at

    def want_refresh(self, wanted: bool) -> None:
        self._wants_refresh = wanted
        if self._parts is not None and not wanted:
            self._parts.refresher.stop()
        self.refresh_if_wanted()

    def refresh_if_wanted(self) -> None:
        """Start the background threads, if they should run and do not in this process."""
        if self._parts is None or self._is_closed:
            return
        if self._parts.notices is not None:
            self._parts.notices.start()
        reading = self._parts.reading
        reading.freshness.refreshes_ahead = (
            self._wants_refresh and reading.section.background_optimization and reading.freshness.bound_s > 0
        )
        if reading.freshness.refreshes_ahead:
            if self._outside.executor is None:
                self._parts.refresher.start()
        elif self._wants_refresh and not reading.section.background_optimization:
            self._wants_refresh = False
            log.info("secret_manager.background_optimization is false: no secret is refreshed ahead")

    def rely_on_notices(self, relies: bool) -> None:
        self._relies_on_notices = relies
        if self._parts is not None:
            self._parts.reading.rely_on_notices(relies)

    def secret_changed(self, resource: str) -> None:
        """A notice came: forget the secret, and read again what was used."""
        reading = self.started
        if reading is not None:
            reading.changed(concerned(resource))

    def versions(self) -> tuple[KeptSecret, ...] | None:
        """Of the secrets that are read here; None where they can not be listed."""
        if self._outside.access is not access_over_grpc:
            return None
        slots = self.reading().cache.slots()
        names = {slot.name.parent: slot.name.location for slot in slots if slot.last_version}
        return self._own_versions.listed(names.items(), self._outside.clock())

    def notices_report(self) -> NoticesReport | None:
        """Of the notices that are pulled here; None without ``notices_subscription``."""
        return None if self._parts is None or self._parts.notices is None else self._parts.notices.report()

    @property
    def is_refreshing(self) -> bool:
        return self._parts is not None and self._parts.refresher.is_running

    def close(self) -> None:
        self._is_closed = True
        if self._parts is not None:
            self._parts.refresher.stop()
            if self._parts.notices is not None:
                self._parts.notices.stop()
            self._parts.reading.close()

    def after_fork(self) -> None:
        """In the child: new locks, no threads, nobody who hears notices; values stay."""
        self._lock = threading.Lock()
        if self._parts is not None:
            self._parts.reading.after_fork()
            self._parts.refresher.after_fork()
        self.rely_on_notices(False)

    def _make(self) -> _Parts:
        section = msgspec.structs.replace(self._section or settings().secret_manager, **self._overrides)
        reading = Reading(section, self._outside)
        reading.freshness.relies_on_notices = self._relies_on_notices
        refresher = Refresher(reading.refresh_due, lambda: reading.freshness.bound_s)
        return _Parts(reading, refresher, self._notices(section.notices_subscription))

    def _notices(self, source: str | None) -> SecretNotices | None:
        """What pulls them; where an executor is given no thread is started, so there is none."""
        if source is None or self._outside.executor is not None:
            return None
        try:
            return SecretNotices(self, source, clock=self._outside.clock, chance=self._outside.chance)
        except InvalidInputError as error:
            raise ConfigurationError(f"secret_manager.notices_subscription: {error}") from None


def overrides(
    cache_ttl_s: float | None, cache_size: int | None, strategy: CacheStrategy | str | None
) -> dict[str, Any]:
    """The given ones, instead of the settings'; checked as those are.

    Raises:
        ConfigurationError: one of them can not be.
    """
    try:
        chosen = None if strategy is None else CacheStrategy(strategy)
    except ValueError:
        known = ", ".join(repr(known.value) for known in CacheStrategy)
        raise ConfigurationError(f"strategy is {strategy!r}; it must be one of {known}") from None
    named = {"cache_ttl_s": cache_ttl_s, "cache_size": cache_size, "cache_strategy": chosen}
    given: dict[str, Any] = {key: value for key, value in named.items() if value is not None}
    SecretManagerSection(**given)
    return given
