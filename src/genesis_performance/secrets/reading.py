"""Read secret versions into the cache: when, by whom, and what each error means for the value kept.

* UNAVAILABLE, deadline, quota: an outage. Within ``stale_if_error_s`` the old value is served on. After some
  in a row nobody asks for a while (``circuit``).
* NOT_FOUND, PERMISSION_DENIED, FAILED_PRECONDITION (disabled, destroyed), INVALID_ARGUMENT: an answer. The
  value is dropped at once; who may no longer read a secret must not go on reading it from us.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import NamedTuple

from ..config.secret_manager import SecretManagerSection
from ..errors import (
    CloudInvalidError,
    CloudNotFoundError,
    CloudPermissionError,
    CloudPreconditionError,
    CloudUnavailableError,
)
from .cache import Cache
from .circuit import Circuit, pause_s
from .co_access import CoAccess
from .entry import NEVER, NOTHING, Entry, Slot
from .flights import Flight, Flights, Outcome, own_copy
from .freshness import Freshness
from .latency import Latencies
from .outside import Outside, Version

log = logging.getLogger(__name__)

MISSING_KEPT_S = 2.0  # a NOT_FOUND is not asked again for this long
OUTAGE_KEPT_S = 60.0  # so long a transient error stands for an outage, in which stale values may be served
FEEDBACK_PAUSE_S = 10.0  # between two reads of a secret because callers said that its value was rejected
RECHECKS = 2  # after a notice of a change that is not seen yet
ANSWERS = (CloudNotFoundError, CloudPermissionError, CloudPreconditionError, CloudInvalidError)


class Dropped(NamedTuple):
    """What an invalidation found."""

    kept: bool  # there was a value
    used: list[Slot]  # those whose value was used since its last check


class Reading:
    """The cache and the reads that fill it."""

    def __init__(self, section: SecretManagerSection, outside: Outside) -> None:
        self.section = section
        self.cache = Cache(section.cache_size, section.cache_bytes, section.cache_strategy)
        self.freshness = Freshness(section, outside.chance)
        self.latencies = Latencies()
        self.groups = CoAccess(self.cache.find)
        self.calls = 0
        self.failures = 0
        self.joined = 0
        self.stale_served = 0
        self.refreshes = 0
        self.metadata_calls = 0
        self.notices = 0
        self._ticks = 0
        self._outside = outside
        self._clock = outside.clock
        self._flights = Flights()
        self.circuits: dict[str, Circuit] = {}  # by place
        self._no_history: set[str] = set()  # secrets whose versions may not be listed
        self._pool: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()

    def kept(self, slot: Slot, since: int = 0) -> Outcome | None:
        """What the cache holds for ``slot``: a value, the news that there is none, or nothing.

        Args:
            since: a value asked for before this tick is none.
        """
        now, entry = self._clock(), slot.entry
        # Before its own check: the clock was set back, and how old the value is nobody knows.
        if entry.checked_at <= now < entry.expires_at and entry.asked >= since:
            return entry
        if now < slot.missing_until and slot.missing is not None:
            return slot.missing
        return None

    def begin(self, slot: Slot, *, here: bool = False, since: int = 0) -> Flight:
        """The read of ``slot``'s version, joined or started.

        Args:
            here: fly it in this thread instead of one of the pool's.
            since: what was asked for before this tick does not do; a read on its way is joined nonetheless.
        """
        generation = slot.generation  # before it can be joined: what is invalidated from now on is not kept
        flight, leads = self._flights.join(slot.name.resource, lambda: self.kept(slot, since))
        if leads:
            self._launch(lambda: self._fly(slot, flight, generation), here)
        elif not flight.done():
            with self._lock:
                self.joined += 1
        return flight

    def missed(self, slot: Slot, now: float) -> None:
        """``slot`` has to be read; start reading what is mostly read along with it and ran out too."""
        slot.activity.look(now, slot.uses)
        if self.section.prefetch_groups and self.freshness.bound_s > 0:
            for other in self.groups.missed(slot, now):
                self.begin(other)

    def refresh(self, slot: Slot) -> bool:
        """Start reading a value again that is still served; says whether this call did."""
        now, generation = self._clock(), slot.generation
        flight, leads = self._flights.join(
            slot.name.resource, lambda: slot.entry if now < slot.entry.refresh_at else None
        )
        if not leads:
            return False
        with self._lock:
            self.refreshes += 1
            if slot.entry is not NOTHING:  # while it is on its way, hits need not look for it
                slot.entry = slot.entry.until(slot.entry.expires_at, now + self.section.timeout_s)
        self._launch(lambda: self._fly(slot, flight, generation), here=False)
        return True

    def refresh_due(self) -> int:
        """Start reading again what was used and will run out soon, drop what has run out.

        What nobody used since its last check is not read again: an idle secret costs nothing.
        """
        now, started = self._clock(), 0
        for slot in self.cache.slots():
            slot.activity.look(now, slot.uses)
            entry = slot.entry
            if entry is NOTHING:
                continue
            if not entry.checked_at <= now < entry.expires_at + self.section.stale_if_error_s:
                self._let_go(slot, entry)
            elif now >= entry.refresh_at and slot.is_used:
                started += self.refresh(slot)
        return started

    def next_refresh_at(self) -> float:
        """When ``refresh_due`` should look next; infinity when there is nothing to look at.

        A value that nobody used by its time to refresh is not waited for: its next use starts the read.
        """
        now = self._clock()
        return min(
            (at for slot in self.cache.slots() if (at := slot.entry.refresh_at) > now), default=float("inf")
        )

    def invalidate(self, concerns: Callable[[Slot], bool]) -> Dropped:
        """Drop every version that is concerned."""
        kept, used = False, []
        for slot in filter(concerns, self.cache.slots()):
            if slot.entry is not NOTHING:
                kept = True
                if slot.is_used:
                    used.append(slot)
            self._drop(slot)
        return Dropped(kept, used)

    def reject(self, slot: Slot, seen_version: str) -> bool:
        """A caller says that this version is no longer accepted; says whether it will be read again.

        Not when the cache holds another version by now, and not again for ten seconds: a wrong password
        that is right in Secret Manager must not become a call for each attempt.
        """
        now = self._clock()
        with self._lock:
            entry = slot.entry
            if entry is NOTHING or entry.version != seen_version:
                return False
            if 0 <= now - slot.feedback_at < FEEDBACK_PAUSE_S:
                return False
            slot.feedback_at = now
            slot.generation += 1
            slot.entry = entry.until(NEVER)  # kept, for an outage in which stale values are allowed
            self._flights.leave(slot.name.resource)
        return True

    def changed(self, concerns: Callable[[Slot], bool]) -> int:
        """A notice tells of a change: forget these, and read again what was used; returns how many."""
        self.notices += 1
        used = self.invalidate(concerns).used
        for slot in used:
            slot.rechecks = 0 if slot.name.version.isdigit() else RECHECKS
            self.begin(slot)
        return len(used)

    def rely_on_notices(self, relies: bool) -> None:
        """Whether notices of changes arrive; without them no value outlives its own bound."""
        self.freshness.relies_on_notices = relies
        if relies:
            return
        for slot in self.cache.slots():
            with self._lock:
                entry = slot.entry
                expires_at = entry.checked_at + self.freshness.bound_s
                if expires_at < entry.expires_at:
                    slot.entry = entry.until(expires_at, entry.refresh_at)

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
        self.groups.lock = threading.Lock()

    def _let_go(self, slot: Slot, entry: Entry) -> None:
        """Free a value that is served no more; a read on its way may still bring the next one."""
        with self._lock:
            if slot.entry is entry:
                self.cache.swap(slot, NOTHING, self._clock())

    def _drop(self, slot: Slot) -> None:
        with self._lock:
            slot.generation += 1
            slot.missing = None
            self.cache.swap(slot, NOTHING, self._clock())
            # Under the same lock: a read of the new generation must not be left too, or two would race.
            self._flights.leave(slot.name.resource)

    def _launch(self, job: Callable[[], None], here: bool) -> None:
        if not here:
            try:
                self._executor().submit(job)
                return
            except RuntimeError:  # the interpreter shuts down, no more threads
                log.debug("reading a secret in the calling thread")
        job()

    def _executor(self) -> Executor:
        if self._outside.executor is not None:
            return self._outside.executor
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(
                    self.section.max_concurrency, thread_name_prefix="genesis-secrets"
                )
            return self._pool

    def _fly(self, slot: Slot, flight: Flight, generation: int) -> None:
        """Read one version and land its flight, whatever happens."""
        outcome: Outcome = CloudUnavailableError(
            f"{slot.name.resource}: the read was interrupted", code="CANCELLED"
        )
        try:
            outcome = self._refusal(slot) or self._asked(slot)
        finally:
            learns = False
            with self._lock:
                if slot.generation == generation:
                    before = slot.changes
                    outcome = self._kept_after(slot, outcome)
                    learns = slot.changes > before
            self._flights.land(slot.name.resource, flight, outcome)
        if learns:
            self._learn(slot)

    def _refusal(self, slot: Slot) -> CloudUnavailableError | None:
        """The error of a read that is not sent, because the last ones all failed."""
        with self._lock:
            circuit = self._circuit(slot)
            wait_s = circuit.wait_s(self._clock(), self.section.timeout_s)
        if not wait_s:
            return None
        return CloudUnavailableError(
            f"{slot.name.resource}: UNAVAILABLE: not asked, because {circuit.failures} reads in a row "
            f"failed, the last with: {circuit.last_error}; it is tried again in {wait_s:.1f} s",
            code="UNAVAILABLE",
        )

    def _asked(self, slot: Slot) -> Outcome:
        """What Secret Manager answers."""
        outcome: Outcome = CloudUnavailableError(f"{slot.name.resource}: interrupted", code="CANCELLED")
        sent_at, asked, begin_ns = self._clock(), self._tick(), time.perf_counter_ns()
        try:
            version = self._outside.access(slot.name, self.section.timeout_s)
            outcome = self._entry(slot, version, sent_at, asked)
        except Exception as error:  # noqa: BLE001 - it is the outcome, and raised by those who wait
            outcome = error
        finally:
            self._count(slot, outcome, time.perf_counter_ns() - begin_ns)
        return outcome

    def _tick(self) -> int:
        """A number for this moment, later than every one before: clocks may stand still or be set back."""
        with self._lock:
            self._ticks += 1
            return self._ticks

    def _entry(self, slot: Slot, version: Version, sent_at: float, asked: int) -> Entry:
        parent, _, number = version.name.rpartition("/versions/")
        slot.seen_parent = parent
        slot.activity.look(sent_at, slot.uses)
        slot.pace.checked(sent_at, slot.uses, _rotations(slot.last_version, number))
        unseen = slot.rechecks > 0 and number == slot.last_version
        slot.rechecks = slot.rechecks - 1 if unseen else 0
        terms = self.freshness.terms(slot.pace, sent_at, recheck=unseen)
        last = slot.entry
        return Entry(
            version.payload,
            number,
            checked_at=sent_at,  # the value may have changed since then
            since=last.since if last.version == number else self._tick(),
            asked=asked,
            refresh_at=terms.refresh_at,
            expires_at=terms.expires_at,
        )

    def _count(self, slot: Slot, outcome: Outcome, duration_ns: int) -> None:
        self.latencies.record(duration_ns)
        failed = not isinstance(outcome, Entry)
        with self._lock:
            self.calls += 1
            self.failures += failed
            slot.calls += 1
            slot.failures += failed
            if isinstance(outcome, CloudUnavailableError):
                self._circuit(slot).failed(self._clock(), outcome)
            else:
                self._circuit(slot).worked()

    def _circuit(self, slot: Slot) -> Circuit:
        place = slot.name.place
        found = self.circuits.get(place)
        if found is None:
            found = self.circuits[place] = Circuit(self._outside.chance)
        return found

    def _kept_after(self, slot: Slot, outcome: Outcome) -> Outcome:
        """Put the outcome into the slot; returns what the waiters get. Under the lock."""
        now = self._clock()
        if isinstance(outcome, Entry):
            slot.hits_at_check = slot.hits
            slot.changes += bool(slot.last_version) and slot.last_version != outcome.version
            slot.last_version = outcome.version
            slot.missing, slot.outages = None, 0
            self.cache.swap(slot, outcome, now)
            return outcome
        if isinstance(outcome, ANSWERS):
            slot.outages = 0
            self.cache.swap(slot, NOTHING, now)
            if isinstance(outcome, CloudNotFoundError):
                missing = own_copy(outcome)
                missing.__cause__ = None  # it would keep the frames of the call
                slot.missing, slot.missing_until = missing, now + MISSING_KEPT_S
            return outcome
        return self._after_outage(slot, outcome, now)

    def _after_outage(self, slot: Slot, outcome: Exception, now: float) -> Outcome:
        """Serve the old value on, where that is allowed; under the lock."""
        entry = slot.entry
        if entry is NOTHING:
            return outcome
        slot.outages += 1
        retry_at = now + pause_s(slot.outages, self._outside.chance)
        bound_at = entry.checked_at + self.freshness.bound_s
        if isinstance(outcome, CloudUnavailableError):
            stale_until = min(bound_at + self.section.stale_if_error_s, now + OUTAGE_KEPT_S)
            serve_until = max(bound_at, stale_until)
        else:  # whatever it is, it is no outage
            serve_until = entry.expires_at
        if not entry.checked_at <= now < serve_until:
            return outcome
        if now >= bound_at:
            self.stale_served += 1
            log.warning("%s; serving %s as of %.0f s ago", outcome, slot.label, now - entry.checked_at)
        slot.entry = entry.until(serve_until, retry_at)
        return slot.entry

    def _learn(self, slot: Slot) -> None:
        """After a change: the times of the versions, where the intervals depend on them and we may ask."""
        history, parent = self._outside.history, slot.name.parent
        if history is None or not self.freshness.adapts or parent in self._no_history:
            return
        self._launch(lambda: self._ask_history(slot), here=False)

    def _ask_history(self, slot: Slot) -> None:
        history, parent = self._outside.history, slot.name.parent
        if history is None:
            return
        with self._lock:
            self.metadata_calls += 1
        try:
            created = history(slot.name, self.section.timeout_s)
            ahead_s = self._clock() - self._outside.wall()
            slot.pace.learn([at + ahead_s for at in created])
        except CloudPermissionError:
            self._no_history.add(parent)
            log.info("%s: versions may not be listed; rotations are learned from the reads alone", parent)
        except Exception as error:  # noqa: BLE001 - nothing depends on it but the next interval
            log.debug("%s: the times of its versions are not known: %s", parent, error)


def _rotations(before: str, now: str) -> int:
    """How many versions were added between two reads."""
    if not before or before == now:
        return 0
    if before.isdigit() and now.isdigit():
        return max(int(now) - int(before), 1)
    return 1
