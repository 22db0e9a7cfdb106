"""A thread that reads again what is used before it runs out, so that callers do not wait for it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)

LOOKS_A_BOUND = 50  # two between the time to refresh and the end
SHORTEST_S, LONGEST_S = 0.05, 5.0  # between two looks
STOP_TIMEOUT_S = 5.0


class Refresher:
    """Calls ``look`` every so often, from a daemon thread that starts when there is something to look at."""

    def __init__(self, look: Callable[[], object], bound_s: Callable[[], float]) -> None:
        self._look = look
        self._bound_s = bound_s
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._lock = threading.Lock()

    @property
    def is_running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Start the thread, if it does not run yet in this process."""
        with self._lock:
            if not self.is_running:
                self._stop = threading.Event()
                self._thread = threading.Thread(
                    target=self._run, args=(self._stop,), name="genesis-secrets-refresh", daemon=True
                )
                self._thread.start()

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        with self._lock:
            thread, self._thread = self._thread, None
            self._stop.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout_s)

    def after_fork(self) -> None:
        """In the child the thread is gone."""
        self._thread = None
        self._lock = threading.Lock()

    def _run(self, stop: threading.Event) -> None:
        while not stop.wait(min(max(self._bound_s() / LOOKS_A_BOUND, SHORTEST_S), LONGEST_S)):
            try:
                self._look()
            except Exception:
                log.exception("refreshing secrets failed; it goes on")
