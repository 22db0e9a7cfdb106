"""The thread that tells the channels: started by the first notification, never waited for before the end."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import Counter
from collections.abc import Callable

from ...export import at_end
from ...export.clock import Clock
from .delivery import Delivery
from .notification import Notification
from .outbox import Outbox

log = logging.getLogger(__name__)


class Notifier:
    """Hands notifications to channels in a thread of its own.

    At the end of the process what waits is told without pauses, together with the last metrics; what could
    not be told is left to the next process, or lost with a store that can not be written.

    Args:
        make: the delivery, given what to call with what is told or given up; called again in the child of a
            fork, which is to tell nothing of its parent's.
    """

    def __init__(
        self,
        make: Callable[[Callable[[str, Notification], object]], Delivery],
        outbox: Outbox,
        *,
        clock: Clock,
    ) -> None:
        self._make = make
        self._outbox = outbox
        self._clock = clock
        self.is_closed = False
        self._fresh()
        at_end.watch(self)

    def _fresh(self) -> None:
        self._delivery = self._make(self._outbox.settled)
        self._lock = threading.RLock()
        self._wake = threading.Event()
        self._is_ending = False
        self._thread: threading.Thread | None = None

    @property
    def counts(self) -> Counter[str]:
        """Notifications by what became of them."""
        return self._delivery.counts

    @property
    def is_running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def tell(self, notification: Notification) -> None:
        """Tell every channel soon; waits for no channel and never raises."""
        if self.is_closed:
            return
        for channel in self._delivery.channels:
            self._outbox.keep(channel, notification)
        self._put(notification, None)

    def catch_up(self) -> None:
        """Tell what ended processes could not."""
        if self.is_closed:
            return
        for channel, notification in self._outbox.take(self._delivery.channels):
            self.counts["late"] += 1
            self._put(notification, channel)

    def close(self, timeout_s: float) -> bool:
        """Tell what waits without pauses, for at most so long; True when nothing was left."""
        with self._lock:
            self.is_closed = True
        self.begin_flush(timeout_s, final=True)
        return self.wait(None, timeout_s)

    def begin_flush(self, timeout_s: float, *, final: bool) -> None:
        """Tell what waits without pauses; ask with ``wait`` what became of it."""
        self._is_ending = True
        self._wake.set()

    def wait(self, flush: object, timeout_s: float) -> bool:
        """Wait at most so long, and leave what was not told to the next process; True when all was."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout_s)  # real seconds: the host must not wait longer
        with self._lock:
            counts, is_idle = self.counts, self._delivery.is_idle
            # Whoever hangs in the old one finds that it is over.
            self._delivery = self._make(self._outbox.settled)
            self._delivery.counts = counts
            self._wake = threading.Event()
            self._thread, self._is_ending = None, False
        left, lost = self._outbox.release()
        if left:
            counts["left"] += left
        if lost:
            counts["lost"] += lost
            with contextlib.suppress(Exception):  # a log handler of the host that raises
                log.warning(
                    "%d notifications are lost: they were not told, and the history store that keeps them "
                    "for the next process can not be written",
                    lost,
                )
        return is_idle

    def after_fork_in_child(self) -> None:
        self._outbox.after_fork_in_child()
        self._fresh()

    def _put(self, notification: Notification, channel: str | None) -> None:
        with self._lock:
            self._delivery.put(notification, channel)
            self._start()
        self._wake.set()

    def _start(self) -> None:
        if self.is_running:
            return
        mine = (self._delivery, self._wake)
        thread = threading.Thread(target=self._run, args=mine, name="genesis-notify", daemon=True)
        self._thread = thread  # before it starts: a signal at once after that must find it
        try:
            thread.start()
        except RuntimeError:  # out of threads, or the interpreter ends: it is left to the next process
            self._thread = None

    def _run(self, delivery: Delivery, wake: threading.Event) -> None:
        while delivery is self._delivery:
            is_last = self._is_ending
            wait_s = delivery.turn(is_last=is_last)
            if is_last and (wait_s is None or wait_s > 0):
                return  # everybody was told, or the last try failed
            if wait_s == 0:
                continue
            self._clock.wait(wake, 3600.0 if wait_s is None else wait_s)
            wake.clear()
