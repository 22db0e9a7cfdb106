"""Turn frames and waiting coroutines into stacks, cheaply: it happens while the host waits for the GIL.

A raw stack is a tuple of code object and instruction offset in turn, leaf first. Names and lines are
looked up when a session ends.
"""

from __future__ import annotations

import gc
import sys
from collections import deque
from types import CodeType, FrameType
from typing import Any, NamedTuple

from ..operations import tracking

Raw = tuple[Any, ...]

HALF_DEPTH = 500
"""Frames kept of a deep stack: as many at its leaf and as many at its root."""

_MAX_WALK = 50_000  # of a stack's frames; the rest is cut unread

# Awaitables that show what they wait for to the garbage collector only.
_OPAQUE = frozenset(
    ("async_generator_asend", "async_generator_athrow", "coroutine_wrapper", "anext_awaitable")
)


class Walked(NamedTuple):
    """The stack of a coroutine."""

    raw: Raw
    cut: int  # frames left out
    operation: str  # innermost operation that is open on it


class LoopCode:
    """Code of asyncio's loop by which its stacks are known; nothing where asyncio is not loaded."""

    __slots__ = ("handle_run", "run_once")

    def __init__(self) -> None:
        self.handle_run: CodeType | None = None
        self.run_once: CodeType | None = None

    def find(self) -> bool:
        """Look for it; True once asyncio is loaded."""
        if self.run_once is None:
            events = sys.modules.get("asyncio.events")
            base = sys.modules.get("asyncio.base_events")
            try:
                self.handle_run = events.Handle._run.__code__  # type: ignore[union-attr]
                self.run_once = base.BaseEventLoop._run_once.__code__  # type: ignore[union-attr]
            except AttributeError:  # not there, being imported, or replaced
                return False
        return True


def walk(frame: FrameType | None, loop_code: LoopCode) -> tuple[Raw, str, FrameType | None, bool, int]:
    """The stack that ends in ``frame``.

    With it: the innermost operation that is open on it; the frame of the event loop's callback, where there
    is one; whether it is within an event loop but in no callback of it; and how many frames were left out.
    """
    parts: list[Any] = []
    handle: FrameType | None = None
    handle_run, run_once = loop_code.handle_run, loop_code.run_once
    in_loop = False
    open_frames = tracking.open_frames
    execution = None
    left = HALF_DEPTH * 2
    while frame is not None:
        code = frame.f_code
        parts.append(code)
        parts.append(frame.f_lasti)
        if code is handle_run:
            handle = handle or frame
        elif code is run_once:
            in_loop = handle is None
        if execution is None and open_frames:
            execution = open_frames.get(frame)
        frame = frame.f_back
        left -= 1
        if not left:
            break
    cut = 0
    if frame is not None:
        cut = _root_part(frame, parts)
    return tuple(parts), execution.name if execution is not None else "", handle, in_loop, cut


def _root_part(frame: FrameType | None, parts: list[Any]) -> int:
    """Replace the second half of ``parts`` by the frames nearest the root; how many were left out."""
    root: deque[tuple[CodeType, int]] = deque(maxlen=HALF_DEPTH)
    for place in range(HALF_DEPTH * 2, HALF_DEPTH * 4, 2):
        root.append((parts[place], parts[place + 1]))
    walked = 0
    while frame is not None and walked < _MAX_WALK:
        root.append((frame.f_code, frame.f_lasti))
        frame = frame.f_back
        walked += 1
    del parts[HALF_DEPTH * 2 :]
    for pair in root:
        parts.extend(pair)
    return walked


def walk_coroutine(coroutine: Any) -> Walked | None:
    """The stack of a coroutine that waits, through all it waits for; None where it runs or has ended.

    Coroutines, generators, asynchronous generators, and every object with a ``cr_await`` are followed.
    """
    pairs: list[tuple[CodeType, int]] = []
    open_frames = tracking.open_frames
    execution = None
    cut = 0
    current = coroutine
    for _ in range(_MAX_WALK):
        try:
            found = _look_at(current)
        except Exception:  # noqa: BLE001 - a host's own awaitable may raise anything here
            break
        if found is None:
            break
        frame, running, following = found
        if running:
            return None
        if frame is not None:
            pairs.append((frame.f_code, frame.f_lasti))
            if open_frames:
                execution = open_frames.get(frame) or execution
        if following is None or following is current:
            break
        current = following
    if not pairs:
        return None
    if len(pairs) > 2 * HALF_DEPTH:
        cut = len(pairs) - 2 * HALF_DEPTH
        del pairs[HALF_DEPTH:-HALF_DEPTH]
    parts: list[Any] = []
    for pair in reversed(pairs):
        parts.extend(pair)
    return Walked(tuple(parts), cut, execution.name if execution is not None else "")


def _look_at(awaitable: Any) -> tuple[FrameType | None, bool, Any] | None:
    """Frame, whether it runs, and what it waits for; None for a future."""
    if hasattr(awaitable, "cr_await"):
        frame = getattr(awaitable, "cr_frame", None)
        return frame, getattr(awaitable, "cr_running", False), awaitable.cr_await
    if hasattr(awaitable, "gi_yieldfrom"):
        return awaitable.gi_frame, awaitable.gi_running, awaitable.gi_yieldfrom
    if hasattr(awaitable, "ag_await"):
        following = awaitable.ag_await  # it is said to run for as long as somebody iterates
        return awaitable.ag_frame, awaitable.ag_running and following is None, following
    if type(awaitable).__name__ in _OPAQUE:
        return None, False, _inner(awaitable)
    return None


def _inner(awaitable: Any) -> Any:
    for referent in gc.get_referents(awaitable):
        if hasattr(referent, "ag_await") or hasattr(referent, "cr_await") or hasattr(referent, "__await__"):
            return referent
    return None
