"""When Secret Manager does not answer, stop asking for a while: a circuit breaker for each place.

A place is a project and location: quotas belong to a project, outages to an endpoint. After ``OPENS_AFTER``
transient failures in a row nobody asks until a pause is over; then one read goes through, and its outcome
closes the circuit or opens it for longer.

Pauses have full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
"""

from __future__ import annotations

from collections.abc import Callable

OPENS_AFTER = 5
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0
LEAST_SHARE = 0.1  # of a pause, lest chance makes it none


def pause_s(failures: int, chance: Callable[[], float]) -> float:
    """Seconds to wait after so many failures in a row."""
    longest_s = min(FIRST_PAUSE_S * 2.0 ** min(failures - 1, 10), LONGEST_PAUSE_S)
    return longest_s * max(chance(), LEAST_SHARE)


class Circuit:
    """Whether one place may be asked. Callers hold a lock."""

    def __init__(self, chance: Callable[[], float]) -> None:
        self.failures = 0  # transient ones, in a row
        self.last_error = ""
        self._asks_from = float("-inf")
        self._chance = chance

    def wait_s(self, now: float, probe_s: float) -> float:
        """Seconds until the next try; 0 lets the caller ask.

        Args:
            probe_s: how long the read that goes through may take; the others wait for it.
        """
        if self.failures < OPENS_AFTER:
            return 0.0
        wait_s = self._asks_from - now
        if 0 < wait_s <= LONGEST_PAUSE_S + probe_s:  # longer: the clock was set back
            return wait_s
        self._asks_from = now + probe_s
        return 0.0

    def is_open(self) -> bool:
        """Whether reads are refused until a pause is over."""
        return self.failures >= OPENS_AFTER

    def retry_in_s(self, now: float) -> float:
        """Seconds until the next try; 0 when it may be made."""
        return max(self._asks_from - now, 0.0) if self.is_open() else 0.0

    def worked(self) -> None:
        """Secret Manager answered, were it only to say no."""
        self.failures = 0
        self._asks_from = float("-inf")

    def failed(self, now: float, error: Exception) -> None:
        self.failures += 1
        self.last_error = str(error)
        if self.failures >= OPENS_AFTER:
            self._asks_from = now + pause_s(self.failures - OPENS_AFTER + 1, self._chance)
