"""How one secret is used over time: from counters that are looked at now and then, never at a hit.

A hit adds to a counter of its slot and nothing else. The counters are looked at when a read goes to Secret
Manager, when the refresh looks for what is due, and when a report is made; so the highest rate is that of the
busiest stretch between two looks. Without the refresh these are up to the bound apart, and short bursts are
averaged out.
"""

from __future__ import annotations

from typing import NamedTuple

LEAST_S = 1.0  # between two looks: less says nothing about a rate


class Rates(NamedTuple):
    """Uses a second."""

    mean_per_s: float  # since the secret was first asked for
    peak_per_s: float  # of the busiest stretch between two looks
    burst: float  # how many times the mean that is; 1 for a steady use


class Activity:
    """The uses of one secret, as they were at the last look."""

    __slots__ = ("_at", "_began_at", "_peak_per_s", "_uses")

    def __init__(self, now: float) -> None:
        self._began_at = self._at = now
        self._uses = 0
        self._peak_per_s = 0.0

    def look(self, now: float, uses: int) -> None:
        """Take in the count of ``uses`` so far."""
        passed_s = now - self._at
        if passed_s >= LEAST_S:
            self._peak_per_s = max(self._peak_per_s, (uses - self._uses) / passed_s)
        elif passed_s >= 0:
            return
        self._at, self._uses = now, uses

    def observed_s(self, now: float) -> float:
        """Since the secret was first asked for."""
        return now - self._began_at

    def rates(self, now: float, uses: int) -> Rates | None:
        """Until now; None in the first second, and for what was never used."""
        self.look(now, uses)
        observed_s = self.observed_s(now)
        if observed_s < LEAST_S or not uses:
            return None
        mean_per_s = uses / observed_s
        peak_per_s = max(self._peak_per_s, mean_per_s)
        return Rates(mean_per_s, peak_per_s, peak_per_s / mean_per_s)
