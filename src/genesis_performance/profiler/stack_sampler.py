"""Samples the stacks of all threads and waiting tasks for one session.

What the figures mean:

* ``samples``: how often the stack was seen.
* ``cpu``: CPU time of the thread, by its own clock, shared out among the places where the thread was seen
  computing. A thread that returns to the place where it waits (a queue, a selector) is not charged there.
* ``wall``: time that passed, also for threads that wait. A task that waits has it under its own coroutines;
  the loop's own waiting is then left out, or it would count twice.

What is left of the bias: a sample is taken where the interpreter lets another thread in, at function entries,
loop ends and after calls into C, so that lines within a function are known less well than functions.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from ..model.profile import LoopBlock, SamplerActivity
from ..model.stacks import StackProfile
from ..operations import tracking
from .loop_blocks import Held, LoopBlocks
from .sampling_thread import MAX_FAULTS, SamplingThread, join_sampling, leave_sampling
from .stack_table import Place, Stacks, StackTable

MISSED = "moments at which the sampler could not run; the next sample stands for them"
_UNSEEN_SHARE = 0.05
_UNSEEN_NS = 50_000_000


class StackSampler:
    """Started and stopped once. All that run at once share one thread, which samples at the highest rate.

    Args:
        rate_hz: samples a second; fewer are taken where they would cost more than the budget.
        fidelity: ``"high"`` shortens the interpreter's switch interval meanwhile, ``"standard"`` does not.
        overhead_budget_percent: CPU of the sampling thread in percent of one core.
        blocked_loop_threshold_ms: an event loop held longer by one callback is a block.
        clock_ns, wall_clock_ns, process_cpu_ns: monotonic, epoch and process CPU clocks.
    """

    def __init__(
        self,
        rate_hz: float = 100.0,
        *,
        fidelity: str = "high",
        overhead_budget_percent: float = 1.0,
        blocked_loop_threshold_ms: float = 100.0,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        wall_clock_ns: Callable[[], int] = time.time_ns,
        process_cpu_ns: Callable[[], int] = time.process_time_ns,
    ) -> None:
        self.rate_hz = rate_hz
        self.budget_percent = overhead_budget_percent
        self.high_fidelity = fidelity == "high"
        self.notes: list[str] = []
        self.activity: SamplerActivity | None = None
        self._clock_ns = clock_ns
        self._wall_clock_ns = wall_clock_ns
        self._process_cpu_ns = process_cpu_ns
        self._blocks = LoopBlocks(int(blocked_loop_threshold_ms * 1e6))
        self._table = StackTable(Stacks())
        self._sampling: SamplingThread | None = None
        self._samples = self._late_ns = self._worst_late_ns = self._missed = 0
        self._profile = StackProfile()

    def start(self) -> None:
        """Begin; what stands in the way is a note, not an error."""
        obstacle = _obstacle()
        if obstacle:
            self.notes.append(f"stacks were not sampled: {obstacle}")
            return
        self._start_unix_ns = self._wall_clock_ns()
        self._begin_ns = self._clock_ns()
        self._begin_process_ns = self._process_cpu_ns()
        tracking.start_tracking()
        try:
            self._sampling = join_sampling(self)
        except RuntimeError as error:
            tracking.stop_tracking()
            self.notes.append(f"stacks were not sampled: {error}")
            return
        self._begin_cpu_ns = self._sampling.cpu_ns
        self._begin_faults = self._sampling.faults
        self._begin_passed = self._sampling.observer.tasks.passed_over

    def stop(self) -> StackProfile:
        """End, from any thread, and return what was counted; again, the same."""
        sampling, self._sampling = self._sampling, None
        if sampling is None:
            return self._profile
        interval_s = sys.getswitchinterval()
        leave_sampling(self, sampling)
        tracking.stop_tracking()
        duration_s = max(self._clock_ns() - self._begin_ns, 0) / 1e9
        own_cpu_ns = sampling.cpu_ns - self._begin_cpu_ns
        self.activity = SamplerActivity(
            asked_hz=self.rate_hz,
            samples=self._samples,
            duration_s=duration_s,
            cpu_s=own_cpu_ns / 1e9,
            late_ns=self._late_ns // self._samples if self._samples else 0,
            worst_late_ns=self._worst_late_ns,
            fidelity="high" if self.high_fidelity and not sampling.interval.changed_by_host else "standard",
            switch_interval_s=interval_s,
        )
        if self._missed:
            self._table.lost[MISSED] = self._missed
        passed_over = sampling.observer.tasks.passed_over - self._begin_passed
        if passed_over:
            self._table.lost["looks at single tasks; others stood for them"] = passed_over
        if self._blocks.dropped:
            self._table.lost["shorter blocks of event loops"] = self._blocks.dropped
        self._note(sampling, own_cpu_ns)
        self._profile = self._table.profile(
            start_unix_ns=self._start_unix_ns,
            duration_s=duration_s,
            period_ns=int(duration_s * 1e9 / self._samples) if self._samples else 0,
        )
        self._table = StackTable(Stacks())  # code objects of the host are not kept alive any longer
        return self._profile

    def abandon(self) -> None:
        """In the child of a fork: the sampler stayed with the parent."""
        if self._sampling is not None:
            self._sampling = None
            tracking.stop_tracking()

    @property
    def loop_blocks(self) -> tuple[LoopBlock, ...]:
        """Event loops that were held longer than the threshold, in order of time."""
        return self._blocks.found()

    # What the sampling thread calls.

    def count(self, place: Place, samples: int, cpu_weight: int, wall_ns: int, used_ns: int) -> None:
        self._table.add(place, samples, cpu_weight, wall_ns, used_ns)

    def share_stacks(self, stacks: Stacks) -> None:
        self._table.stacks = stacks

    def lose(self, what: str, times: int) -> None:
        self._table.lost[what] += times

    def moment(self, late_ns: int, missed: int) -> None:
        self._samples += 1
        self._late_ns += late_ns
        self._worst_late_ns = max(self._worst_late_ns, late_ns)
        self._missed += missed

    def block_ended(self, held: Held, stacks: Stacks) -> None:
        self._blocks.ended(held, stacks)

    def _note(self, sampling: SamplingThread, own_cpu_ns: int) -> None:
        notes = self.notes
        observer = sampling.observer
        if not self._samples:
            notes.append("the session ended before a stack sample was due")
        faults = sampling.faults - self._begin_faults
        if faults:
            ended = "; sampling ended after that" if faults > MAX_FAULTS else ""
            notes.append(f"{faults} stack samples could not be taken{ended}")
        if observer.without_clock:
            names = ", ".join(sorted(name or "unnamed" for name in observer.without_clock)[:5])
            notes.append(f"no CPU clock for threads that threading does not know ({names}): wall time only")
        if self.high_fidelity and sampling.interval.changed_by_host:
            notes.append(
                "the host set the switch interval itself: samples lean to places that release the GIL"
            )
        if observer.tasks.unreadable and "asyncio" in sys.modules:
            notes.append("this Python's asyncio does not list its tasks: awaited time is not known")
        if "uvloop" in sys.modules:
            notes.append("uvloop shows no frames of its own: a loop that rests counts for who runs it")
        if "greenlet" in sys.modules:
            notes.append("of greenlets, the one that runs in each thread is seen; those that wait are not")
        process_ns = self._process_cpu_ns() - self._begin_process_ns
        unseen_ns = process_ns - self._table.cpu_ns - own_cpu_ns
        if self._samples and unseen_ns > max(_UNSEEN_NS, process_ns * _UNSEEN_SHARE):
            notes.append(
                f"{unseen_ns / process_ns:.0%} of the CPU time is under no stack: threads without Python, "
                "and threads that ended between two samples"
            )


def _obstacle() -> str:
    """Why no thread can look at the others here; "" where one can."""
    monkey = sys.modules.get("gevent.monkey")
    if monkey is not None and monkey.is_module_patched("threading"):
        return "gevent has replaced the threads by greenlets"
    return ""
