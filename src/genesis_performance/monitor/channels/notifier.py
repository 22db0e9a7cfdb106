"""The thread that tells the channels: started by the first notification, never waited for."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

from ...export.clock import Clock
from .delivery import Delivery
from .notification import Notification


class Notifier:
    """Hands notifications to channels in a thread of its own.

    Args:
        make: the delivery; called again in the child of a fork, which is to tell nothing of its parent's.
    """

    def __init__(self, make: Callable[[], Delivery], *, clock: Clock) -> None:
        self._make = make
        self._clock = clock
        self._fresh()

    def _fresh(self) -> None:
        self._delivery = self._make()
        self._lock = threading.RLock()
        self._wake = threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        self._is_closing = False
        self._thread: threading.Thread | None = None

    @property
    def counts(self) -> Counter[str]:
        """Notifications by what became of them."""
        return self._delivery.counts

    def tell(self, notification: Notification) -> None:
        """Tell every channel soon; never waits and never raises."""
        with self._lock:
            if self._is_closing:
                return
            self._idle.clear()
            self._delivery.put(notification)
            self._start()
        self._wake.set()

    def wait(self, timeout_s: float) -> bool:
        """Wait until everybody was told; False when the time was over."""
        return self._idle.wait(timeout_s)

    def close(self, timeout_s: float) -> bool:
        """Tell what waits without pauses, for at most so long; True when nothing was left."""
        with self._lock:
            self._is_closing = True
            thread = self._thread
        self._wake.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout_s)  # real seconds: the host must not wait longer
        return self._delivery.is_idle

    def after_fork_in_child(self) -> None:
        self._fresh()

    def _start(self) -> None:
        if self._thread is not None and self._thread.is_alive():
            return
        thread = threading.Thread(target=self._run, name="genesis-notify", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # out of threads, or the interpreter ends
            self._delivery.counts["dropped"] += 1
            return
        self._thread = thread

    def _run(self) -> None:
        delivery = self._delivery
        while True:
            is_last = self._is_closing
            wait_s = delivery.turn(is_last=is_last)
            with self._lock:
                if delivery.is_idle:
                    self._idle.set()
            if is_last and (wait_s is None or wait_s > 0):
                return  # everybody was told, or the last try failed
            if wait_s == 0:
                continue
            self._clock.wait(self._wake, 3600.0 if wait_s is None else wait_s)
            self._wake.clear()
