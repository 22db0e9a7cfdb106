"""Samples the stacks of all threads and waiting tasks for one session.

What the figures mean:

* ``samples``: how often the stack was seen.
* ``cpu``: CPU time of the thread, by its own clock, shared out among the places where the thread was seen
  computing. A thread that returns to the place where it waits (a queue, a selector) is not charged there;
  what it used is charged where it is next seen computing.
* ``wall``: time that passed, also for threads that wait. A task that waits has it under its own coroutines;
  the loop's own waiting is then left out, or it would count twice.

What is left of the bias: a sample is taken where the interpreter lets another thread in, at function entry,
loop ends and after calls into C, so that lines within a function are known less well than functions. And it
is taken a little late (``SamplerActivity.late_ns``), later while a thread computes than while all rest: what
ends just then is missed. On a machine whose processors are all busy that is milliseconds.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable

from ..model.profile import LoopBlock, SamplerActivity
from ..model.stacks import StackProfile
from ..operations import tracking
from .loop_blocks import Held, LoopBlocks
from .sampling_thread import MAX_FAULTS, SamplingThread, join_sampling, leave_sampling
from .stack_table import USED_NS, StackTable
from .thread_clocks import ThreadSeen

MISSED = "moments at which the sampler could not run; the next sample stands for them"
PASSED_OVER = "looks at single tasks; others stood for them"
SHORTER = "shorter blocks of event loops"
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
        self.worst_late_ns = 0
        self._sampling: SamplingThread | None = None
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
            sampling = join_sampling(self)
        except RuntimeError as error:
            tracking.stop_tracking()
            self.notes.append(f"stacks were not sampled: {error}")
            return
        with sampling.between_samples():
            self._begin = _sums(sampling)
            self._mark = sampling.observer.table.mark()
        self._sampling = sampling

    def stop(self) -> StackProfile:
        """End, from any thread, and return what was counted; again, the same."""
        sampling, self._sampling = self._sampling, None
        if sampling is None:
            return self._profile
        interval_s = sys.getswitchinterval()
        leave_sampling(self, sampling)
        tracking.stop_tracking()
        duration_s = max(self._clock_ns() - self._begin_ns, 0) / 1e9
        with sampling.between_samples():
            end = _sums(sampling)
            counted = sampling.observer.table.since(self._mark)
        did = {what: value - self._begin[what] for what, value in end.items()}
        samples = did["samples"]
        self.activity = SamplerActivity(
            asked_hz=self.rate_hz,
            samples=samples,
            duration_s=duration_s,
            cpu_s=did["cpu_ns"] / 1e9,
            late_ns=did["late_ns"] // samples if samples else 0,
            worst_late_ns=self.worst_late_ns,
            fidelity="high" if self.high_fidelity and not sampling.interval.changed_by_host else "standard",
            switch_interval_s=interval_s,
        )
        lost = Counter(
            {MISSED: did["missed"], PASSED_OVER: did["passed_over"], SHORTER: self._blocks.dropped}
        )
        self._note(sampling, did, sum(row[USED_NS] for row in counted.rows.values()))
        self._profile = sampling.observer.table.profile(
            counted,
            start_unix_ns=self._start_unix_ns,
            duration_s=duration_s,
            period_ns=int(duration_s * 1e9 / samples) if samples else 0,
            lost=lost,
        )
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

    def block_ended(self, held: Held, table: StackTable) -> None:
        """Called by the sampling thread."""
        self._blocks.ended(held, table)

    def _note(self, sampling: SamplingThread, did: dict[str, int], seen_cpu_ns: int) -> None:
        notes = self.notes
        observer = sampling.observer
        if not did["samples"]:
            notes.append("the session ended before a stack sample was due")
        if did["faults"]:
            ended = "; sampling ended after that" if sampling.faults > MAX_FAULTS else ""
            notes.append(f"{did['faults']} stack samples could not be taken{ended}")
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
            notes.append(
                "uvloop shows no frames of its own: a loop that rests counts for who runs it, "
                "and loops that are held are not found"
            )
        if "greenlet" in sys.modules:
            notes.append("of greenlets, the one that runs in each thread is seen; those that wait are not")
        process_ns = self._process_cpu_ns() - self._begin_process_ns
        unseen_ns = process_ns - seen_cpu_ns - did["cpu_ns"] - _our_cpu_ns()
        if did["samples"] and unseen_ns > max(_UNSEEN_NS, process_ns * _UNSEEN_SHARE):
            notes.append(
                f"{unseen_ns / process_ns:.0%} of the CPU time is under no stack: threads without Python, "
                "and threads that ended between two samples"
            )


def _sums(sampling: SamplingThread) -> dict[str, int]:
    return {
        "samples": sampling.samples,
        "cpu_ns": sampling.cpu_ns,
        "late_ns": sampling.late_ns,
        "missed": sampling.missed,
        "faults": sampling.faults,
        "passed_over": sampling.observer.tasks.passed_over,
    }


def _our_cpu_ns() -> int:
    """CPU time of our other threads that run."""
    return sum(seen.cpu_ns for seen in map(ThreadSeen, threading.enumerate()) if seen.ours)


def _obstacle() -> str:
    """Why no thread can look at the others here; "" where one can."""
    monkey = sys.modules.get("gevent.monkey")
    if monkey is not None and monkey.is_module_patched("threading"):
        return "gevent has replaced the threads by greenlets"
    return ""
