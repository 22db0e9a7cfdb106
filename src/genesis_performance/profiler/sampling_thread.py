"""The one thread that takes the stacks of all others, for every session that runs.

A moment is drawn at random within each period (stratified sampling: no beat with the host's own
periods). What the host does at that moment is seen a little later, when the sampler has the GIL; a
sample therefore stands for the moment at which it was due, also where several went by before it could
be taken, and not for the time until it was taken.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import random
import sys
import threading
import time
from collections.abc import Callable

from .observer import Moment, Observer, Watcher
from .switch_interval import SwitchInterval

MAX_PERIOD_NS = 10**9
MAX_FAULTS = 100
_KEPT_SHARE = 0.9  # of the budget: a mean swings
_FIRST_COSTS = 4  # samples whose cost is not typical: everything is seen for the first time


class SamplingThread:
    """Samples for all its watchers from the first ``add`` to the last ``remove``.

    Args:
        clock_ns, cpu_clock_ns: monotonic clock, and the CPU clock of the thread that calls.
        uniform: random numbers from 0 to 1.
    """

    def __init__(
        self,
        *,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        cpu_clock_ns: Callable[[], int] = time.thread_time_ns,
        uniform: Callable[[], float] = random.random,
    ) -> None:
        self.interval = SwitchInterval()
        self.observer = Observer()
        self.cpu_ns = 0  # of this thread
        self.faults = 0
        self._clock_ns = clock_ns
        self._cpu_clock_ns = cpu_clock_ns
        self._uniform = uniform
        self._watchers: tuple[Watcher, ...] = ()
        self._taking = threading.Lock()  # held while a sample is taken: nobody leaves in the middle of one
        self._wake = threading.Lock()
        self._wake.acquire()
        self._thread: threading.Thread | None = None
        self._cost_ns = 0.0
        self._samples = 0
        self._ended = False

    def add(self, watcher: Watcher) -> None:
        """From the next sample on, ``watcher`` gets all of them.

        Raises:
            RuntimeError: no thread can be started.
        """
        watcher.share_stacks(self.observer.stacks)
        with self._taking:
            self._watchers = (*self._watchers, watcher)
        if any(each.high_fidelity for each in self._watchers):
            self.interval.hold()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="genesis-stacks", daemon=True)
            try:
                self._thread.start()
            except BaseException:
                self._watchers = ()
                self.interval.release()
                raise

    def remove(self, watcher: Watcher) -> bool:
        """Hand over and let go; True where nobody is left and the thread has ended."""
        with self._taking:
            self.observer.finish(watcher)
            self._watchers = tuple(each for each in self._watchers if each is not watcher)
            watchers = self._watchers
        if not any(each.high_fidelity for each in watchers):
            self.interval.release()
        if watchers:
            return False
        self.end()
        return True

    def end(self) -> None:
        """Put the switch interval back and end the thread, whoever still watches."""
        self._watchers = ()
        self.interval.release()
        if not self._ended:
            self._ended = True
            self._wake.release()
        if self._thread is not None and self._thread.is_alive():
            self._thread.join(5)

    @property
    def period_ns(self) -> int:
        """Between two samples: as asked, or longer where that would cost more than the budget."""
        watchers = self._watchers
        asked_hz = max((watcher.rate_hz for watcher in watchers), default=1.0)
        budget = min((watcher.budget_percent for watcher in watchers), default=1.0) / 100 * _KEPT_SHARE
        return min(max(int(1e9 / asked_hz), int(self._cost_ns / budget)), MAX_PERIOD_NS)

    def _run(self) -> None:
        self.observer.own_thread = threading.get_ident()
        before_ns = self._cpu_clock_ns()
        slot_ns = self._clock_ns()
        while True:
            period_ns = self.period_ns
            due_ns = slot_ns + int(period_ns * self._uniform())
            wait_ns = min(due_ns - self._clock_ns(), 2 * period_ns)  # should the clock have gone backwards
            if wait_ns > 0 and self._wake.acquire(timeout=wait_ns / 1e9):
                break
            now_ns = self._clock_ns()
            if now_ns < slot_ns - period_ns:  # the clock went backwards
                slot_ns = now_ns
            gone_by = max((now_ns - slot_ns) // period_ns, 1)
            slot_ns += gone_by * period_ns
            if not self._sample(due_ns, now_ns, gone_by, period_ns):
                break
            cpu_ns = self._cpu_clock_ns()
            self._learn_cost(cpu_ns - before_ns)
            self.cpu_ns += cpu_ns - before_ns
            before_ns = cpu_ns

    def _sample(self, due_ns: int, now_ns: int, moments: int, period_ns: int) -> bool:
        """Take one sample that stands for so many moments; False where nobody wants one any more."""
        with self._taking:
            watchers = self._watchers
            if not watchers:
                return False
            frames = sys._current_frames()
            try:
                self.observer.take(frames, watchers, Moment(now_ns, due_ns, period_ns, moments))
            except Exception:  # noqa: BLE001 - the host goes on whatever happens here; it is counted and shown
                self.faults += 1
                if self.faults > MAX_FAULTS:
                    return False
            late_ns = max(now_ns - due_ns, 0)
            for watcher in watchers:
                watcher.moment(late_ns, moments - 1)
        self.interval.adjust(self.observer.busy_threads, late_ns)
        return True

    def _learn_cost(self, cost_ns: int) -> None:
        self._samples += 1
        if self._samples <= _FIRST_COSTS:
            self._cost_ns = min(self._cost_ns or cost_ns, cost_ns)
        else:
            self._cost_ns += (cost_ns - self._cost_ns) / 16

    def after_fork_in_child(self) -> None:
        """The thread is not in the child: nothing runs on."""
        self._watchers = ()
        self.interval.after_fork_in_child()


_lock = threading.RLock()
_shared: SamplingThread | None = None


def join_sampling(watcher: Watcher) -> SamplingThread:
    """Let the process's one sampling thread work for ``watcher`` too; ``leave_sampling`` ends that."""
    global _shared  # noqa: PLW0603
    with _lock:
        shared = _shared or SamplingThread()
        shared.add(watcher)
        _shared = shared
        return shared


def leave_sampling(watcher: Watcher, sampling: SamplingThread) -> None:
    """Take no further sample for ``watcher``; with the last one the thread ends."""
    global _shared  # noqa: PLW0603
    with _lock:
        if sampling.remove(watcher) and _shared is sampling:
            _shared = None


@atexit.register
def _at_exit() -> None:
    with _lock:
        if _shared is not None:
            _shared.end()


def _after_fork_in_child() -> None:
    global _lock, _shared  # noqa: PLW0603 - the parent's lock may be held by a thread the child does not have
    _lock = threading.RLock()
    if _shared is not None:
        with contextlib.suppress(Exception):
            _shared.after_fork_in_child()
        _shared = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
