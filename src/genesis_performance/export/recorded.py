"""Cells of recorded metrics, one for each thread that records a series.

Only its thread writes a cell, and only by adding to words, each in one step: a signal handler or finaliser
that records into the same cell in between loses nothing, and a killed process leaves at most the one record
that it was at half done.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable

from ..model.series import Metric
from .blocks import (
    BOUNDS,
    BUCKETS,
    COUNTER,
    DISTRIBUTION,
    GAUGE,
    LAST,
    PER_BLOCK,
    RECORDS,
    SET_AT,
    SHIFT,
    SQUARES,
    SUM,
    TOTAL,
    SeriesText,
)
from .cells import Cells
from .labels import Labels

_BLOCKS = -(-(len(BOUNDS) + 1) // PER_BLOCK)


class Cell:
    """What one thread recorded of one series."""

    __slots__ = ("floats", "place", "region")
    floats: memoryview[float]
    KIND = COUNTER
    BYTES = 16

    def __init__(
        self,
        cells: Cells,
        text: SeriesText,
        unix_ns: Callable[[], int],
        value: float,
        *,
        on_heap: bool = False,
    ) -> None:
        del unix_ns, value
        new = cells.on_heap if on_heap else cells.new
        self.region, self.place = new(text, self.KIND, self.BYTES)
        self.floats = self.region.floats(self.place, self.BYTES // 8)

    def record(self, value: float) -> None:
        """Add one value.

        Raises:
            RegionFullError: there is no room for it beside the cell; nothing was added.
        """
        raise NotImplementedError

    @property
    def records(self) -> int:
        """Values that were recorded."""
        return int(self.floats[RECORDS])


class CounterCell(Cell):
    __slots__ = ()

    def record(self, value: float) -> None:
        self.floats[TOTAL] += value
        self.floats[RECORDS] += 1.0


class GaugeCell(Cell):
    __slots__ = ("_set", "_unix_ns")
    KIND = GAUGE

    def __init__(
        self,
        cells: Cells,
        text: SeriesText,
        unix_ns: Callable[[], int],
        value: float,
        *,
        on_heap: bool = False,
    ) -> None:
        super().__init__(cells, text, unix_ns, value, on_heap=on_heap)
        self._unix_ns = unix_ns
        self._set = 0

    def record(self, value: float) -> None:
        self.floats[LAST] = value
        self.floats[SET_AT] = self._unix_ns() / 1e9
        self._set += 1

    @property
    def records(self) -> int:
        return self._set


class DistributionCell(Cell):
    __slots__ = ("_blocks", "_shift")
    KIND = DISTRIBUTION
    BYTES = 32

    def __init__(
        self,
        cells: Cells,
        text: SeriesText,
        unix_ns: Callable[[], int],
        value: float,
        *,
        on_heap: bool = False,
    ) -> None:
        super().__init__(cells, text, unix_ns, value, on_heap=on_heap)
        # Sums relative to a value near the mean lose no digits, and are plain sums.
        self._shift = self.floats[SHIFT] = float(value)
        self._blocks: list[memoryview | None] = [None] * _BLOCKS

    def record(self, value: float) -> None:
        index = bisect_right(BOUNDS, value)
        block = self._blocks[index >> 4]
        if block is None:
            block = self._new_block(index >> 4)
        apart = value - self._shift
        self.floats[SUM] += apart
        self.floats[SQUARES] += apart * apart
        block[index & 15] += 1

    @property
    def records(self) -> int:
        return sum(sum(block.tolist()) for block in self._blocks if block is not None)

    def _new_block(self, number: int) -> memoryview:
        """Buckets for values of a size that did not occur before.

        Raises:
            RegionFullError: there is no room beside the cell; a new cell has room elsewhere.
        """
        place = self.region.allocate(BUCKETS, PER_BLOCK * 8, self.place, number)
        block = self.region.words(place, PER_BLOCK)
        self._blocks[number] = block
        return block


class RecordedSeries:
    """A series and its cells by thread."""

    __slots__ = ("cells", "kind", "labels", "metric", "older", "text")

    def __init__(self, metric: Metric, kind: str, text: SeriesText) -> None:
        self.metric = metric
        self.kind = kind
        self.text = text
        self.labels: Labels = text.key.labels
        self.cells: dict[int, Cell] = {}
        self.older: list[Cell] = []  # full ones

    def forget_threads(self) -> dict[int, Cell]:
        """Empty the table that handles look into; its cells go on in the next one."""
        before, self.cells = self.cells, dict(self.cells)
        before.clear()
        return self.cells
