"""Clocks of the measurements: one that runs faster, one that is turned by hand."""

from __future__ import annotations

import threading
import time


class FastClock:
    """Runs ``factor`` times as fast as the machine's since ``origin_ns``, in every process alike."""

    def __init__(self, factor: float, origin_ns: int) -> None:
        self._factor = factor
        self._origin_ns = origin_ns
        self._began = time.monotonic() - (time.time_ns() - origin_ns) / 1e9

    def unix_ns(self) -> int:
        return self._origin_ns + round(self.monotonic() * 1e9)

    def monotonic(self) -> float:
        return (time.monotonic() - self._began) * self._factor

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        return event.wait(timeout_s / self._factor)


class HandClock:
    """Stands still until it is advanced; threads that wait see it within 2 ms."""

    def __init__(self) -> None:
        self._unix_ns = time.time_ns()
        self._monotonic = 1000.0

    def unix_ns(self) -> int:
        return self._unix_ns

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        self._unix_ns += round(seconds * 1e9)
        self._monotonic += seconds

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        ends = self._monotonic + timeout_s
        while not event.wait(0.002):
            if self._monotonic >= ends:
                return False
        return True
