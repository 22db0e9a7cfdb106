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


def use_core(core: Any) -> None:
    """Let the compiled recorder know when somebody tracks."""
    global _core  # noqa: PLW0603
    _core = core


def thread_operation(thread_id: int) -> str:
    """The operation that a thread was in when tracking began; ``""`` for none.

    The recorder written in Python can not tell, and says ``""``.
    """
    return _core.thread_operation(thread_id) if _core is not None else ""


def _switch(value: bool) -> None:
    global on  # noqa: PLW0603
    on = value
    if _core is not None:
        _core.set_tracking(value)
