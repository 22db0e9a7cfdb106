"""The CPU clocks of this process's threads, read from another thread without touching theirs.

On Linux every thread has a CPU clock whose id follows from its kernel id, so that a thread which has
ended is an error of the call. ``pthread_getcpuclockid`` would read the memory of the ended thread
instead, and may crash the process.

Source of the formula: CPUCLOCK_PERTHREAD_MASK (4) and CPUCLOCK_SCHED (2) in the kernel's
include/linux/posix-timers.h; the upper bits are the complement of the thread's kernel id.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable

from .stack_table import Place, Row

MAX_NAME_LENGTH = 100


def clock_id(native_id: int) -> int:
    """Id of the CPU clock of the thread that the kernel knows by ``native_id``."""
    return (~native_id << 3) | 6


def clock_of(thread: threading.Thread | None) -> int | None:
    """Id of a thread's CPU clock; None where there is none to be known.

    Threads that ``threading`` knows nothing of (started by C code, no Python object) have none.
    """
    if thread is None or not sys.platform.startswith("linux"):
        return None
    # After a fork the main thread's kernel id is the new process id.
    native_id = os.getpid() if thread is threading.main_thread() else thread.native_id
    return None if native_id is None else clock_id(native_id)


class ThreadSeen:
    """What the sampler knows of one thread from its last sample."""

    __slots__ = (
        "clock",
        "cpu_ns",
        "handle",
        "in_loop",
        "name",
        "ours",
        "place",
        "row",
        "thread",
        "unplaced_ns",
        "waits",
    )

    def __init__(
        self, thread: threading.Thread | None, read: Callable[[int], int] = time.clock_gettime_ns
    ) -> None:
        self.thread = thread
        self.name = thread.name[:MAX_NAME_LENGTH] if thread is not None else ""
        self.ours = self.name.startswith("genesis-")
        self.clock = clock_of(thread)
        self.cpu_ns = 0  # what its clock showed; it began at 0 when the thread did
        if self.clock is not None:
            try:
                self.cpu_ns = read(self.clock)
            except OSError:
                self.clock = None
        self.unplaced_ns = 0  # of it, what no place has been charged for yet
        self.place: Place = (0, self.name, "")
        self.row: Row | None = None  # None until its stack was walked
        self.waits = False  # and the place where it does is known
        self.in_loop = False  # in an event loop's own code, outside of any callback
        self.handle: object | None = None  # frame of the callback that its event loop runs
