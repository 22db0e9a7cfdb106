"""Which operation a frame belongs to, for those who look from another thread.

The recorder keeps the current operation where its own thread or task finds it. A sampler looks from
outside; while it does, every execution that begins also enters the frame that it began in here. Walking
a stack from its leaf, the first frame found names the innermost operation, also where a task waits.
"""

from __future__ import annotations

from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .execution import Execution

open_frames: dict[FrameType, Execution] = {}
"""Frame to the execution that began in it; filled only while somebody tracks."""

_trackers = 0


def tracked() -> bool:
    """Whether executions enter their frames."""
    return _trackers > 0


def start_tracking() -> None:
    """From now on executions enter their frames; call ``stop_tracking`` as often."""
    global _trackers  # noqa: PLW0603
    _trackers += 1


def stop_tracking() -> None:
    global _trackers  # noqa: PLW0603
    _trackers = max(_trackers - 1, 0)
    if not _trackers:
        open_frames.clear()


def thread_operation(thread_id: int) -> str:
    """The operation that a thread was in when tracking began, as far as it is known; ``""`` for none."""
    return ""
