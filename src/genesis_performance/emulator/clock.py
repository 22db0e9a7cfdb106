"""The emulator's clock: real time, unless a test moves or stops it."""

from __future__ import annotations

import time
from collections.abc import Callable


class Clock:
    """Wall time in nanoseconds since the epoch, which tests may advance or freeze."""

    def __init__(self, source_ns: Callable[[], int] = time.time_ns) -> None:
        self._source_ns = source_ns
        self._offset_ns = 0
        self._frozen_at_ns: int | None = None

    def now_ns(self) -> int:
        base_ns = self._source_ns() if self._frozen_at_ns is None else self._frozen_at_ns
        return base_ns + self._offset_ns

    def advance(self, seconds: float) -> None:
        """Move the clock forward; going back is refused, as no real service does it."""
        if seconds < 0:
            raise ValueError(f"advance_s is {seconds}: the clock only moves forward")
        self._offset_ns += round(seconds * 1e9)

    def freeze(self, frozen: bool) -> None:
        """Stop the clock where it stands, or let it run on from there."""
        if frozen and self._frozen_at_ns is None:
            self._frozen_at_ns = self._source_ns()
        elif not frozen and self._frozen_at_ns is not None:
            self._offset_ns += self._frozen_at_ns - self._source_ns()
            self._frozen_at_ns = None

    @property
    def is_frozen(self) -> bool:
        return self._frozen_at_ns is not None
