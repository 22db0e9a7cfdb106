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
from typing import Protocol

from .loop_blocks import Held
from .observer import Observer
from .stack_table import StackTable
from .switch_interval import SwitchInterval

MAX_PERIOD_NS = 10**9
MAX_FAULTS = 100
_KEPT_SHARE = 0.9  # of the budget: a mean swings
_FIRST_COSTS = 4  # samples whose cost is not typical: everything is seen for the first time


class Watcher(Protocol):
    """A session, as the sampling thread sees it."""

    rate_hz: float
    budget_percent: float
    high_fidelity: bool
    worst_late_ns: int

    def block_ended(self, held: Held, table: StackTable) -> None:
        """An event loop has left the callback that it was seen in."""


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
        self.observer = Observer(block_ended=self._block_ended)
        # Sums since the thread began: a session takes the difference.
        self.samples = self.late_ns = self.missed = self.cpu_ns = self.faults = 0
        self._clock_ns = clock_ns
        self._cpu_clock_ns = cpu_clock_ns
        self._uniform = uniform
        self._watchers: tuple[Watcher, ...] = ()
        self._taking = threading.Lock()  # held while a sample is taken: sums are read between two
        self._wake = threading.Lock()
        self._wake.acquire()
        self._ended = False
        self._thread: threading.Thread | None = None
        self._asked_ns = self._period_ns = MAX_PERIOD_NS
        self._allowed_ns = 1.0  # that one sample may cost at the rate that was asked for
        self._cost_ns = 0.0

    def add(self, watcher: Watcher) -> None:
        """Sample for ``watcher`` too.

        Raises:
            RuntimeError: no thread can be started.
        """
        with self._taking:
            self._watchers = (*self._watchers, watcher)
            self._fit()
        if any(each.high_fidelity for each in self._watchers):
            self.interval.hold()
        if self._thread is None:
            # Here, not in the thread: before that gets the GIL, the host may have computed for long.
            self.observer.begin(sys._current_frames(), self._clock_ns())
            thread = threading.Thread(target=self._run, name="genesis-stacks", daemon=True)
            try:
                thread.start()
            except BaseException:
                self._watchers = ()
                self.interval.release()
                raise
            self._thread = thread

    def remove(self, watcher: Watcher) -> bool:
        """Let go of ``watcher``; True where nobody is left and the thread has ended."""
        with self._taking:
            self.observer.finish()
            self._watchers = tuple(each for each in self._watchers if each is not watcher)
            self._fit()
        if not any(each.high_fidelity for each in self._watchers):
            self.interval.release()
        if self._watchers:
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

    def between_samples(self) -> contextlib.AbstractContextManager[object]:
        """While entered, no sample is taken."""
        return self._taking

    def after_fork_in_child(self) -> None:
        """The thread is not in the child: nothing runs on."""
        self._watchers = ()
        self.interval.after_fork_in_child()

    def _run(self) -> None:
        self.observer.own_thread = threading.get_ident()
        clock_ns, cpu_clock_ns, uniform = self._clock_ns, self._cpu_clock_ns, self._uniform
        wait, taking, take = self._wake.acquire, self._taking, self.observer.take
        before_ns = cpu_clock_ns()
        slot_ns = clock_ns()
        while True:
            period_ns = self._period_ns
            due_ns = slot_ns + int(period_ns * uniform())
            wait_ns = due_ns - clock_ns()
            # A clock that went backwards must not make it wait for longer than this.
            if wait_ns > 0 and wait(True, min(wait_ns, 2 * period_ns) / 1e9):
                break
            now_ns = clock_ns()
            if now_ns < slot_ns - period_ns:
                slot_ns = now_ns
            moments = max((now_ns - slot_ns) // period_ns, 1)
            slot_ns += moments * period_ns
            with taking:
                if not self._watchers:
                    break
                try:
                    take(sys._current_frames(), now_ns, due_ns, period_ns, moments)
                except Exception:  # noqa: BLE001 - the host goes on whatever happens; it is counted and shown
                    self.faults += 1
                    if self.faults > MAX_FAULTS:
                        break
                self.missed += moments - 1
                late_ns = now_ns - due_ns
                if late_ns > 0:
                    self.late_ns += late_ns
                    for watcher in self._watchers:
                        if late_ns > watcher.worst_late_ns:
                            watcher.worst_late_ns = late_ns
                cpu_ns = cpu_clock_ns()
                self._spend(cpu_ns - before_ns)
                before_ns = cpu_ns

    def _spend(self, cost_ns: int) -> None:
        """Account for one sample and fit the period, and the switch interval, to the mean cost."""
        self.samples += 1
        self.cpu_ns += cost_ns
        if self.samples > _FIRST_COSTS:
            self._cost_ns += (cost_ns - self._cost_ns) / 16
        else:
            self._cost_ns = min(self._cost_ns or cost_ns, cost_ns)
        spent = self._cost_ns / self._allowed_ns
        self._period_ns = min(int(self._asked_ns * spent), MAX_PERIOD_NS) if spent > 1 else self._asked_ns
        self.interval.adjust(self.observer.busy_threads, spent)

    def _fit(self) -> None:
        """To the highest rate and the smallest budget of those who watch."""
        if self._watchers:
            self._asked_ns = int(1e9 / max(watcher.rate_hz for watcher in self._watchers))
            self._period_ns = min(self._period_ns, self._asked_ns)
            budget = min(watcher.budget_percent for watcher in self._watchers) / 100
            self._allowed_ns = max(self._asked_ns * budget * _KEPT_SHARE, 1.0)

    def _block_ended(self, held: Held) -> None:
        for watcher in self._watchers:
            watcher.block_ended(held, self.observer.table)


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
