"""The interpreter's switch interval, shortened while stacks are sampled.

A sampler that waits for the GIL gets it where the program lets it go, so that samples pile up there. The
shorter it waits before it may demand the GIL, the fewer go astray. While one thread computes, only the
sampler ever waits and a very short interval costs nothing; threads that compete would pass the GIL
around at each end of it, so it is longer for them. It is longer too where the sampler's own looking again
and again, at each end of it, would cost more than its budget.
"""

from __future__ import annotations

import sys
import threading

SHORTEST_S = 0.00002
LONGEST_S = 0.0002
_FIRST_S = 0.00005
_STEP = 1.5
_SAMPLES = 16  # between two steps: the mean cost follows so fast


class SwitchInterval:
    """Shortened by ``hold``, put back by ``release``; left alone once the host sets it itself."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._original_s: float | None = None
        self._ours_s = 0.0  # asked for; what the interpreter made of it is below
        self._was_s = 0.0
        self._alone_s = _FIRST_S
        self._samples = 0
        self.changed_by_host = False

    def hold(self) -> None:
        """Shorten it, unless it is held already."""
        with self._lock:
            if self._original_s is None:
                self.changed_by_host = False
                self._original_s = sys.getswitchinterval()
                self._set(LONGEST_S)

    def adjust(self, busy_threads: int, spent: float) -> None:
        """Fit it to what the last sample found; does nothing unless it is held.

        Args:
            busy_threads: threads that compute now.
            spent: cost of a sample over what it may cost at the rate that was asked for.
        """
        self._samples += 1
        if self._samples >= _SAMPLES:
            self._samples = 0
            if spent > 1:
                self._alone_s = min(self._alone_s * _STEP, LONGEST_S)
            elif spent < 0.7:
                self._alone_s = max(self._alone_s / _STEP, SHORTEST_S)
        wanted_s = self._alone_s if busy_threads <= 1 else LONGEST_S
        if wanted_s != self._ours_s:
            with self._lock:
                if self._original_s is not None and self._is_ours():
                    self._set(wanted_s)

    def release(self) -> None:
        """Put the host's interval back."""
        with self._lock:
            if self._original_s is not None and self._is_ours():
                sys.setswitchinterval(self._original_s)
            self._original_s = None
            self._ours_s = 0.0

    def after_fork_in_child(self) -> None:
        """The thread that held it is not in the child."""
        self._lock = threading.Lock()
        self.release()

    def _set(self, wanted_s: float) -> None:
        assert self._original_s is not None
        # A host that asked for a shorter one keeps it.
        sys.setswitchinterval(min(wanted_s, self._original_s))
        self._ours_s = wanted_s
        self._was_s = sys.getswitchinterval()

    def _is_ours(self) -> bool:
        if sys.getswitchinterval() != self._was_s:
            self.changed_by_host = True
        return not self.changed_by_host
