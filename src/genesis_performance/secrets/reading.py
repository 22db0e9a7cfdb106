"""Read secret versions into the cache: when, by whom, and what each error means for the value kept.

* UNAVAILABLE, deadline, quota: an outage. Within ``stale_if_error_s`` the old value is served on.
* NOT_FOUND, PERMISSION_DENIED, FAILED_PRECONDITION (disabled, destroyed), INVALID_ARGUMENT: an answer. The
  value is dropped at once; who may no longer read a secret must not go on reading it from us.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from ..config.secret_manager import SecretManagerSection
from ..errors import (
    CloudInvalidError,
    CloudNotFoundError,
    CloudPermissionError,
    CloudPreconditionError,
    CloudUnavailableError,
)
from .cache import Cache
from .entry import NOTHING, Entry, Slot
from .flights import Flight, Flights, Outcome, own_copy
from .latency import Latencies
from .names import SecretName

log = logging.getLogger(__name__)

MISSING_KEPT_S = 2.0  # a NOT_FOUND is not asked again for this long
STALE_RECHECK_S = 1.0  # while a stale value is served, Secret Manager is tried again this often
REFRESH_FROM, REFRESH_TO = 0.7, 0.8  # of its lifetime; spread, so that entries do not all refresh at once
ANSWERS = (CloudNotFoundError, CloudPermissionError, CloudPreconditionError, CloudInvalidError)


class Version(Protocol):
    """What an access brings: see ``gcp.secret_version.SecretVersion``."""

    @property
    def name(self) -> str: ...

    @property
    def payload(self) -> bytes: ...


Access = Callable[[SecretName, float], Version]
"""Read a version within so many seconds."""


def access_over_grpc(name: SecretName, timeout_s: float) -> Version:
    """Read a version from Secret Manager, or from the emulator."""
    from ..gcp.clients import GLOBAL
    from ..gcp.secret_version import access_secret_version

    return access_secret_version(name.resource, timeout_s=timeout_s, location=name.location or GLOBAL)


class Reading:
    """The cache and the reads that fill it."""

    def __init__(self, section: SecretManagerSection, access: Access, clock: Callable[[], float]) -> None:
        self.section = section
        self.cache = Cache(section.cache_size, section.cache_strategy)
        self.latencies = Latencies()
        self.calls = 0
        self.failures = 0
        self.joined = 0
        self.stale_served = 0
        self.refreshes = 0
        self._access = access
        self._clock = clock
        self._flights = Flights()
        self._pool: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()

    def kept(self, slot: Slot) -> Outcome | None:
        """What the cache holds for ``slot``: a value, the news that there is none, or nothing."""
        now = self._clock()
        if now < slot.entry.expires_at:
            return slot.entry
        if now < slot.missing_until and slot.missing is not None:
            return slot.missing
        return None

    def begin(self, slot: Slot, *, here: bool = False) -> Flight:
        """The read of ``slot``'s version, joined or started.

        Args:
            here: fly it in this thread instead of one of the pool's.
        """
        flight, leads = self._flights.join(slot.name.resource, lambda: self.kept(slot))
        if leads:
            self._launch(slot, flight, here)
        elif not flight.done():
            with self._lock:
                self.joined += 1
        return flight

    def invalidate(self, parent: str) -> int:
        """Drop every version of one secret; returns how many were kept."""
        dropped = 0
        for slot in self.cache.slots():
            if slot.name.parent == parent:
                dropped += slot.entry is not NOTHING
                slot.generation += 1
                slot.entry = NOTHING
                slot.missing = None
                self._flights.leave(slot.name.resource)
        return dropped

    def refresh_due(self) -> int:
        """Start reading again what was used and will run out soon, drop what has run out.

        What nobody used since its last check is not read again: an idle secret costs nothing.
        """
        now, started = self._clock(), 0
        for slot in self.cache.slots():
            entry = slot.entry
            if now >= entry.expires_at + self.section.stale_if_error_s:
                slot.entry = NOTHING
            elif now >= entry.refresh_at and slot.hits > slot.hits_at_check and now >= slot.retry_at:
                flight, leads = self._flights.join(slot.name.resource, lambda: None)
                if leads:
                    started += 1
                    self._launch(slot, flight, here=False)
        self.refreshes += started
        return started

    def close(self) -> None:
        """End the reads on their way and forget every value."""
        self._flights.abandon()
        self.cache.clear()
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)

    def after_fork(self) -> None:
        """In the child: no threads, no reads on their way, no lock that somebody else holds. Values stay."""
        self._flights = Flights()
        self._pool = None
        self._lock = threading.Lock()
        self.cache.lock = threading.Lock()
        self.latencies.lock = threading.Lock()

    def _launch(self, slot: Slot, flight: Flight, here: bool) -> None:
        if not here:
            try:
                with self._lock:
                    if self._pool is None:
                        self._pool = ThreadPoolExecutor(
                            self.section.max_concurrency, thread_name_prefix="genesis-secrets"
                        )
                    self._pool.submit(self._fly, slot, flight)
                return
            except RuntimeError:  # the interpreter shuts down, no more threads
                log.debug("reading %s in the calling thread", slot.name.resource)
        self._fly(slot, flight)

    def _fly(self, slot: Slot, flight: Flight) -> None:
        """Read one version and land its flight, whatever happens."""
        outcome: Outcome = CloudUnavailableError(
            f"{slot.name.resource}: the read was interrupted", code="CANCELLED"
        )
        generation = slot.generation
        sent_at, begin_ns = self._clock(), time.perf_counter_ns()
        try:
            outcome = self._entry(self._access(slot.name, self.section.timeout_s), sent_at)
        except Exception as error:  # noqa: BLE001 - it is the outcome, and raised by those who wait
            outcome = error
        finally:
            self._count(slot, outcome, time.perf_counter_ns() - begin_ns)
            if slot.generation == generation:
                outcome = self._kept_after(slot, outcome)
            self._flights.land(slot.name.resource, flight, outcome)

    def _entry(self, version: Version, sent_at: float) -> Entry:
        ttl_s = self.section.cache_ttl_s
        return Entry(
            version.payload,
            version.name.rpartition("/")[2],
            checked_at=sent_at,  # the value may have changed since then
            expires_at=sent_at + ttl_s,
            refresh_at=sent_at + ttl_s * random.uniform(REFRESH_FROM, REFRESH_TO),
        )

    def _count(self, slot: Slot, outcome: Outcome, duration_ns: int) -> None:
        self.latencies.record(duration_ns)
        failed = not isinstance(outcome, Entry)
        with self._lock:
            self.calls += 1
            self.failures += failed
            slot.calls += 1
            slot.failures += failed

    def _kept_after(self, slot: Slot, outcome: Outcome) -> Outcome:
        """Put the outcome into the slot; returns what the waiters get."""
        now = self._clock()
        slot.hits_at_check = slot.hits
        if isinstance(outcome, Entry):
            slot.changes += slot.entry is not NOTHING and slot.entry.version != outcome.version
            slot.missing = None
            slot.entry = outcome
            return outcome
        if isinstance(outcome, ANSWERS):
            slot.entry = NOTHING
            if isinstance(outcome, CloudNotFoundError):
                missing = own_copy(outcome)
                missing.__cause__ = None  # it would keep the frames of the call
                slot.missing, slot.missing_until = missing, now + MISSING_KEPT_S
            return outcome
        slot.retry_at = now + STALE_RECHECK_S * random.uniform(0.5, 1.5)
        serve_until = slot.entry.checked_at + self.section.cache_ttl_s + self.section.stale_if_error_s
        if isinstance(outcome, CloudUnavailableError) and now < serve_until:
            if now >= slot.entry.expires_at:
                with self._lock:
                    self.stale_served += 1
                log.warning(
                    "%s; serving %s as of %.0f s ago", outcome, slot.label, now - slot.entry.checked_at
                )
                slot.entry = slot.entry.until(min(now + STALE_RECHECK_S, serve_until))
            return slot.entry
        return outcome
