"""How often a secret is worth reading again: from how often it is used and how often it rotates.

With polls every T seconds a rotation is noticed T/2 late on average. Rotations come at the rate mu and uses
at the rate lambda, so mu * lambda * T / 2 uses a second get an old value, and 1 / T reads a second are paid.
If an old value counts as much as ``WEIGHT`` reads, the sum is least at T = sqrt(2 / (WEIGHT * mu * lambda)).

A secret that rotates by a schedule is expected in a window; within it the same formula is used with the
window's own rate, one rotation a window, and outside of it with the rate of rotations nobody planned.

Intervals between polls only matter where a bound wider than the lifetime is allowed (``max_staleness_s``).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

WEIGHT = 2.0  # reads that one use of an old value is worth
SHORTEST_S = 15.0  # between two polls, however hot the secret
MEMORY_S = 6 * 3600.0  # a use counts 1/e after this long
PRIOR_USES, PRIOR_USES_S = 1.0, 600.0  # a new secret is taken to be used once in ten minutes
PRIOR_CHANGES, PRIOR_CHANGES_S = 0.5, 15 * 86400.0  # and to rotate once a month
KEPT_TIMES = 16
ENOUGH_INTERVALS = 2  # between rotations, to go without the prior
LEAST_INTERVALS = 3  # between rotations, before a schedule is believed
STEADY = 0.05  # of the median interval: the largest spread of a schedule
MAD_TO_SIGMA = 1.4826  # of a normal distribution
SLACK_S = 60.0  # a window is 3 sigma and this much to each side


class Pace:
    """One secret's measured rates, and the interval that follows from them."""

    __slots__ = ("_at", "_changes", "_seconds", "_since", "_times", "_uses", "_uses_at")

    def __init__(self, now: float) -> None:
        self._at = now
        self._uses_at = 0
        self._uses = 0.0  # decayed, over ``_seconds``, which decay alike
        self._seconds = 0.0
        self._since = now
        self._changes = 0
        self._times: list[float] = []  # of the latest rotations

    def checked(self, now: float, uses: int, rotations: int) -> None:
        """A read that was sent at ``now`` came back.

        Args:
            uses: of the value so far, ever.
            rotations: since the check before; they are placed evenly between the two.
        """
        passed = now - self._at
        if passed <= 0:
            return
        kept = math.exp(-passed / MEMORY_S)
        counted_s = MEMORY_S * (1 - kept)
        self._uses = self._uses * kept + (uses - self._uses_at) * counted_s / passed
        self._seconds = self._seconds * kept + counted_s
        if rotations > 0:
            self._changes += rotations
            shown = min(rotations, KEPT_TIMES)
            self._times += [self._at + passed * (i + 0.5) / shown for i in range(shown)]
            del self._times[:-KEPT_TIMES]
        self._at, self._uses_at = now, uses

    def learn(self, created: Sequence[float]) -> None:
        """Take over the true times of the latest versions, on the same clock."""
        times = sorted(created)[-KEPT_TIMES:]
        if len(times) > 1:
            self._times = times
            self._changes = max(self._changes, len(times) - 1)
            self._since = min(self._since, times[0])

    def use_rate(self) -> float:
        """Uses a second, the recent ones counting most."""
        return (self._uses + PRIOR_USES) / (self._seconds + PRIOR_USES_S)

    def rotation_rate(self, now: float) -> float:
        """Rotations a second: of late, where there were some, else with the prior's weight."""
        intervals = len(self._times) - 1
        if intervals >= ENOUGH_INTERVALS:
            return (intervals + PRIOR_CHANGES) / max(now - self._times[0], SHORTEST_S)
        return (self._changes + PRIOR_CHANGES) / (now - self._since + PRIOR_CHANGES_S)

    def window(self, now: float) -> tuple[float, float] | None:
        """When the next rotation is expected, if the last ones came by a schedule that still holds."""
        intervals = [later - sooner for sooner, later in zip(self._times, self._times[1:], strict=False)]
        if len(intervals) < LEAST_INTERVALS:
            return None
        usual = statistics.median(intervals)
        sigma = MAD_TO_SIGMA * statistics.median(abs(interval - usual) for interval in intervals)
        if sigma >= STEADY * usual:
            return None
        expected, margin = self._times[-1] + usual, 3 * sigma + SLACK_S
        return (expected - margin, expected + margin) if now < expected + 2 * margin else None

    def interval_s(self, now: float, longest_s: float) -> float:
        """Seconds until the next poll."""
        use_rate = self.use_rate()
        window = self.window(now)
        if window is None:
            wanted_s = _best(self.rotation_rate(now), use_rate)
        else:
            begin, end = window
            within_s = _best(1 / (end - begin), use_rate)
            outside_s = _best(PRIOR_CHANGES / PRIOR_CHANGES_S, use_rate)
            wanted_s = within_s if now >= begin else min(outside_s, begin - now + within_s)
        return min(max(wanted_s, SHORTEST_S), longest_s)


def _best(rotation_rate: float, use_rate: float) -> float:
    return math.sqrt(2 / (WEIGHT * rotation_rate * use_rate))
