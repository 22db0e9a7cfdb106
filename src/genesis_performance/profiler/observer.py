"""One sample: every thread's stack with its CPU time, the tasks that wait, the loops that are held."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import CodeType, FrameType

from ..operations import tracking
from .loop_blocks import Held
from .stack_table import StackTable
from .stack_walk import LoopCode, walk
from .tasks import WaitingTasks
from .thread_clocks import ThreadSeen

BLOCKED_BELOW_NS = 1_000  # CPU time between two samples; a thread that waits for the GIL uses more
MAX_IDLE_PLACES = 10_000
MAX_UNNAMED = 100

CUT = "frames in the middle of deep stacks"


class Observer:
    """Takes one sample when told; knows no time of its own.

    Args:
        read_clock: a clock by its id, in nanoseconds.
        wall_clock_ns: epoch clock.
        block_ended: told of every callback that an event loop was seen in and has left.
    """

    def __init__(
        self,
        *,
        tasks: WaitingTasks | None = None,
        read_clock: Callable[[int], int] = time.clock_gettime_ns,
        wall_clock_ns: Callable[[], int] = time.time_ns,
        block_ended: Callable[[Held], None] = lambda _: None,
    ) -> None:
        self.table = StackTable()
        self.tasks = tasks or WaitingTasks()
        self.own_thread = 0  # ident of the thread that takes the samples: it is not looked at
        self.without_clock: set[str] = set()
        self.busy_threads = 0
        self._read_clock = read_clock
        self._wall_clock_ns = wall_clock_ns
        self._block_ended = block_ended
        self._threads: dict[int, threading.Thread] = getattr(threading, "_active", {})
        self._seen: dict[int, ThreadSeen] = {}
        self._held: dict[int, Held] = {}
        self._idle_places: set[tuple[CodeType, int]] = set()
        self._loop_code = LoopCode()
        self._last_ns: int | None = None

    def begin(self, frames: dict[int, FrameType], now_ns: int) -> None:
        """Note where the clocks of all threads stand: what they use until the first sample counts for it."""
        for ident in frames:
            self._meet(ident, first=True)
        self._last_ns = now_ns

    # One long body: right after waking, each function and object more that is touched costs a microsecond.
    def take(  # noqa: PLR0912, PLR0915
        self, frames: dict[int, FrameType], now_ns: int, due_ns: int, period_ns: int, moments: int = 1
    ) -> None:
        """Count every thread's stack and the waiting tasks.

        Args:
            frames: leaf frame by thread ident, as ``sys._current_frames`` gives them.
            now_ns, due_ns: when it is taken, and when it was to be.
            period_ns: between two samples.
            moments: how many of them this one stands for.
        """
        last_ns, self._last_ns = self._last_ns, now_ns
        elapsed_ns = now_ns - last_ns if last_ns is not None else period_ns
        weight_ns = moments * period_ns
        loop_code = self._loop_code
        in_asyncio = loop_code.run_once is not None or loop_code.find()
        threads, all_seen = self._threads, self._seen
        table = self.table
        resting: list[tuple[int, ThreadSeen, int]] | None = None
        busy = 0
        for ident, leaf in frames.items():
            seen = all_seen.get(ident)
            if seen is None or seen.thread is not threads.get(ident):
                seen = self._meet(ident, first=last_ns is None)
            if seen.ours:
                continue
            used_ns = 0
            if seen.clock is not None:
                try:
                    cpu_ns = self._read_clock(seen.clock)
                except OSError:  # it ended since the frames were taken
                    continue
                used_ns = cpu_ns - seen.cpu_ns
                seen.cpu_ns = cpu_ns
            computing = used_ns >= BLOCKED_BELOW_NS
            row = seen.row
            if row is None or computing or seen.clock is None:
                raw, operation, seen.handle, seen.in_loop, cut = walk(leaf, loop_code)
                number = table.numbers.get(raw)
                if number is None:
                    number = table.number(raw)
                seen.place = (number, seen.name, operation or tracking.thread_operation(ident))
                row = table.rows.get(seen.place)
                if row is None:
                    row = table.row(seen.place)
                seen.row = row
                if cut:
                    table.lost[CUT] += cut
            if computing:
                if used_ns * 20 > elapsed_ns:
                    busy += 1
                # A thread that came back to where it waits has computed elsewhere.
                waits_at = (leaf.f_code, leaf.f_lasti)
                if used_ns * 2 > elapsed_ns:
                    self._idle_places.discard(waits_at)  # it was only kept from a processor there
                else:
                    computing = waits_at not in self._idle_places
            elif last_ns is not None and not seen.waits and len(self._idle_places) < MAX_IDLE_PLACES:
                # It did not run since the last sample: where it is, threads wait.
                self._idle_places.add((leaf.f_code, leaf.f_lasti))
            seen.waits = not computing and last_ns is not None
            if computing:
                # With it what it used unseen, between two samples that found it waiting: else a thread that
                # computes for a tenth of the time would be charged a tenth of that, beside its busy times.
                placed_ns, seen.unplaced_ns = used_ns + seen.unplaced_ns, 0
            else:
                seen.unplaced_ns += used_ns
            if in_asyncio:
                if seen.handle is not None or ident in self._held:
                    self._watch_loop(ident, seen, now_ns, due_ns, used_ns)
                if seen.in_loop and not computing:
                    resting = resting or []
                    resting.append((ident, seen, used_ns))
                    continue
            row[0] += 1
            if computing:
                # By what its clock says and not by moments: a process that shares its cores with others is
                # seen for longer where it does without the GIL, and has not computed more there.
                row[1] += placed_ns
            row[2] += weight_ns
            row[3] += used_ns
        self.busy_threads = busy
        if len(all_seen) > len(frames):
            self._forget(frames)
        if in_asyncio:
            waited_for = self._take_tasks(weight_ns)
            for ident, seen, used_ns in resting or ():
                row = table.row(seen.place)
                row[3] += used_ns
                # A loop that rests while its tasks wait: the time is theirs.
                if ident not in waited_for:
                    row[0] += 1
                    row[2] += weight_ns

    def finish(self) -> None:
        """Tell of the callbacks that event loops are still in, and let go of the host's tasks."""
        self.tasks.forget()
        for held in self._held.values():
            self._block_ended(held)

    def _meet(self, ident: int, *, first: bool) -> ThreadSeen:
        seen = self._seen[ident] = ThreadSeen(self._threads.get(ident), self._read_clock)
        seen.ours = seen.ours or ident == self.own_thread
        if not seen.ours:
            seen.name = self.table.name(seen.name)
            if seen.clock is None and len(self.without_clock) < MAX_UNNAMED:
                self.without_clock.add(seen.name)
        if not first:
            seen.cpu_ns = 0  # it was born since the last sample: all that its clock shows is of this one
        return seen

    def _watch_loop(self, ident: int, seen: ThreadSeen, now_ns: int, due_ns: int, used_ns: int) -> None:
        held = self._held.get(ident)
        if held is not None and held.handle is not seen.handle:
            del self._held[ident]
            self._block_ended(held)
            held = None
        if seen.handle is None:
            return
        if held is None:
            # Who computed most of the time that the sampler waited kept the GIL, within this one callback.
            first_ns = due_ns if used_ns * 2 > now_ns - due_ns else now_ns
            unix_ns = self._wall_clock_ns() - (now_ns - first_ns)
            held = self._held[ident] = Held(seen.handle, seen.name, first_ns, unix_ns)
        held.last_ns = now_ns
        held.places[seen.place] += 1

    def _take_tasks(self, weight_ns: int) -> set[int | None]:
        """Count those that wait; threads of their loops."""
        table = self.table
        loop_threads: set[int | None] = set()
        for waiting in self.tasks.take():
            loop_threads.add(waiting.loop_thread)
            row = waiting.row
            if row is None:
                walked = waiting.walked
                row = waiting.row = table.row(
                    (table.number(walked.raw), table.name(waiting.name), walked.operation)
                )
                if walked.cut:
                    table.lost[CUT] += walked.cut
            row[0] += 1
            row[2] += int(weight_ns * waiting.share)
        return loop_threads

    def _forget(self, frames: dict[int, FrameType]) -> None:
        """Drop what is known of threads that ended."""
        for ident in [ident for ident in self._seen if ident not in frames]:
            del self._seen[ident]
            held = self._held.pop(ident, None)
            if held is not None:
                self._block_ended(held)
