"""Which operation a frame belongs to, for those who look from another thread.

The recorder keeps the current operation where its own thread or task finds it. A sampler looks from
outside; while it does, every execution that begins also enters the frame that it began in here. Walking
a stack from its leaf, the first frame found names the innermost operation, also where a task waits.
"""

from __future__ import annotations

from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .execution import Execution

on = False
"""Whether executions enter their frames."""

further: dict[int, None] = {}
"""Executions that can be suspended and run, by id, and an entry of 0 while somebody tracks.

Such are in their context: as long as there is none, nobody looks further than at the stack of their thread.
"""

serial = 0
"""Of the last execution that could be suspended.

One on a thread's stack keeps the number that it found, and so is later than what has a lower one.
"""

greenlets = False
"""Whether any function may be suspended."""

open_frames: dict[FrameType, Execution] = {}
"""Frame to the innermost execution that began in it."""

_trackers = 0
_core: Any = None  # the compiled recorder keeps a switch of its own


def start_tracking() -> None:
    """From now on executions enter their frames; call ``stop_tracking`` as often."""
    global _trackers  # noqa: PLW0603
    _trackers += 1
    _switch(True)


def stop_tracking() -> None:
    """Undo one ``start_tracking``."""
    global _trackers  # noqa: PLW0603
    _trackers = max(_trackers - 1, 0)
    if not _trackers:
        _switch(False)
        open_frames.clear()


def leave_frame(frame: FrameType, before: Execution | None) -> None:
    """An execution that entered its frame ends; ``before`` is the one around it in the same frame."""
    if before is None or not on:
        open_frames.pop(frame, None)
    else:
        open_frames[frame] = before


def next_serial() -> int:
    """For an execution that can be suspended."""
    global serial  # noqa: PLW0603
    serial += 1
    return serial


def use_greenlets() -> None:
    """Functions are switched by greenlets: every execution goes into its context."""
    global greenlets  # noqa: PLW0603
    greenlets = True


def use_core(core: Any) -> None:
    """Let the compiled recorder know when somebody tracks."""
    global _core  # noqa: PLW0603
    _core = core


def thread_operation(thread_id: int) -> str:
    """The innermost operation on a thread's stack; ``""`` for none.

    For executions that began before somebody tracked. One that can be suspended is not among them.
    """
    if _core is not None:
        return _core.thread_operation(thread_id)  # type: ignore[no-any-return]
    from .cell import threads

    at = threads.get(thread_id)
    top = at.top if at is not None else None
    return top.name if top is not None else ""


def _switch(value: bool) -> None:
    global on  # noqa: PLW0603
    on = value
    if value:
        further[0] = None
    else:
        further.pop(0, None)
    if _core is not None:
        _core.set_tracking(value)
