"""OptimizedSecretManager: secrets at the speed of a dictionary, at most so old, asked for once.

The constructor does nothing: no settings are read, no client and no thread is made before the first read, so
that an instance at module level works in servers that fork.

Driving it without threads, for simulations and tests on a clock of their own::

    class Inline(concurrent.futures.Executor):  # runs at once what would run in the background
        def submit(self, fn, /, *args, **kwargs):
            future = concurrent.futures.Future()
            future.set_result(fn(*args, **kwargs))
            return future

    secrets = OptimizedSecretManager(
        "p", config=SecretManagerSection(...), access=access, history=history_or_none,
        clock=clock, wall_clock=clock, chance=random.Random(7).random, executor=Inline(),
    )
    secrets.start_optimization()  # starts no thread where an executor is given

Then, in the order of time: before the clock passes ``secrets.next_refresh_at()`` set it to just that, and
call ``secrets.refresh_due()``; at each access set the clock and call ``get_secret_sync``. A use of a value
that is past its time to refresh returns the old value and reads the new one inline. ``access`` may advance
the clock by a latency.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import random
import time
import weakref
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import Executor
from types import TracebackType
from typing import Any, NoReturn, TypeVar

from ..config import project_argument
from ..config.secret_manager import CacheStrategy, SecretManagerSection
from ..errors import GenesisPerformanceError
from ..operations import note_call, tracking
from .access import facts_of
from .atomic import PASSES, never_still, too_old
from .batch import Passes, SecretValues, afly, fly, no_text, preloaded, unique_names, values
from .entry import NOTHING, Entry, Slot
from .flights import Outcome, unwrapped
from .lifetime import Lifetime, overrides
from .names import LATEST
from .naming import Naming
from .notices import WITHOUT_CHANGE, concerned
from .outside import Access, History, Outside, access_over_grpc, history_over_grpc
from .recommendations import CostRecommendation, cost_recommendations
from .report import PerformanceReport, performance_report
from .secret_uses import AuthErrors, Use, rejects

READ = "secret read"  # kinds of the calls noted in the current operation
CACHED = "cached secret"  # costs nothing, so it is told apart from a read

T = TypeVar("T")

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
        history: the times of a secret's versions; Secret Manager's by default, none beside another access.
        wall_clock: seconds since 1970, for those times.
        chance: 0 to 1, for jitter.
        executor: runs the reads that nobody waits for, and those of coroutines and batches; by default
            threads of its own.
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
        history: History | None = None,
        wall_clock: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
        executor: Executor | None = None,
    ) -> None:
        if history is None and access is access_over_grpc:
            history = history_over_grpc
        self._naming = Naming(project_argument(gcp_project_id, project_id))
        self._clock = clock
        self._lifetime = Lifetime(
            config,
            overrides(cache_ttl_s, cache_size, strategy),
            Outside(access, history, clock, wall_clock, chance, executor),
        )
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
        # A hit is only this, without a lock. It stands here and in get_secret: a call would cost half of it.
        try:
            slot = self._by_key[name if version is LATEST else (name, version)]
            entry = slot.entry
            now = self._clock()
            if now < entry.text_until:
                slot.hits += 1
                slot.used_at = now
                if tracking.on:
                    note_call(CACHED, slot.label, 0)
                return entry.text  # type: ignore[no-any-return]
        except (KeyError, TypeError):  # not known yet; or unhashable, which the slow path says in words
            pass
        return _text(name, self._kept(name, version) or self._read(name, version))

    async def get_secret(self, name: str, version: str = LATEST) -> str:
        """``get_secret_sync`` on any event loop."""
        try:
            slot = self._by_key[name if version is LATEST else (name, version)]
            entry = slot.entry
            now = self._clock()
            if now < entry.text_until:
                slot.hits += 1
                slot.used_at = now
                if tracking.on:
                    note_call(CACHED, slot.label, 0)
                return entry.text  # type: ignore[no-any-return]
        except (KeyError, TypeError):
            pass
        return _text(name, self._kept(name, version) or await self._aread(name, version))

    def get_secret_bytes_sync(self, name: str, version: str = LATEST) -> bytes:
        """The payload as it is, for keys and certificates that are not text."""
        return (self._kept(name, version) or self._read(name, version)).data

    async def get_secret_bytes(self, name: str, version: str = LATEST) -> bytes:
        """``get_secret_bytes_sync`` on any event loop."""
        return (self._kept(name, version) or await self._aread(name, version)).data

    def get_secrets_sync(self, names: Iterable[str], *, atomic: bool = False) -> dict[str, str]:
        """Several secrets, by the names as given: ``latest``, or the version that a name has.

        What is cached is taken in one pass, the rest is read with bounded concurrency.

        Args:
            atomic: all values were there at one moment, see ``atomic``. What is not known to have been is
                read again.

        Raises:
            SecretBatchError: some could not be read; it names them and has the others in ``results``,
                unless the batch is atomic.
            CloudConflictError: atomic, and the versions did not stand still.
        """
        names = unique_names(names)
        found = None if atomic else self._all_kept(names)
        if found is not None:
            return found
        return values(fly(self._lifetime.reading, self._passes(names, atomic)), atomic=atomic)

    async def get_secrets(self, names: Iterable[str], *, atomic: bool = False) -> dict[str, str]:
        """``get_secrets_sync`` on any event loop."""
        names = unique_names(names)
        found = None if atomic else self._all_kept(names)
        if found is not None:
            return found
        await self._naming.find_project(names)
        return values(await afly(self._lifetime.reading, self._passes(names, atomic)), atomic=atomic)

    def with_secret_sync(
        self,
        name: str,
        use: Callable[[str], T],
        *,
        version: str = LATEST,
        auth_errors: AuthErrors | None = None,
    ) -> T:
        """``use(value)``; if the secret is not accepted and there is a newer one, once more with that.

        Args:
            use: is called with the value, at most twice: what it does before it fails should not matter.
            auth_errors: exceptions, or a function of the exception, that mean "not accepted". By default
                what ``secret_uses`` lists.

        Raises:
            Exception: what ``use`` raised: the first time if there is no newer version, else the second.
        """
        entry = self._kept(name, version) or self._read(name, version)
        try:
            return use(_text(name, entry))
        except Exception as error:
            if not rejects(error, auth_errors):
                raise
            newer = self._newer(name, version, entry, error)
            if newer is None:
                raise
        return use(_text(name, newer))

    async def with_secret(
        self,
        name: str,
        use: Use[T],
        *,
        version: str = LATEST,
        auth_errors: AuthErrors | None = None,
    ) -> T:
        """``with_secret_sync`` on any event loop; ``use`` may be a coroutine function or an ordinary one."""
        entry = self._kept(name, version) or await self._aread(name, version)
        try:
            return await _awaited(use(_text(name, entry)))
        except Exception as error:
            if not rejects(error, auth_errors):
                raise
            newer = await self._anewer(name, version, entry, error)
            if newer is None:
                raise
        return await _awaited(use(_text(name, newer)))

    def invalidate(self, name: str, seen_version: str | int | None = None) -> bool:
        """Forget a secret; the next read asks Secret Manager. Says whether anything was forgotten.

        A read that is on its way is not kept: it may bring the value from before.

        Args:
            seen_version: the version that was rejected (see ``cached_version``). Nothing is forgotten when
                the cache holds another one by now, or when the last time was less than ten seconds ago.
                Without it every cached version is forgotten, each time.
        """
        reading, parent = self._lifetime.started, self._naming.name(name, LATEST).parent
        if reading is None:
            return False
        if seen_version is None:
            return reading.invalidate(lambda slot: slot.name.parent == parent).kept
        slots = [slot for slot in reading.cache.slots() if slot.name.parent == parent]
        rejected = [reading.reject(slot, str(seen_version)) for slot in slots]
        return any(rejected)

    def cached_version(self, name: str, version: str = LATEST) -> str | None:
        """The number of the version that the cache holds, for ``invalidate``; None when it holds none."""
        slot = self._by_key.get(name if version == LATEST else (name, version))
        return None if slot is None or slot.entry is NOTHING else slot.entry.version

    def preload_sync(self, names: Iterable[str], *, strict: bool = False) -> dict[str, Exception]:
        """Read these before they are needed; returns what went wrong, by name.

        Args:
            strict: raise instead.

        Raises:
            SecretBatchError: strict, and some could not be read.
        """
        outcomes = fly(self._lifetime.reading, self._passes(unique_names(names), False))
        return preloaded(self._by_key, outcomes, strict)

    async def preload(self, names: Iterable[str], *, strict: bool = False) -> dict[str, Exception]:
        """``preload_sync`` on any event loop."""
        names = unique_names(names)
        await self._naming.find_project(names)
        outcomes = await afly(self._lifetime.reading, self._passes(names, False))
        return preloaded(self._by_key, outcomes, strict)

    def start_optimization(self) -> None:
        """Read what is used again before it runs out, in the background.

        The thread starts with the first read, in each process anew. The setting
        ``secret_manager.background_optimization: false`` switches this off.
        """
        self._lifetime.want_refresh(True)

    def stop_optimization(self) -> None:
        """End the background thread; values then run out and are read when asked for."""
        self._lifetime.want_refresh(False)

    def refresh_due(self) -> int:
        """Start reading again what is due by now; returns how many. The background thread does just this."""
        reading = self._lifetime.started
        return 0 if reading is None else reading.refresh_due()

    def next_refresh_at(self) -> float:
        """Time of the manager's clock at which ``refresh_due`` has something to look at; may be infinity."""
        reading = self._lifetime.started
        return float("inf") if reading is None else reading.next_refresh_at()

    def secret_changed(self, resource: str) -> None:
        """Something outside knows that a secret (or ``.../versions/N``) changed: forget it at once.

        What was used since its last check is read again in the background. From any thread; never raises.

        Args:
            resource: ``projects/P[/locations/L]/secrets/S``, with the project's number or id.
        """
        self.on_secret_event("", resource)

    def on_secret_event(self, event_type: str, secret: str, version: str = "") -> None:
        """``secret_changed`` for one of Secret Manager's events; those that change no value are passed over.

        Args:
            event_type: such as ``SECRET_VERSION_ADD``.
            secret, version: the attributes ``secretId`` and ``versionId``.
        """
        reading = self._lifetime.started
        if reading is not None and event_type not in WITHOUT_CHANGE:
            reading.changed(concerned(str(secret), str(version)))

    def rely_on_notices(self, relies: bool = True) -> None:
        """Say that notices arrive, or no longer do; while they do ``safety_poll_s`` is the bound, if set."""
        self._lifetime.rely_on_notices(relies)

    def get_performance_report(self) -> PerformanceReport:
        """Hit rate, calls, failures, latencies, ages, patterns and health, all of this process."""
        lifetime = self._lifetime
        return performance_report(
            lifetime.reading(),
            now=self._clock(),
            observed_s=lifetime.observed_s(),
            refreshing=lifetime.is_refreshing,
            notices=lifetime.notices_report(),
        )

    def get_cost_recommendations(self, *, list_versions: bool = True) -> list[CostRecommendation]:
        """What would lower the bill, from the accesses measured so far; empty when nothing would.

        Args:
            list_versions: ask Secret Manager, once an hour at most, which versions the secrets have that were
                read here; without the permission nothing is said about them.
        """
        report = self.get_performance_report()
        return cost_recommendations(facts_of([report], self._lifetime.versions() if list_versions else None))

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
        """The cached value, whatever it is; read again in the background when it is time."""
        try:
            slot = self._by_key.get(name if version == LATEST else (name, version))
        except TypeError:  # unhashable, so no name either: parse says it in words
            return None
        if slot is None:
            return None
        entry, now = slot.entry, self._clock()
        if not entry.checked_at <= now < entry.expires_at:
            return None
        slot.hits += 1
        slot.used_at = now
        if tracking.on:
            note_call(CACHED, slot.label, 0)
        if now >= entry.refresh_at:
            self._lifetime.refresh_if_wanted()  # the thread, in a process where nothing was read yet
            self._lifetime.reading().refresh(slot)
        return entry

    def _all_kept(self, names: tuple[str, ...]) -> SecretValues | None:
        """A whole batch from the cache in one pass; None when anything has to be read or looked at."""
        try:
            slots = [self._by_key[name] for name in names]
        except (KeyError, TypeError):
            return None
        now, entries = self._clock(), [slot.entry for slot in slots]
        if now >= min((entry.text_until for entry in entries), default=now):
            return None
        for slot in slots:
            slot.hits += 1
            slot.used_at = now
            if tracking.on:
                note_call(CACHED, slot.label, 0)
        return SecretValues(zip(names, [entry.text for entry in entries], strict=True))

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

    def _newer(self, name: str, version: str, used: Entry, error: Exception) -> Entry | None:
        """Another version than the one that was rejected, if there is one."""
        self.invalidate(name, used.version)
        try:
            entry = self._kept(name, version) or self._read(name, version)
        except GenesisPerformanceError as reason:
            _tell(error, reason)
            return None
        return entry if entry.version != used.version else None

    async def _anewer(self, name: str, version: str, used: Entry, error: Exception) -> Entry | None:
        self.invalidate(name, used.version)
        try:
            entry = self._kept(name, version) or await self._aread(name, version)
        except GenesisPerformanceError as reason:
            _tell(error, reason)
            return None
        return entry if entry.version != used.version else None

    def _passes(self, names: tuple[str, ...], atomic: bool) -> Passes:
        """A batch: asks for what has to be read, is sent the outcomes, and returns those of all names."""
        found = {name: self._kept(name, LATEST) for name in names}
        outcomes: dict[str, Outcome] = {name: entry or NOTHING for name, entry in found.items()}
        slots = {name: self._slot(name, LATEST) for name, entry in found.items() if entry is None}
        since = 0
        for _pass in range(PASSES if atomic else 1):
            if slots:
                begin_ns = time.perf_counter_ns()
                outcomes |= yield slots, since
                share_ns = (time.perf_counter_ns() - begin_ns) // len(slots)  # they share the batch's time
                for slot in slots.values():
                    note_call(READ, slot.label, share_ns)
            stale, since = too_old(outcomes) if atomic else ([], 0)
            if not stale:
                return outcomes
            slots = {name: self._slot(name, LATEST) for name in stale}
        raise never_still(list(slots))

    def _slot(self, name: str, version: str) -> Slot:
        reading, wanted, now = self._lifetime.reading(), self._naming.name(name, version), self._clock()
        self._by_key = reading.cache.by_key
        slot = reading.cache.slot(name if version == LATEST else (name, version), wanted, now)
        slot.misses += 1
        slot.used_at = now
        self._lifetime.note_read(reading, slot, now)
        return slot


def _text(name: str, entry: Entry) -> str:
    """The payload as text.

    Raises:
        InvalidInputError: it is none.
    """
    if entry.text is None:
        raise no_text(name)
    return str(entry.text)


async def _awaited(result: T | Awaitable[T]) -> T:
    return await result if inspect.isawaitable(result) else result


def _tell(error: Exception, reason: Exception) -> None:
    """The first error is raised; why there was no second try is in its notes."""
    error.add_note(f"no fresh secret could be read: {reason}")


def _after_fork_in_child() -> None:
    for manager in list(_living):
        manager._lifetime.after_fork()


os.register_at_fork(after_in_child=_after_fork_in_child)
