"""The exporter's clock, so that tests need not wait."""

from __future__ import annotations

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """Wall time for points, monotonic time for deadlines, and waiting for either."""

    def unix_ns(self) -> int:
        """Nanoseconds since the epoch."""

    def monotonic(self) -> float:
        """Seconds that never go back."""

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Wait for the event; False when the time is over first."""


class SystemClock:
    """The machine's own clocks."""

    def unix_ns(self) -> int:
        return time.time_ns()

    def monotonic(self) -> float:
        return time.monotonic()

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        return event.wait(timeout_s)
