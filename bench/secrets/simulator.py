"""The real cache code on a clock turned by hand, over the population: calls, blocked and stale reads.

Each secret is simulated by itself: no policy here lets one secret's reads depend on another's. Reads, list
calls and threads of the manager are replaced by ones that take no time; the rest is the code that users run.

Reads before a value's time to refresh differ in nothing but the counter that they raise (``Slot.hits``), so
runs of them are counted at once instead of called: that is exact, not an estimate. All other reads, looks of
the background thread and notices are calls of the manager. ``refreshing.check`` compares both ways each time.
"""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, fields
from typing import Any

from bench.secrets.population import Trace
from genesis_performance.config.secret_manager import SecretManagerSection
from genesis_performance.gcp.secret_version import SecretVersion
from genesis_performance.secrets import OptimizedSecretManager
from genesis_performance.secrets.entry import NOTHING, Entry, Slot

NEVER = float("inf")
NAME = "secret"
NOTICE_MEDIAN_S = 1.5
NOTICES_LOST = 0.001


@dataclass(slots=True)
class Tally:
    """What a policy did; added up over secrets and seeds."""

    reads: int = 0
    calls: int = 0
    lists: int = 0  # metadata calls
    blocked: int = 0  # reads that waited for a call
    stale: int = 0  # reads that brought a version which is not the latest any more
    rotations: int = 0
    failed: int = 0  # uses of such a value that the caller saw fail
    longest_s: float = 0.0  # that a version was served after it was the latest

    def __add__(self, other: Tally) -> Tally:
        both = {one.name: (getattr(self, one.name), getattr(other, one.name)) for one in fields(self)}
        longest_s = max(both.pop("longest_s"))
        return Tally(**{name: sum(values) for name, values in both.items()}, longest_s=longest_s)

    def note_stale(self, reads: int, after_s: float) -> None:
        """So many stale reads, the last of them so long after the rotation."""
        if reads:
            self.stale += reads
            self.longest_s = max(self.longest_s, after_s)


@dataclass(frozen=True, slots=True)
class Policy:
    """How a manager is set, and what comes to it from outside."""

    section: SecretManagerSection
    refreshes: bool = False  # start_optimization()
    lists: bool = False  # versions may be listed
    notices: bool = False  # of changes arrive
    feedback: str = ""  # how a rejected value is reported: "invalidate" or "with_secret"


class Inline(Executor):
    """Runs what it is given at once."""

    def submit(self, function: Callable[..., Any], /, *args: Any, **named: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(function(*args, **named))
        return future


class World:
    """Secret Manager as the trace has it, and the time."""

    def __init__(self, trace: Trace) -> None:
        self.now = 0.0
        self.calls = 0
        self.lists = 0
        self._rotations = trace.rotations

    def version(self) -> int:
        """The latest one, numbered from 1."""
        return bisect_right(self._rotations, self.now) + 1

    def ends_at(self, version: int) -> float:
        """When a version stops being the latest."""
        return self._rotations[version - 1] if version <= len(self._rotations) else NEVER

    def clock(self) -> float:
        return self.now

    def access(self, name: Any, timeout_s: float) -> SecretVersion:
        self.calls += 1
        number = self.version()
        return SecretVersion(f"{name.parent}/versions/{number}", str(number).encode())

    def history(self, name: Any, timeout_s: float) -> list[float]:
        self.lists += 1
        return self._rotations[: self.version() - 1][-20:]


def simulate(trace: Trace, policy: Policy, seed: int, *, at_once: bool = True) -> Tally:
    """One secret under one policy.

    Args:
        at_once: count runs of plain hits; False calls the manager for each.
    """
    return _Run(trace, policy, seed, at_once).tally()


class _Run:
    def __init__(self, trace: Trace, policy: Policy, seed: int, at_once: bool) -> None:
        self._trace = trace
        self._policy = policy
        self._at_once = at_once
        self._world = World(trace)
        chance = random.Random(seed)
        self._manager = _manager(policy, self._world, chance)
        self._notices = _notices(trace, chance) if policy.notices else []
        self._tally = Tally(rotations=len(trace.rotations))

    def tally(self) -> Tally:
        reads, notices, world = self._trace.reads, self._notices, self._world
        at, notice = 0, 0
        while at < len(reads):
            entry = self._entry()
            due = self._manager.next_refresh_at() if self._policy.refreshes else NEVER
            noticed = notices[notice] if notice < len(notices) else NEVER
            end = bisect_left(reads, min(self._plain_until(entry), due, noticed), at)
            if end > at:
                self._hits(entry, at, end)
                at = end
                continue
            if noticed <= min(due, reads[at]):
                world.now = noticed
                self._manager.secret_changed(f"projects/p/secrets/{NAME}")
                notice += 1
            elif due <= reads[at]:
                world.now = due
                self._manager.refresh_due()
            else:
                world.now = reads[at]
                self._read()
                at += 1
        slot = _slot(self._manager)
        self._tally.blocked = slot.misses if slot else 0
        self._tally.calls, self._tally.lists = world.calls, world.lists
        if not self._policy.feedback:
            self._tally.failed = self._tally.stale
        self._manager.close()
        return self._tally

    def _plain_until(self, entry: Entry) -> float:
        """Reads before then are plain hits that tell nobody anything."""
        if entry is NOTHING:
            return -NEVER
        until = entry.text_until
        return min(until, self._world.ends_at(int(entry.version))) if self._policy.feedback else until

    def _hits(self, entry: Entry, begin: int, end: int) -> None:
        reads, tally = self._trace.reads, self._tally
        tally.reads += end - begin
        ends_at = self._world.ends_at(int(entry.version))
        tally.note_stale(end - bisect_left(reads, ends_at, begin, end), reads[end - 1] - ends_at)
        if self._at_once:
            slot = _slot(self._manager)
            assert slot is not None
            slot.hits += end - begin
            self._world.now = reads[end - 1]
            return
        for at in reads[begin:end]:
            self._world.now = at
            self._manager.get_secret_sync(NAME)

    def _read(self) -> None:
        """One that may refresh, miss or be reported as rejected."""
        manager, tally, current = self._manager, self._tally, str(self._world.version())
        tally.reads += 1
        if self._policy.feedback == "with_secret":

            def use(value: str) -> None:
                if value != current:
                    tally.note_stale(1, self._late_s(value))
                    raise PermissionError("rejected")

            try:
                manager.with_secret_sync(NAME, use)
            except PermissionError:
                tally.failed += 1
            return
        value = manager.get_secret_sync(NAME)
        if value != current:
            tally.note_stale(1, self._late_s(value))
            if self._policy.feedback:
                tally.failed += 1
                manager.invalidate(NAME, manager.cached_version(NAME))

    def _late_s(self, value: str) -> float:
        return self._world.now - self._world.ends_at(int(value))

    def _entry(self) -> Entry:
        slot = _slot(self._manager)
        return NOTHING if slot is None else slot.entry


def on_demand(trace: Trace, ttl_s: float) -> Tally:
    """A plain cache: the first read after ``ttl_s`` fetches, and waits for it."""
    reads, rotations, tally = trace.reads, trace.rotations, Tally(rotations=len(trace.rotations))
    at = 0
    while at < len(reads):
        fetched = reads[at]
        end = bisect_left(reads, fetched + ttl_s, at + 1)
        following = bisect_right(rotations, fetched)
        if following < len(rotations) and rotations[following] < fetched + ttl_s:
            ended = rotations[following]
            tally.note_stale(end - bisect_left(reads, ended, at, end), reads[end - 1] - ended)
        tally.calls += 1
        at = end
    tally.reads, tally.blocked, tally.failed = len(reads), tally.calls, tally.stale
    return tally


def _manager(policy: Policy, world: World, chance: random.Random) -> OptimizedSecretManager:
    manager = OptimizedSecretManager(
        "p",
        config=policy.section,
        access=world.access,
        history=world.history if policy.lists else None,
        clock=world.clock,
        wall_clock=world.clock,
        chance=chance.random,
        executor=Inline(),
    )
    if policy.refreshes:
        manager.start_optimization()
    if policy.notices:
        manager.rely_on_notices()
    return manager


def _slot(manager: OptimizedSecretManager) -> Slot | None:
    return manager._by_key.get(NAME)


def _notices(trace: Trace, chance: random.Random) -> list[float]:
    """When those of the rotations arrive that are not lost."""
    return sorted(
        at + chance.expovariate(0.693 / NOTICE_MEDIAN_S)
        for at in trace.rotations
        if chance.random() >= NOTICES_LOST
    )
