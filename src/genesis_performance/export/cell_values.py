"""What the cells of recorded metrics say, read from the memory of their region each time somebody asks.

A value is made where it is needed and the one before is let go: read all at once, the values of many series
would be in memory twice, and no longer in the processor's cache when they are sent.
"""

from __future__ import annotations

import math
import struct
from operator import add
from typing import Any

from ..model.series import Distribution
from .blocks import BOUNDS, COUNTER, GAUGE, LAST, PER_BLOCK, SET_AT, TOTAL, SeriesText
from .totals import EMPTY, Known

MOST = 1 << 53
"""No count is so large; a larger one is damage."""

_sums_at = struct.Struct("3d").unpack_from  # SHIFT, SUM, SQUARES
_buckets_at = struct.Struct(f"{PER_BLOCK}Q").unpack_from  # unsigned: a negative count is too large a one


class Chunk:
    """The memory of a chunk, replaced when the region is mapped anew.

    Attributes:
        end: behind the last block that was found in it, in words.
    """

    __slots__ = ("end", "floats", "memory")

    def __init__(self) -> None:
        self.end = 0
        self.map(memoryview(b""))

    def map(self, memory: memoryview) -> None:
        self.memory = memory
        self.floats = memory[: len(memory) // 8 * 8].cast("d")


class CellValue(Known):
    """A series as one cell knows it. Where that is damaged, ``read`` returns what it was before."""

    __slots__ = ("at", "chunk")

    def __init__(self, text: SeriesText, chunk: Chunk, at: int) -> None:
        super().__init__(text.key, None, text.unit, text.start_unix_ns)
        self.chunk = chunk
        self.at = at  # in bytes

    def damaged(self) -> int:
        """Blocks of it that are left out now."""
        before, self.value = self.value, None
        is_damaged = self.read() is None
        if is_damaged:
            self.value = before
        return is_damaged


class _Counter(CellValue):
    __slots__ = ()

    def read(self) -> Any:
        value = self.chunk.floats[self.at // 8 + TOTAL]
        if math.isfinite(value):
            self.value = value
        return self.value


class _Gauge(CellValue):
    __slots__ = ()

    def read(self) -> Any:
        at = self.at // 8
        set_at, last = self.chunk.floats[at + SET_AT], self.chunk.floats[at + LAST]
        if math.isfinite(set_at) and math.isfinite(last):
            self.value = set_at, last
        return self.value


class Spread(CellValue):
    """A distribution, with its blocks of buckets."""

    __slots__ = ("_blocks", "_first", "_run")

    def __init__(self, text: SeriesText, chunk: Chunk, at: int) -> None:
        super().__init__(text, chunk, at)
        self._blocks: list[tuple[int, Chunk, int]] = []  # number, chunk and place in it
        self._first = 0  # bucket of the run
        self._run: list[tuple[Chunk, int]] = []  # the blocks from the first to the last one; or it is empty

    def add(self, number: int, chunk: Chunk, at: int) -> None:
        """One more block."""
        self._blocks.append((number, chunk, at))
        by_number = {own: (where, place) for own, where, place in self._blocks}
        first, last = min(by_number), max(by_number)
        self._first, self._run = first * PER_BLOCK, []
        if len(by_number) == len(self._blocks) and last < _LAST_BLOCK:
            self._run = [by_number.get(own, _NO_BLOCK) for own in range(first, last + 1)]

    def read(self) -> Any:
        first, counts = self._first, ()
        for chunk, at in self._run:
            counts += _buckets_at(chunk.memory, at)
        count = sum(counts)
        if count >= MOST or not counts:
            first, counts = self._counts()  # type: ignore[assignment]
            count = sum(counts)
        if not count:
            self.value = EMPTY
            return EMPTY
        shift, summed, squared = _sums_at(self.chunk.memory, self.at)
        total = shift * count + summed
        squares = squared - summed * summed / count
        if not 0.0 <= squares < math.inf:
            squares = 0.0
        if -math.inf < total < math.inf:
            self.value = Distribution(BOUNDS, counts, total, squares, first, count)
        return self.value

    def damaged(self) -> int:
        blocks = (_buckets_at(chunk.memory, at) for _, chunk, at in self._blocks)
        return super().damaged() + sum(max(counts) >= MOST for counts in blocks)

    def _counts(self) -> tuple[int, tuple[int, ...]]:
        """The first bucket and the counts from there on, of what blocks there are."""
        numbers = [number for number, _, _ in self._blocks]
        first = min(numbers, default=0) * PER_BLOCK
        counts = [0] * ((max(numbers, default=-1) + 1) * PER_BLOCK - first)
        for number, chunk, at in self._blocks:
            found = _buckets_at(chunk.memory, at)
            if max(found) < MOST:
                to = number * PER_BLOCK - first
                counts[to : to + PER_BLOCK] = map(add, counts[to : to + PER_BLOCK], found)
        return first, tuple(counts[: max(len(BOUNDS) + 1 - first, 0)])


def cell_value(text: SeriesText, chunk: Chunk, at: int) -> CellValue:
    """For a cell of that series."""
    return _KINDS.get(text.key.kind, Spread)(text, chunk, at)


_NO_BLOCK = Chunk(), 0
_NO_BLOCK[0].map(memoryview(bytes(PER_BLOCK * 8)))
_LAST_BLOCK = len(BOUNDS) // PER_BLOCK  # not all of its counts are of buckets
_KINDS: dict[int, type[CellValue]] = {COUNTER: _Counter, GAUGE: _Gauge}
