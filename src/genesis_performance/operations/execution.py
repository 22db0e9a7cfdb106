"""One execution of an operation: what ``with profiler.profile_context(name)`` enters and leaves."""

from __future__ import annotations

import sys
from contextvars import Token
from types import FrameType, TracebackType
from typing import TYPE_CHECKING

from . import tracking
from .cell import here
from .current import Tally, current, tally

if TYPE_CHECKING:
    from .cell import Cell
    from .memory import Labels

Key = str | tuple[str, "Labels"]

# A body that can be suspended: the thread's CPU clock would charge it with what ran meanwhile.
# CO_GENERATOR, CO_COROUTINE and CO_ASYNC_GENERATOR of the inspect module, which is slow to import.
_SUSPENDABLE = 0x20 | 0x80 | 0x200

_ENTER_FOR_THEIR_CALLER = frozenset(("enter_context", "__enter__"))
"""Of ``ExitStack``, and of context managers that have one of ours inside."""

_getframe = sys._getframe


def current_execution() -> Execution | None:
    """The innermost execution that runs in this task or thread."""
    top = here().top
    suspendable = current.get()
    # A task may outlive the operation that it was made in.
    while suspendable is not None and suspendable._begin_ns is None:
        suspendable = suspendable.parent
    # Of the two the later one is the inner one: what runs now can only have begun within it.
    if suspendable is None or (top is not None and top.serial >= suspendable.serial):
        return top
    return suspendable


class Rare:
    """What few executions need."""

    __slots__ = ("begin_cpu_ns", "frame", "frame_before", "inner", "token")

    def __init__(self) -> None:
        self.begin_cpu_ns: int | None = None
        self.token: Token[Execution | None] | None = None
        self.frame: FrameType | None = None
        self.frame_before: Execution | None = None
        self.inner: list[Execution] = []


class Execution:
    """A context manager that times its body; made by ``Recorder.operation``.

    Entered again while it runs, it times that body as an execution of its own.
    """

    __slots__ = ("_begin_ns", "_below", "_cell", "_rare", "calls", "parent", "serial")

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self._begin_ns: int | None = None
        self._rare: Rare | None = None
        self.calls: dict[tuple[str, str], Tally] | None = None
        self.parent: Execution | None = None  # the operation around it, in the same task
        self._below: Execution | None = None  # the next on the thread's stack
        self.serial = 0

    @property
    def name(self) -> str:
        """The operation's name."""
        return self._cell.name

    @property
    def labels(self) -> Labels:
        """The operation's labels."""
        key = self._cell.key
        return () if isinstance(key, str) else key[1]

    # Two long bodies that do what is usual, instead of calls: one costs as much as reading the clock.

    def __enter__(self) -> Execution:
        if self._begin_ns is not None:
            return self._enter_again(_getframe(1))
        cell = self._cell
        started = cell.started
        cell.started = started + 1
        if _getframe(1).f_code is not cell.code:
            self._enter_specially(_getframe(1), started)
            cell = self._cell
        else:
            at = cell.here
            below = self.parent = self._below = at.top
            if tracking.further:
                self.serial = tracking.serial
                around = current.get()
                if around is not None and (below is None or below.serial < around.serial):
                    self.parent = around if around._begin_ns is not None else current_execution()
                if tracking.on:
                    self._enter_frame(_getframe(1))
            at.top = self
            mask = cell.cpu_mask
            if mask >= 0 and not started & mask:
                self._sample_cpu()
        self._begin_ns = cell.clock_ns()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object = None, traceback: TracebackType | None = None
    ) -> None:
        cell = self._cell
        now_ns = cell.clock_ns()
        at = cell.here
        if self._rare is not None or kind is not None or self.calls is not None or at.top is not self:
            self._exit_specially(kind, now_ns)
            return
        duration_ns = now_ns - self._begin_ns  # type: ignore[operator]
        try:
            # The same as stats.histogram.bucket_index, for 32 ns and more.
            shift = duration_ns.bit_length() - 6
            cell.octaves[shift + 1][(duration_ns >> shift) & 31] += 1  # type: ignore[index]
        except (TypeError, ValueError):  # the first of its octave, or a shorter one
            self._exit_specially(kind, now_ns)
            return
        self._begin_ns = None
        at.top = self._below
        parent = self.parent
        cell.sum_ns += duration_ns
        if duration_ns < cell.min_ns:
            cell.min_ns = duration_ns
        if duration_ns > cell.max_ns:
            cell.max_ns = duration_ns
        if parent is not None:
            tally(parent, "operation", cell.name, duration_ns)

    def rename(self, name: str) -> None:
        """Record under another name: a web framework knows the route only after routing."""
        if self._begin_ns is None:
            return
        old = self._cell
        text = old.recorder.key(name, None)
        if text is None:
            return
        new = old.recorder.cell(text if isinstance(old.key, str) else (str(text), self.labels))
        old.started -= 1
        new.started += 1
        if old.idle is self:
            old.idle = None
        self._cell = new

    def fail(self, kind: type[BaseException]) -> None:
        """Count this execution as an error although no exception leaves the body."""
        if self._begin_ns is not None:
            self._cell.errors += 1
            self._cell.recorder.count_error(self._cell, kind)

    def begin_steps(self, frame: FrameType | None) -> Token[Execution | None]:
        """Enter for a body that is driven in steps; the caller makes it current in each."""
        cell = self._cell
        cell.started += 1
        self._rare = Rare()
        self.parent = current_execution()
        self.serial = tracking.next_serial()
        tracking.further[id(self)] = None
        token = current.set(self)
        if tracking.on and frame is not None:
            self._enter_frame(frame)
        self._begin_ns = cell.clock_ns()
        return token

    def _enter_specially(self, frame: FrameType, started: int) -> None:
        if self._cell.here is not here():  # made in another thread
            self._cell.started -= 1
            self._cell = self._cell.recorder.cell(self._cell.key)
            self._cell.started += 1
        cell = self._cell
        code = frame.f_code
        while frame.f_code.co_name in _ENTER_FOR_THEIR_CALLER and frame.f_back is not None:
            frame = frame.f_back
        suspendable = bool(frame.f_code.co_flags & _SUSPENDABLE)
        if suspendable or tracking.greenlets:
            self.parent = current_execution()
            self.serial = tracking.next_serial()
            tracking.further[id(self)] = None
            self._rare = Rare()
            self._rare.token = current.set(self)
        else:
            if cell.memory is None:
                cell.code = code if code is frame.f_code else None
            else:
                self._rare = Rare()  # the end is to be written there
            self.parent = current_execution()
            self.serial = tracking.serial
            self._below = cell.here.top
            cell.here.top = self
        if tracking.on:
            self._enter_frame(frame)
        mask = cell.cpu_mask
        if mask >= 0 and not started & mask and not suspendable:
            self._sample_cpu()

    def _sample_cpu(self) -> None:
        rare = self._rare = self._rare or Rare()
        rare.begin_cpu_ns = self._cell.recorder.cpu_clock_ns()

    def _enter_again(self, frame: FrameType) -> Execution:
        rare = self._rare = self._rare or Rare()
        inner = Execution(self._cell)
        rare.inner.append(inner)
        started = inner._cell.started
        inner._cell.started = started + 1
        inner._enter_specially(frame, started)
        inner._begin_ns = inner._cell.clock_ns()
        return inner

    def _enter_frame(self, frame: FrameType) -> None:
        rare = self._rare = self._rare or Rare()
        rare.frame = frame
        rare.frame_before = tracking.open_frames.get(frame)
        tracking.open_frames[frame] = self

    def _exit_specially(self, kind: type[BaseException] | None, now_ns: int) -> None:
        rare = self._rare
        if rare is not None and rare.inner:
            rare.inner.pop().__exit__(kind)
            return
        if self._begin_ns is None:  # left twice, or without having been entered
            return
        tracking.further.pop(id(self), None)
        duration_ns = now_ns - self._begin_ns
        cell = self._cell
        recorder = cell.recorder
        if rare is not None and rare.begin_cpu_ns is not None:
            cell.cpu_ns += recorder.cpu_clock_ns() - rare.begin_cpu_ns
            cell.cpu_samples += 1
        # A generator that is closed early did not fail.
        failed = kind is not None and not issubclass(kind, GeneratorExit)
        cell.record(duration_ns, failed)
        if failed and kind is not None:
            recorder.count_error(cell, kind)
        self._begin_ns = None
        self._rare = None
        if rare is not None and rare.token is not None:
            self._leave_context(rare.token)
        else:
            self._take_off()
        if rare is not None and rare.frame is not None:
            tracking.leave_frame(rare.frame, rare.frame_before)
        if self.parent is not None:
            tally(self.parent, "operation", cell.name, duration_ns)
        if self.calls is not None:
            recorder.fold_calls(self)
            self.calls = None
        if rare is not None and rare.token is not None:
            # Contexts that were copied meanwhile go on with it; what ended around it is kept no longer.
            while self.parent is not None and self.parent._begin_ns is None:
                self.parent = self.parent.parent

    def _leave_context(self, token: Token[Execution | None]) -> None:
        # Left out of order, or in another context (a generator closed elsewhere): nothing to restore.
        if current.get() is self:
            try:  # noqa: SIM105 - contextlib would have to be imported
                current.reset(token)
            except ValueError:  # a copy of the context
                pass

    def _take_off(self) -> None:
        """Leave the thread's stack, from further down where executions end out of order."""
        at = self._cell.here
        if at.top is self:
            at.top = self._below
            return
        above = at.top
        while above is not None and above._below is not self:
            above = above._below
        if above is not None:
            above._below = self._below


class NullExecution:
    """What an operation is when the profiler is switched off: nothing."""

    __slots__ = ()
    name = ""

    def __enter__(self) -> NullExecution:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def fail(self, kind: type[BaseException]) -> None:
        """Nothing to count."""

    def rename(self, name: str) -> None:
        """Nothing to name."""


NULL = NullExecution()
