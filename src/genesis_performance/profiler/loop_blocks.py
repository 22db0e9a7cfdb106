"""Event loops that one callback held: found by seeing the same callback in several samples."""

from __future__ import annotations

import heapq
from collections import Counter
from types import CodeType

from ..model.profile import LoopBlock
from ..operations.current import PACKAGE
from .stack_table import Place, StackTable, line_of
from .stack_walk import Raw

MAX_BLOCKS = 100
"""The longest are kept; the others are counted."""

_LIBRARIES = ("site-packages", "dist-packages", "/lib/python", "<frozen")


class Held:
    """A callback that a loop was seen in, and where.

    ``handle`` is the frame of the loop's ``Handle._run``. Kept while it is watched, so that the next one
    can not be taken for it; its place in memory is soon used again.
    """

    __slots__ = ("first_ns", "first_unix_ns", "handle", "last_ns", "places", "thread")

    def __init__(self, handle: object, thread: str, first_ns: int, unix_ns: int) -> None:
        self.handle = handle
        self.thread = thread
        self.first_ns = self.last_ns = first_ns
        self.first_unix_ns = unix_ns
        self.places: Counter[Place] = Counter()


class LoopBlocks:
    """The blocks of one session.

    Args:
        threshold_ns: shorter ones are none.
    """

    def __init__(self, threshold_ns: int) -> None:
        self._threshold_ns = threshold_ns
        self._longest: list[tuple[int, int, LoopBlock]] = []
        self._number = 0
        self.dropped = 0

    def ended(self, held: Held, table: StackTable) -> None:
        """A loop went on after a callback: note it, if it was a block."""
        duration_ns = held.last_ns - held.first_ns
        if duration_ns < self._threshold_ns or not held.places:
            return
        self._number += 1
        functions: Counter[tuple[str, str, str]] = Counter()
        lines: Counter[tuple[str, str, str, int]] = Counter()
        for (stack, _, operation), samples in held.places.items():
            function, file, line = _host_place(table.raw[stack])
            functions[function, file, operation] += samples
            lines[function, file, operation, line] += samples
        (function, file, operation), _ = functions.most_common(1)[0]
        line = max(
            (count, line) for (*of, line), count in lines.items() if of == [function, file, operation]
        )[1]
        block = LoopBlock(
            at_unix_ns=held.first_unix_ns,
            duration_ns=duration_ns,
            thread=held.thread,
            operation=operation,
            function=function,
            file=file,
            line=line,
        )
        heapq.heappush(self._longest, (duration_ns, self._number, block))
        if len(self._longest) > MAX_BLOCKS:
            heapq.heappop(self._longest)
            self.dropped += 1

    def found(self) -> tuple[LoopBlock, ...]:
        """In order of time."""
        return tuple(sorted((block for *_, block in self._longest), key=lambda block: block.at_unix_ns))


def _host_place(stack: Raw) -> tuple[str, str, int]:
    """The innermost function of the host's own code; the innermost of all where there is none."""
    for place in range(0, len(stack), 2):
        code: CodeType = stack[place]
        file = code.co_filename
        if not file.startswith(PACKAGE) and not any(part in file for part in _LIBRARIES):
            return code.co_qualname, file, line_of(code, stack[place + 1])
    if not stack:
        return "", "", 0
    return stack[0].co_qualname, stack[0].co_filename, line_of(stack[0], stack[1])
