"""One execution of an operation: what ``with profiler.profile_context(name)`` enters and leaves."""

from __future__ import annotations

import sys
from contextvars import Token
from types import FrameType, TracebackType
from typing import TYPE_CHECKING

from . import tracking
from .current import Tally, current, tally
from .memory import CPU_NS, CPU_SAMPLES, ERRORS, MAX_NS, MIN_NS, SEQUENCE, STARTED, SUM_NS

if TYPE_CHECKING:
    from .cell import Cell
    from .memory import Labels
    from .pure import RecorderCore

Key = str | tuple[str, "Labels"]

# A body that may be suspended: the thread's CPU clock would charge it with what ran meanwhile.
# CO_GENERATOR, CO_COROUTINE and CO_ASYNC_GENERATOR of the inspect module, which is slow to import.
_SUSPENDABLE = 0x20 | 0x80 | 0x200


class Execution:
    """A context manager that times its body; made by ``Recorder.operation``.

    Entered again while it runs, it times that body as an execution of its own.
    """

    __slots__ = (
        "_begin_cpu_ns",
        "_begin_ns",
        "_cell",
        "_frame",
        "_frame_before",
        "_inner",
        "_key",
        "_recorder",
        "_token",
        "calls",
        "parent",
    )

    def __init__(self, recorder: RecorderCore, key: Key) -> None:
        self._recorder = recorder
        self._key = key
        self._token: Token[Execution | None] | None = None
        self._inner: Execution | None = None

    @property
    def name(self) -> str:
        """The operation's name."""
        return self._key if type(self._key) is str else self._key[0]

    @property
    def labels(self) -> Labels:
        """The operation's labels."""
        return () if type(self._key) is str else self._key[1]  # type: ignore[return-value]

    # One long body each instead of small methods: a call costs as much as a clock.

    def __enter__(self) -> Execution:
        if self._token is not None:
            return self._enter_again()
        recorder = self._recorder
        try:
            cells: dict[Key, Cell] = recorder._local.cells
        except AttributeError:
            cells = recorder.new_shard()
        cell = cells.get(self._key)
        if cell is None:
            cell = recorder.new_cell(cells, self._key)
        self._cell = cell
        words = cell.words
        started = words[STARTED]
        words[STARTED] = started + 1
        self.calls: dict[tuple[str, str], Tally] | None = None
        self.parent: Execution | None = current.get()
        self._token = current.set(self)
        self._begin_cpu_ns: int | None = None
        self._frame: FrameType | None = None
        if tracking.on:
            self._enter_frame(sys._getframe(1))
        mask = recorder.cpu_mask
        if mask >= 0 and not started & mask and not sys._getframe(1).f_code.co_flags & _SUSPENDABLE:
            self._begin_cpu_ns = recorder.cpu_clock_ns()
        self._begin_ns = recorder.clock_ns()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object = None, traceback: TracebackType | None = None
    ) -> None:
        recorder = self._recorder
        if self._inner is not None:
            inner, self._inner = self._inner, self._inner._inner
            inner._inner = None
            inner.__exit__(kind)
            return
        duration_ns = recorder.clock_ns() - self._begin_ns
        cell = self._cell
        words = cell.words
        words[SEQUENCE] += 1
        if self._begin_cpu_ns is not None:
            words[CPU_NS] += recorder.cpu_clock_ns() - self._begin_cpu_ns
            words[CPU_SAMPLES] += 1
        # A clock that went backwards must not leave a negative duration in the sums.
        if duration_ns < 0:
            duration_ns = 0
        words[SUM_NS] += duration_ns
        if duration_ns < words[MIN_NS]:
            words[MIN_NS] = duration_ns
        if duration_ns > words[MAX_NS]:
            words[MAX_NS] = duration_ns
        # The same index as stats.histogram.bucket_index, in place.
        shift = duration_ns.bit_length() - 6
        index = duration_ns if shift < 0 else (shift << 5) + (duration_ns >> shift)
        (cell.octaves[index >> 5] or cell.new_octave(index >> 5))[index & 31] += 1
        if kind is not None and not issubclass(kind, GeneratorExit):
            words[ERRORS] += 1
            recorder.count_error(cell, kind)
        words[SEQUENCE] += 1
        token = self._token
        if token is not None:
            self._token = None
            try:  # noqa: SIM105 - contextlib.suppress would cost more than all the rest here
                current.reset(token)
            except ValueError:
                # Left in another context than entered (a generator closed elsewhere): nothing to restore.
                pass
        if self.parent is not None or self.calls is not None or self._frame is not None:
            self._leave(duration_ns)

    def rename(self, name: str) -> None:
        """Record under another name: a web framework knows the route only after routing."""
        self._cell.words[STARTED] -= 1
        self._key = name if self._key.__class__ is str else (name, self.labels)
        self._cell = self._recorder.cell(self._key)
        self._cell.words[STARTED] += 1

    def fail(self, kind: type[BaseException]) -> None:
        """Count this execution as an error although no exception leaves the body."""
        self._cell.words[ERRORS] += 1
        self._recorder.count_error(self._cell, kind)

    def begin_steps(self, frame: FrameType | None) -> Token[Execution | None]:
        """Enter for a body that is driven in steps; the caller makes it current in each."""
        self.__enter__()
        self._begin_cpu_ns = None
        if self._frame is not None and frame is not None:
            tracking.leave_frame(self._frame, self._frame_before)
            self._enter_frame(frame)
        token, self._token = self._token, None
        assert token is not None
        return token

    def _enter_again(self) -> Execution:
        inner = Execution(self._recorder, self._key)
        inner._inner, self._inner = self._inner, inner
        # Its own parent chain: the innermost that is entered again is left first.
        return Execution.__enter__(inner)

    def _enter_frame(self, frame: FrameType) -> None:
        self._frame = frame
        self._frame_before = tracking.open_frames.get(frame)
        tracking.open_frames[frame] = self

    def _leave(self, duration_ns: int) -> None:
        if self._frame is not None:
            tracking.leave_frame(self._frame, self._frame_before)
            self._frame = None
        if self.parent is not None:
            tally(self.parent, "operation", self.name, duration_ns)
        if self.calls is not None:
            self._recorder.fold_calls(self)


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
