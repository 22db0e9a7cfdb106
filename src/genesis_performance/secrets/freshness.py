"""Until when a value is served, and from when on it is read again: the bound and what is ahead of it.

The bound is hard: ``cache_ttl_s`` after the check was sent, or ``max_staleness_s`` where that is set, or
``safety_poll_s`` while notices of changes arrive.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ..config.secret_manager import CacheStrategy, SecretManagerSection
from .adaptive import SHORTEST_S, Pace

AHEAD_FROM, AHEAD_TO = 0.04, 0.10  # of the bound: left for a read, and for another one if it fails
JITTER = 0.1  # of an interval
RECHECK_S = 10.0  # "latest" may lag behind the notice of a change


class Terms(NamedTuple):
    """Of one value, on the manager's clock."""

    refresh_at: float
    expires_at: float


class Freshness:
    """The settings' bounds, and the two facts that shift them while the process runs."""

    def __init__(self, section: SecretManagerSection, chance: Callable[[], float]) -> None:
        self.refreshes_ahead = False  # somebody asked for it: see ``start_optimization``
        self.relies_on_notices = False
        self._section = section
        self._chance = chance

    @property
    def bound_s(self) -> float:
        """The greatest age at which a value is served."""
        section = self._section
        if self.relies_on_notices and section.safety_poll_s is not None:
            return max(section.safety_poll_s, self._own_bound_s)
        return self._own_bound_s

    @property
    def shortest_s(self) -> float:
        """Between two checks of one value that nobody forces; 0 where each use may be one."""
        if self.adapts:
            return SHORTEST_S
        return min(self.bound_s, self._section.cache_ttl_s) if self._has_room else self.bound_s

    @property
    def adapts(self) -> bool:
        """Whether each secret has an interval of its own."""
        return self._section.cache_strategy is CacheStrategy.ADAPTIVE and self._has_room

    def terms(self, pace: Pace, sent_at: float, *, recheck: bool = False) -> Terms:
        """For the value of a read that was sent at ``sent_at``.

        Args:
            recheck: a notice said that there is a newer one.
        """
        bound_s = self.bound_s
        after_s = self._refresh_after_s(pace, sent_at, bound_s)
        if recheck:
            after_s = min(after_s, RECHECK_S)
        return Terms(sent_at + after_s, sent_at + bound_s)

    @property
    def _own_bound_s(self) -> float:
        section = self._section
        return section.cache_ttl_s if section.max_staleness_s is None else section.max_staleness_s

    @property
    def _has_room(self) -> bool:
        """A soft bound was asked for, and no notices make polling a formality."""
        return self.bound_s == self._own_bound_s > self._section.cache_ttl_s

    def _refresh_after_s(self, pace: Pace, sent_at: float, bound_s: float) -> float:
        ahead_s = bound_s * (1 - AHEAD_FROM - (AHEAD_TO - AHEAD_FROM) * self._chance())
        if self._has_room:
            wanted_s = pace.interval_s(sent_at, bound_s) if self.adapts else self._section.cache_ttl_s
            return min(wanted_s * (1 - JITTER * self._chance()), ahead_s)
        return ahead_s if self.refreshes_ahead else bound_s
