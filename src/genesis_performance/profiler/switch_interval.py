"""The interpreter's switch interval, shortened while stacks are sampled.

A sampler that waits for the GIL gets it where the program lets it go, so that samples pile up there. The
shorter it waits before it may demand the GIL, the fewer go astray. While one thread computes, only the
sampler ever waits and a very short interval costs nothing; threads that compete would pass the GIL
around at each end of it, so it is longer for them. It is longer too where the thread that has the GIL
gets no processor: the sampler would look again and again at each end of it.
"""

from __future__ import annotations

import sys
import threading

ALONE_S = 0.00002
COMPETING_S = 0.0002

_LATE_NS = 1_000_000
_IN_TIME_NS = 600_000


class SwitchInterval:
    """Shortened by ``hold``, put back by ``release``; left alone once the host sets it itself."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._original_s: float | None = None
        self._ours_s = 0.0  # asked for; what the interpreter made of it is below
        self._was_s = 0.0
        self._late_ns = 0.0
        self._crowded = False
        self.changed_by_host = False

    def hold(self) -> None:
        """Shorten it, unless it is held already."""
        with self._lock:
            if self._original_s is None:
                self.changed_by_host = False
                self._original_s = sys.getswitchinterval()
                self._set(COMPETING_S)

    def adjust(self, busy_threads: int, late_ns: int) -> None:
        """Fit it to the threads that compute now, and to how late samples are; only where it is held."""
        self._late_ns += (late_ns - self._late_ns) / 16
        if self._late_ns > _LATE_NS:
            self._crowded = True
        elif self._late_ns < _IN_TIME_NS:
            self._crowded = False
        wanted_s = ALONE_S if busy_threads <= 1 and not self._crowded else COMPETING_S
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
