"""What must happen to exporters when a process forks, ends, or is asked to end."""

from __future__ import annotations

import atexit
import os
import signal
import threading
import time
import weakref
from types import FrameType
from typing import Any, Protocol

from . import lockable

EXIT_TIMEOUT_S = 5.0
"""All exporters together may hold up the end of the process for so long."""


class Ending(Protocol):
    """What an exporter lets be done to it here."""

    @property
    def is_closed(self) -> bool: ...

    @property
    def is_running(self) -> bool: ...

    def begin_flush(self, timeout_s: float, *, final: bool) -> Any: ...

    def wait(self, flush: Any, timeout_s: float) -> bool: ...

    def after_fork_in_child(self) -> None: ...


_lock = threading.RLock()
_watched: weakref.WeakSet[Any] = weakref.WeakSet()
_at_exit = False


def watch(exporter: Ending) -> None:
    """Flush it at the end of the process, and let it start anew in the child of a fork."""
    global _at_exit  # noqa: PLW0603 - registered once a process
    with _lock:
        _watched.add(exporter)
        if not _at_exit:
            atexit.register(flush_all)
            _at_exit = True


def flush_all(timeout_s: float = EXIT_TIMEOUT_S) -> bool:
    """Flush every running exporter, all of them within the time; True when nothing is left to send."""
    ends = time.monotonic() + timeout_s
    complete = True
    flushed: set[Ending] = set()
    # While one is flushed it may start another.
    while running := [one for one in _running() if one not in flushed]:
        flushed.update(running)
        left_s = max(ends - time.monotonic(), 0.01)
        flushes = [(one, one.begin_flush(left_s, final=True)) for one in running]
        for one, flush in flushes:
            complete &= one.wait(flush, max(ends - time.monotonic(), 0.01))
    return complete


def _running() -> list[Ending]:
    return [one for one in list(_watched) if one.is_running and not one.is_closed]


def flush_at_sigterm(timeout_s: float = EXIT_TIMEOUT_S) -> None:
    """Flush when the process is asked to end, then do what would have been done. Call it in the main thread.

    Cloud Run and Kubernetes send SIGTERM 10 s before the end; without this the last interval is lost.
    """
    previous = signal.getsignal(signal.SIGTERM)

    def end(number: int, frame: FrameType | None) -> None:
        flush_all(timeout_s)
        if callable(previous):
            previous(number, frame)
        elif previous != signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    signal.signal(signal.SIGTERM, end)


def _after_fork_in_child() -> None:
    global _lock  # noqa: PLW0603 - the parent's may be held by a thread that the child does not have
    _lock = threading.RLock()
    for exporter in list(_watched):
        exporter.after_fork_in_child()


# In the child what is registered first is called first: before an exporter opens files of its own there, the
# copies of the parent's must be closed.
lockable.close_copies_in_children()
os.register_at_fork(after_in_child=_after_fork_in_child)
