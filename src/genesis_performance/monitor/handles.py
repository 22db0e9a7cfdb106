"""Bound handles: one series looked up once, for code that records often.

Where nothing is unusual a record is a look into the series' table of cells, and a few additions: no lock, no
system call. Everything else, also a monitor that was closed or a process that forked, empties that table.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from threading import get_ident

from ..export.blocks import RECORDS, TOTAL
from ..export.buffer import COUNTER, DISTRIBUTION, GAUGE, LARGEST, LEAST, MetricBuffer
from ..export.recorded import Cell, RecordedSeries
from ..export.region import RegionFullError

Labels = Mapping[str, str] | None


class _Handle:
    """A series of a buffer. Recording never raises; a series that can not be is counted at each record."""

    KIND = DISTRIBUTION
    __slots__ = ("_buffer", "_cells", "_find_buffer", "_labels", "_name", "_series", "_unit")

    def __init__(
        self, buffer: Callable[[], MetricBuffer | None], name: str, labels: Labels, unit: str | None
    ):
        self._find_buffer = buffer
        self._name = name
        self._labels = labels
        with contextlib.suppress(Exception):  # what is wrong with them is counted at each record
            self._labels = dict(labels) if labels else None
        self._unit = unit
        self._buffer: MetricBuffer | None = None
        self._series: RecordedSeries | None = None
        self._cells: dict[int, Cell] = {}

    def _record(self, value: float) -> None:
        try:
            buffer = self._find_buffer()
            if buffer is None:
                return
            if self._series is None or buffer is not self._buffer:
                self._buffer, self._series = buffer, None
                self._series = buffer.find(self._name, self._labels, self.KIND, self._unit)
            if self._series is not None:
                buffer.record_in(self._series, value)
                self._cells = self._series.cells
        except Exception as error:  # noqa: BLE001 - the host's request must go on
            if self._buffer is not None:
                self._buffer.count_failure(error)


class Distribution(_Handle):
    """Values whose quantiles matter: durations, sizes."""

    __slots__ = ()

    def record(self, value: float) -> None:
        """Add one value."""
        kind = type(value)
        if (kind is float or kind is int) and LEAST < value < LARGEST:
            try:
                self._cells[get_ident()].record(value)
                return
            except (KeyError, RegionFullError):  # nothing was added yet
                pass
        self._record(value)


class Counter(_Handle):
    """Something that only grows."""

    KIND = COUNTER
    __slots__ = ()

    def add(self, value: float = 1) -> None:
        """Count ``value`` more; a negative one is refused and counted."""
        kind = type(value)
        if (kind is int or kind is float) and 0 <= value < LARGEST:
            try:
                floats = self._cells[get_ident()].floats
                floats[TOTAL] += value
                floats[RECORDS] += 1.0
                return
            except KeyError:
                pass
        self._record(value)


class Gauge(_Handle):
    """Something that has a value at any time: a queue's length."""

    KIND = GAUGE
    __slots__ = ()

    def set(self, value: float) -> None:
        """Say what the value is now."""
        kind = type(value)
        if (kind is float or kind is int) and LEAST < value < LARGEST:
            try:
                self._cells[get_ident()].record(value)
                return
            except KeyError:
                pass
        self._record(value)
