"""One sample: every thread's stack with its CPU time, the tasks that wait, the loops that are held."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import CodeType, FrameType
from typing import NamedTuple, Protocol

from ..operations import tracking
from .loop_blocks import Held
from .stack_table import Place, Stacks
from .stack_walk import LoopCode, walk
from .tasks import WaitingTasks
from .thread_clocks import ThreadSeen

BLOCKED_BELOW_NS = 1_000  # CPU time between two samples; a thread that waits for the GIL uses more
MAX_IDLE_PLACES = 10_000
MAX_UNNAMED = 100

CUT = "frames in the middle of deep stacks"


class Moment(NamedTuple):
    """When a sample was taken, and for how much time it stands."""

    now_ns: int
    due_ns: int
    period_ns: int  # between two samples
    moments: int = 1  # that went by since the last sample


class Watcher(Protocol):
    """A session, as those see it who sample for it."""

    rate_hz: float
    budget_percent: float
    high_fidelity: bool

    def share_stacks(self, stacks: Stacks) -> None:
        """Numbers of stacks are those of ``stacks``."""

    def count(self, place: Place, samples: int, cpu_weight: int, wall_ns: int, used_ns: int) -> None:
        """One observation; see ``StackTable.add``."""

    def lose(self, what: str, times: int) -> None:
        """Something was left out."""

    def moment(self, late_ns: int, missed: int) -> None:
        """A sample was taken, so late, and so many could not be."""

    def block_ended(self, held: Held, stacks: Stacks) -> None:
        """An event loop has left the callback that it was seen in."""


class Observer:
    """Takes one sample when told; knows no time of its own.

    Args:
        read_clock: a clock by its id, in nanoseconds.
        wall_clock_ns: epoch clock.
    """

    def __init__(
        self,
        *,
        tasks: WaitingTasks | None = None,
        read_clock: Callable[[int], int] = time.clock_gettime_ns,
        wall_clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.stacks = Stacks()
        self.tasks = tasks or WaitingTasks()
        self.own_thread = 0  # ident of the thread that takes the samples: it is not looked at
        self.without_clock: set[str] = set()
        self.busy_threads = 0
        self._read_clock = read_clock
        self._wall_clock_ns = wall_clock_ns
        self._seen: dict[int, ThreadSeen] = {}
        self._held: dict[int, Held] = {}
        self._idle_places: set[tuple[CodeType, int]] = set()
        self._loop_code = LoopCode()
        self._last_ns: int | None = None

    def take(self, frames: dict[int, FrameType], watchers: tuple[Watcher, ...], moment: Moment) -> None:
        """Count every thread's stack and the waiting tasks for all watchers.

        Args:
            frames: leaf frame by thread ident, as ``sys._current_frames`` gives them.
        """
        first = self._last_ns is None
        elapsed_ns = max(moment.now_ns - (self._last_ns or moment.now_ns), 1)
        self._last_ns = moment.now_ns
        weight_ns = moment.moments * moment.period_ns
        in_asyncio = self._loop_code.find()
        threads: dict[int, threading.Thread] = getattr(threading, "_active", {})
        resting: dict[int, tuple[ThreadSeen, int]] = {}
        self.busy_threads = 0
        for ident, leaf in frames.items():
            seen = self._seen.get(ident)
            if seen is None or seen.thread is not threads.get(ident):
                seen = self._meet(ident, threads.get(ident), first)
            if seen.ours:
                continue
            used_ns = self._used(seen)
            if used_ns is None:
                continue
            if seen.stack is None or used_ns >= BLOCKED_BELOW_NS or seen.clock is None:
                self._walk(ident, seen, leaf, watchers)
            computing = self._computes((leaf.f_code, leaf.f_lasti), used_ns, elapsed_ns, first)
            if in_asyncio:
                self._watch_loop(ident, seen, watchers, moment, used_ns)
                if seen.in_loop and not computing:
                    resting[ident] = (seen, used_ns)
                    continue
            # What stands for several moments must not claim much more than was used meanwhile.
            cpu_weight = min(weight_ns, used_ns + moment.period_ns) if computing else 0
            place = (seen.stack or 0, seen.name, seen.operation)
            for watcher in watchers:
                watcher.count(place, 1, cpu_weight, weight_ns, used_ns)
        if len(self._seen) > len(frames):
            self._forget(frames, watchers)
        waited_for = self._take_tasks(watchers, weight_ns) if in_asyncio else set()
        for ident, (seen, used_ns) in resting.items():
            # A loop that rests while its tasks wait: the time is theirs.
            times = 0 if ident in waited_for else 1
            place = (seen.stack or 0, seen.name, seen.operation)
            for watcher in watchers:
                watcher.count(place, times, 0, times * weight_ns, used_ns)

    def finish(self, watcher: Watcher) -> None:
        """Hand over what is still going on."""
        for held in self._held.values():
            watcher.block_ended(held, self.stacks)

    def _meet(self, ident: int, thread: threading.Thread | None, first: bool) -> ThreadSeen:
        seen = self._seen[ident] = ThreadSeen(thread, self._read_clock)
        if not first:
            seen.cpu_ns = 0  # it was born since the last sample: all that its clock shows is of this one
        seen.ours = seen.ours or ident == self.own_thread
        if seen.clock is None and not seen.ours and len(self.without_clock) < MAX_UNNAMED:
            self.without_clock.add(seen.name)
        return seen

    def _used(self, seen: ThreadSeen) -> int | None:
        """CPU time since the last sample; None where the thread ended since the frames were taken."""
        if seen.clock is None:
            return 0
        try:
            cpu_ns = self._read_clock(seen.clock)
        except OSError:
            return None
        used_ns = max(cpu_ns - seen.cpu_ns, 0)
        seen.cpu_ns = cpu_ns
        return used_ns

    def _computes(self, place: tuple[CodeType, int], used_ns: int, elapsed_ns: int, first: bool) -> bool:
        """Whether a thread that is seen at this place computes there, or has come back to wait."""
        if used_ns < BLOCKED_BELOW_NS:
            # It did not run since the last sample: where it is, threads wait.
            if not first and len(self._idle_places) < MAX_IDLE_PLACES:
                self._idle_places.add(place)
            return False
        if used_ns * 20 > elapsed_ns:
            self.busy_threads += 1
        return place not in self._idle_places or 2 * used_ns > elapsed_ns

    def _walk(self, ident: int, seen: ThreadSeen, leaf: FrameType, watchers: tuple[Watcher, ...]) -> None:
        walked = walk(leaf, self._loop_code)
        seen.stack = self.stacks.number(walked.raw)
        seen.operation = walked.operation or tracking.thread_operation(ident)
        seen.handle = walked.handle
        seen.in_loop = walked.in_loop
        if walked.cut:
            for watcher in watchers:
                watcher.lose(CUT, walked.cut)

    def _watch_loop(
        self, ident: int, seen: ThreadSeen, watchers: tuple[Watcher, ...], moment: Moment, used_ns: int
    ) -> None:
        held = self._held.get(ident)
        if held is not None and held.handle is not seen.handle:
            del self._held[ident]
            for watcher in watchers:
                watcher.block_ended(held, self.stacks)
            held = None
        if seen.handle is None or seen.stack is None:
            return
        if held is None:
            # A callback that computed without letting the GIL go was there when the sample was due.
            late_ns = moment.now_ns - moment.due_ns
            first_ns = moment.due_ns if used_ns * 10 > late_ns * 8 else moment.now_ns
            unix_ns = self._wall_clock_ns() - (moment.now_ns - first_ns)
            held = self._held[ident] = Held(seen.handle, seen.name, first_ns, unix_ns)
        held.last_ns = moment.now_ns
        held.places[seen.stack, seen.operation] += 1

    def _take_tasks(self, watchers: tuple[Watcher, ...], weight_ns: int) -> set[int | None]:
        loop_threads: set[int | None] = set()
        for name, walked, share, loop_thread in self.tasks.take():
            loop_threads.add(loop_thread)
            stack = self.stacks.number(walked.raw)
            wall_ns = int(weight_ns * share)
            for watcher in watchers:
                watcher.count((stack, name, walked.operation), 1, 0, wall_ns, 0)
                if walked.cut:
                    watcher.lose(CUT, walked.cut)
        return loop_threads

    def _forget(self, frames: dict[int, FrameType], watchers: tuple[Watcher, ...]) -> None:
        """Drop what is known of threads that ended."""
        for ident in [ident for ident in self._seen if ident not in frames]:
            del self._seen[ident]
            held = self._held.pop(ident, None)
            if held is not None:
                for watcher in watchers:
                    watcher.block_ended(held, self.stacks)
