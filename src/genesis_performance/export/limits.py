"""Limits of what a process exports: a budget of series, and messages that do not flood the host's log."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable


class SeriesBudget:
    """How many series one process may still start; shared by everything that makes series."""

    def __init__(self, max_series: int) -> None:
        self.max_series = max_series
        self.used = 0
        self.after_fork_in_child()

    def after_fork_in_child(self) -> None:
        """A lock of its own: the parent's may be held by a thread that the child does not have."""
        self._lock = threading.RLock()  # re-entrant, as a signal handler may record too

    def take(self, count: int = 1) -> bool:
        """True when ``count`` more series may be started."""
        with self._lock:
            if self.used + count > self.max_series:
                return False
            self.used += count
            return True


class Complaints:
    """What went wrong, counted by reason and logged at most once in ``every_s`` for each of them."""

    def __init__(
        self, log: logging.Logger, *, every_s: float = 60.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._log = log
        self._every_s = every_s
        self._clock = clock
        self._logged: dict[str, tuple[float, int]] = {}  # reason -> when, and the count then

    def add(self, reason: str, message: str, *values: object, count: int = 1) -> None:
        """Count ``reason``; say ``message`` unless that was said lately."""
        self.counts[reason] += count
        now = self._clock()
        last = self._logged.get(reason)
        if last is not None and now - last[0] < self._every_s:
            return
        self._logged[reason] = (now, self.counts[reason])
        unsaid = self.counts[reason] - count - (last[1] if last else 0)
        if unsaid > 0:
            message, values = f"{message} (and %d more since the last such line)", (*values, unsaid)
        # A log handler of the host that raises must not end the request that recorded.
        with contextlib.suppress(Exception):
            self._log.warning(message, *values)
