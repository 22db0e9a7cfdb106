"""OptimizedSecretManager: secrets at the speed of a dictionary, at most so old, asked for once.

The constructor does nothing: no settings are read, no client and no thread is made before the first read, so
that an instance at module level works in servers that fork.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import time
import weakref
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, NoReturn

from ..config import project_argument
from ..config.secret_manager import CacheStrategy, SecretManagerSection
from ..errors import ConfigurationError, InvalidInputError
from ..operations import note_call
from .batch import SecretBatchError, SecretValues, unique_names
from .entry import NOTHING, Entry, Slot
from .flights import Flight, Outcome, own_copy, unwrapped
from .lifetime import Lifetime
from .names import LATEST
from .naming import Naming
from .reading import Access, access_over_grpc
from .recommendations import CostRecommendation, access_facts, cost_recommendations
from .report import PerformanceReport, performance_report

READ = "secret read"  # kinds of the calls noted in the current operation
CACHED = "cached secret"  # costs nothing, so it is told apart from a read

_living: weakref.WeakSet[OptimizedSecretManager] = weakref.WeakSet()


class OptimizedSecretManager:
    """A cache in front of Secret Manager.

    Args:
        project_id, gcp_project_id: project of short names; by default the environment, the settings, or the
            application default credentials say it.
        cache_ttl_s, cache_size, strategy: instead of the settings' (``secret_manager``).
        clock: seconds, monotonic.
        config: instead of the settings' whole section.
        access: reads one version; Secret Manager by default.
    """

    def __init__(
        self,
        project_id: str | None = None,
        *,
        gcp_project_id: str | None = None,
        cache_ttl_s: float | None = None,
        cache_size: int | None = None,
        strategy: CacheStrategy | str | None = None,
        clock: Callable[[], float] = time.monotonic,
        config: SecretManagerSection | None = None,
        access: Access = access_over_grpc,
    ) -> None:
        self._naming = Naming(project_argument(gcp_project_id, project_id))
        self._clock = clock
        self._lifetime = Lifetime(config, _checked(cache_ttl_s, cache_size, strategy), access, clock)
        self._by_key: dict[Any, Slot] = {}  # the cache's own, once there is one
        _living.add(self)

    def get_secret_sync(self, name: str, version: str = LATEST) -> str:
        """The secret as text, from the cache or from Secret Manager.

        Args:
            name: ``my-secret``, ``my-secret/versions/3`` or a full resource name.
            version: a number, ``latest`` or an alias.

        Raises:
            InvalidInputError: not a name, or the payload is not text.
            ConfigurationError: a short name, and no project is known.
            CloudError: Secret Manager refused, or could not be reached in time.
        """
        entry = self._kept(name, version)
        if entry is None:
            entry = self._read(name, version)
        if entry.text is None:
            raise _no_text(name)
        return entry.text

    async def get_secret(self, name: str, version: str = LATEST) -> str:
        """``get_secret_sync`` on any event loop."""
        entry = self._kept(name, version)
        if entry is None:
            entry = await self._aread(name, version)
        if entry.text is None:
            raise _no_text(name)
        return entry.text

    def get_secret_bytes_sync(self, name: str, version: str = LATEST) -> bytes:
        """The payload as it is, for keys and certificates that are not text."""
        return (self._kept(name, version) or self._read(name, version)).data

    async def get_secret_bytes(self, name: str, version: str = LATEST) -> bytes:
        """``get_secret_bytes_sync`` on any event loop."""
        return (self._kept(name, version) or await self._aread(name, version)).data

    def get_secrets_sync(self, names: Iterable[str]) -> dict[str, str]:
        """Several secrets at their latest versions, by the names as given.

        What is cached is taken in one pass, the rest is read with bounded concurrency.

        Raises:
            SecretBatchError: some could not be read; it names them and has the others in ``results``.
        """
        found, missing = self._sorted(names)
        if not missing:
            return _values(found)
        reading = self._lifetime.reading()
        slots = {name: self._slot(name, LATEST) for name in missing}
        begin_ns = time.perf_counter_ns()
        flights: dict[str, Flight] = {}
        flying: set[Flight] = set()
        for name, slot in slots.items():
            if len(flying) >= reading.section.max_concurrency:
                flying = concurrent.futures.wait(
                    flying, return_when=concurrent.futures.FIRST_COMPLETED
                ).not_done
            flights[name] = reading.begin(slot)
            flying.add(flights[name])
        landed = {name: flight.result() for name, flight in flights.items()}
        return _values(found | _noted(slots, landed, begin_ns))

    async def get_secrets(self, names: Iterable[str]) -> dict[str, str]:
        """``get_secrets_sync`` on any event loop."""
        found, missing = self._sorted(names)
        if not missing:
            return _values(found)
        await self._naming.find_project(missing)
        reading = self._lifetime.reading()
        slots = {name: self._slot(name, LATEST) for name in missing}
        begin_ns = time.perf_counter_ns()
        gate = asyncio.Semaphore(reading.section.max_concurrency)

        async def landed(slot: Slot) -> Outcome:
            async with gate:
                return await asyncio.wrap_future(reading.begin(slot))

        outcomes = await asyncio.gather(*map(landed, slots.values()))
        return _values(found | _noted(slots, dict(zip(slots, outcomes, strict=True)), begin_ns))

    def invalidate(self, name: str) -> None:
        """Forget every cached version of a secret; the next read asks Secret Manager.

        A read that is on its way is not kept: it may bring the value from before.
        """
        self._lifetime.invalidate(self._naming.name(name, LATEST).parent)

    def start_optimization(self) -> None:
        """Read what is used again before it runs out, in the background.

        The thread starts with the first read, in each process anew. The setting
        ``secret_manager.background_optimization: false`` switches this off.
        """
        self._lifetime.want_refresh(True)

    def stop_optimization(self) -> None:
        """End the background thread; values then run out and are read when asked for."""
        self._lifetime.want_refresh(False)

    def get_performance_report(self) -> PerformanceReport:
        """Hit rate, calls, failures, latencies and ages, all counted in this process."""
        lifetime = self._lifetime
        return performance_report(
            lifetime.reading(),
            now=self._clock(),
            observed_s=lifetime.observed_s(),
            refreshing=lifetime.is_refreshing,
        )

    def get_cost_recommendations(self) -> list[CostRecommendation]:
        """What would lower the bill, from the accesses measured so far; empty when nothing would."""
        lifetime = self._lifetime
        return cost_recommendations(access_facts(lifetime.reading(), lifetime.observed_s()))

    def close(self) -> None:
        """End the background thread and the reads on their way, forget every value. Twice is once."""
        self._by_key = {}
        self._lifetime.close()

    async def aclose(self) -> None:
        """``close`` without blocking the event loop."""
        await asyncio.to_thread(self.close)

    def __enter__(self) -> OptimizedSecretManager:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    async def __aenter__(self) -> OptimizedSecretManager:
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        await self.aclose()

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("OptimizedSecretManager holds secrets and threads; it is not pickled or copied")

    def _kept(self, name: str, version: str) -> Entry | None:
        """The cached value. No lock: one dictionary read, one comparison, two counters."""
        try:
            slot = self._by_key.get(name if version == LATEST else (name, version))
        except TypeError:  # unhashable, so no name either: parse says it in words
            return None
        if slot is None:
            return None
        entry = slot.entry
        now = self._clock()
        if now >= entry.expires_at:
            return None
        slot.hits += 1
        slot.used_at = now
        note_call(CACHED, slot.label, 0)
        return entry

    def _read(self, name: str, version: str) -> Entry:
        reading, slot = self._lifetime.reading(), self._slot(name, version)
        begin_ns = time.perf_counter_ns()
        outcome = reading.begin(slot, here=True).result()
        note_call(READ, slot.label, time.perf_counter_ns() - begin_ns)
        return unwrapped(outcome)

    async def _aread(self, name: str, version: str) -> Entry:
        await self._naming.find_project((name,))
        reading, slot = self._lifetime.reading(), self._slot(name, version)
        begin_ns = time.perf_counter_ns()
        outcome = await asyncio.wrap_future(reading.begin(slot))
        note_call(READ, slot.label, time.perf_counter_ns() - begin_ns)
        return unwrapped(outcome)

    def _sorted(self, names: Iterable[str]) -> tuple[dict[str, Outcome], list[str]]:
        """What is cached, with the places of the others kept, and the names of the others."""
        found: dict[str, Outcome] = {}
        missing = []
        for name in unique_names(names):
            entry = self._kept(name, LATEST)
            if entry is None:
                missing.append(name)
            found[name] = entry or NOTHING
        return found, missing

    def _slot(self, name: str, version: str) -> Slot:
        reading, wanted, now = self._lifetime.reading(), self._naming.name(name, version), self._clock()
        self._by_key = reading.cache.by_key
        slot = reading.cache.slot(name if version == LATEST else (name, version), wanted, now)
        slot.misses += 1
        slot.used_at = now
        self._lifetime.note_read(now)
        return slot


def _checked(
    cache_ttl_s: float | None, cache_size: int | None, strategy: CacheStrategy | str | None
) -> dict[str, Any]:
    """The given ones, checked as the settings are."""
    try:
        chosen = None if strategy is None else CacheStrategy(strategy)
    except ValueError:
        known = ", ".join(repr(known.value) for known in CacheStrategy)
        raise ConfigurationError(f"strategy is {strategy!r}; it must be one of {known}") from None
    named = {"cache_ttl_s": cache_ttl_s, "cache_size": cache_size, "cache_strategy": chosen}
    given: dict[str, Any] = {key: value for key, value in named.items() if value is not None}
    SecretManagerSection(**given)
    return given


def _noted(slots: dict[str, Slot], landed: dict[str, Outcome], begin_ns: int) -> dict[str, Outcome]:
    """Report the reads to the current operation; together they took the time of the batch."""
    share_ns = (time.perf_counter_ns() - begin_ns) // len(slots)
    for slot in slots.values():
        note_call(READ, slot.label, share_ns)
    return landed


def _no_text(name: str) -> InvalidInputError:
    return InvalidInputError(f"{name!r} is not UTF-8 text; get_secret_bytes returns it as it is")


def _values(outcomes: dict[str, Outcome]) -> SecretValues:
    """Texts by name.

    Raises:
        SecretBatchError: there are failures among the outcomes.
    """
    values, failures = _divided(outcomes)
    if not failures:
        return values
    failure = SecretBatchError(values, failures)
    del values  # error trackers look into the mappings among a frame's locals
    raise failure


def _divided(outcomes: dict[str, Outcome]) -> tuple[SecretValues, dict[str, Exception]]:
    """Texts and failures. Nothing is raised here, where a frame would hold payloads."""
    values, failures = SecretValues(), dict[str, Exception]()
    for name, outcome in outcomes.items():
        if not isinstance(outcome, Entry):
            failures[name] = own_copy(outcome)
        elif outcome.text is None:
            failures[name] = _no_text(name)
        else:
            values[name] = outcome.text
    return values, failures


def _after_fork_in_child() -> None:
    for manager in list(_living):
        manager._lifetime.after_fork()


os.register_at_fork(after_in_child=_after_fork_in_child)
