"""Which secrets are read together, so that the first that is missed can bring the others along.

Learned from misses alone; a hit takes no part. Misses close after one another are one episode. When it is
over, each pair of its members was missed together, and a member was missed apart from those that had run out
as well and were not asked for. A secret that is known to be missed together with another one, nearly always,
is read ahead when that one is missed. What was read ahead and not used before the next episode counts as
apart, so that a guess that no longer holds ends by itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import NamedTuple

from .entry import NOTHING, Slot

GAP_S = 2.0  # between two misses of one episode: a read of Secret Manager takes up to half a second
LONGEST_S = 30.0  # an episode ends, however busy the process is
MOST_MEMBERS = 32  # more is a start or a crowd, and says nothing about who belongs together
ENOUGH = 3  # times together, before others are read ahead
SHARE = 0.8  # of the times that the other one had run out as well
MEMORY = 32  # times; then both counts are halved, so that a habit can change
MOST_AHEAD = 16  # reads that one miss may start
MOST_KNOWN = 1000  # secrets with tallies


class Group(NamedTuple):
    """Secrets that are mostly read together."""

    resources: tuple[str, ...]
    share: float  # of its weakest pair: times together among the times that both had run out


class _Tally:
    __slots__ = ("apart", "together")

    def __init__(self) -> None:
        self.together = 0.0
        self.apart = 0.0

    @property
    def share(self) -> float:
        total = self.together + self.apart
        return self.together / total if total else 0.0

    @property
    def is_strong(self) -> bool:
        return self.together >= ENOUGH and self.share >= SHARE

    def add(self, *, together: bool) -> None:
        if together:
            self.together += 1
        else:
            self.apart += 1
        if self.together + self.apart > MEMORY:
            self.together, self.apart = self.together / 2, self.apart / 2


class CoAccess:
    """Pairs of secrets and how often they were missed together.

    Args:
        find: the slot of a resource name, None when it left the cache.
    """

    def __init__(self, find: Callable[[str], Slot | None]) -> None:
        self.lock = threading.Lock()
        self.ahead = 0  # reads that were started for a group
        self.ahead_used = 0  # of those of episodes that are over
        self.ahead_unused = 0
        self._find = find
        self._tallies: dict[str, dict[str, _Tally]] = {}
        self._members: set[str] = set()
        self._read_ahead: set[str] = set()
        self._began_at = self._last_at = float("-inf")

    def missed(self, slot: Slot, now: float) -> list[Slot]:
        """``slot`` has to be read at ``now``; returns what to read along with it."""
        resource = slot.name.resource
        with self.lock:
            if not (0 <= now - self._last_at < GAP_S and now - self._began_at < LONGEST_S):
                self._end()
                self._began_at = now
            self._last_at = now
            if len(self._members) <= MOST_MEMBERS:
                self._members.add(resource)
            wanted: list[Slot] = []
            for other, tally in self._tallies.get(resource, {}).items():
                if tally.is_strong and other not in self._members and other not in self._read_ahead:
                    found = self._find(other)
                    if found is not None and found.missing is None and _had_run_out(found, now):
                        wanted.append(found)
                        if len(wanted) == MOST_AHEAD:
                            break
            self._read_ahead.update(found.name.resource for found in wanted)
            self.ahead += len(wanted)
            return wanted

    def groups(self) -> list[Group]:
        """What is read together by now, the largest first."""
        with self.lock:
            links = {
                resource: {other: tally.share for other, tally in tallies.items() if tally.is_strong}
                for resource, tallies in self._tallies.items()
            }
        found, seen = [], set[str]()
        for resource in links:
            group = _connected(resource, links)
            if len(group) > 1 and not group & seen:
                seen |= group
                shares = [share for member in group for share in links.get(member, {}).values()]
                found.append(Group(tuple(sorted(group)), min(shares)))
        return sorted(found, key=lambda group: (-len(group.resources), group.resources))

    def _end(self) -> None:
        """Of an episode: what was together and what was not."""
        used: set[str] = set()
        for resource in self._read_ahead - self._members:
            slot = self._find(resource)
            if slot is not None and slot.is_used:
                used.add(resource)
        self.ahead_used += len(used | (self._read_ahead & self._members))
        self.ahead_unused += len(self._read_ahead - self._members - used)
        together = self._members | used
        if len(self._members) <= MOST_MEMBERS:
            for resource in together:
                self._count(resource, together)
        self._members, self._read_ahead = set(), set()

    def _count(self, resource: str, together: set[str]) -> None:
        tallies = self._tallies.setdefault(resource, {})
        for other, tally in list(tallies.items()):
            if other in together:
                tally.add(together=True)
                continue
            slot = self._find(other)
            if slot is None:
                del tallies[other]
            elif other in self._read_ahead or _had_run_out(slot, self._began_at):
                tally.add(together=False)
        for other in together - tallies.keys() - {resource}:
            if len(tallies) >= MOST_MEMBERS:
                self._forget_weakest(tallies)
            tallies[other] = _Tally()
            tallies[other].add(together=True)
        if len(self._tallies) > MOST_KNOWN:
            del self._tallies[next(iter(self._tallies))]

    @staticmethod
    def _forget_weakest(tallies: dict[str, _Tally]) -> None:
        del tallies[min(tallies, key=lambda other: tallies[other].together)]


def _had_run_out(slot: Slot, at: float) -> bool:
    return slot.entry is NOTHING or slot.entry.expires_at <= at


def _connected(start: str, links: dict[str, dict[str, float]]) -> set[str]:
    group, ahead = set[str](), [start]
    while ahead:
        resource = ahead.pop()
        if resource not in group:
            group.add(resource)
            ahead += _neighbours(resource, links)
    return group


def _neighbours(resource: str, links: dict[str, dict[str, float]]) -> Iterable[str]:
    """In both directions: a link that one side knows ties both."""
    return [*links.get(resource, {}), *(other for other, known in links.items() if resource in known)]
