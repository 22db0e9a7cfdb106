"""Bound handles: one series looked up once, for code that records often."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..export.buffer import COUNTER, DISTRIBUTION, GAUGE, Cell, MetricBuffer

Labels = Mapping[str, str] | None


class _Handle:
    """A series of a buffer. Recording never raises; a series that can not be is counted at each record."""

    KIND = DISTRIBUTION

    def __init__(
        self, buffer: Callable[[], MetricBuffer | None], name: str, labels: Labels, unit: str | None
    ):
        self._find_buffer = buffer
        self._name = name
        self._labels = dict(labels) if labels else None
        self._unit = unit
        self._buffer: MetricBuffer | None = None
        self._cell: Cell | None = None

    def _record(self, value: float) -> None:
        try:
            buffer = self._find_buffer()
            if buffer is None:
                return
            if self._cell is None or buffer is not self._buffer:
                self._cell = buffer.cell(self._name, self._labels, self.KIND, self._unit)
                self._buffer = buffer
            if self._cell is not None:
                buffer.record_in(self._cell, value, self.KIND)
        except Exception as error:  # noqa: BLE001 - the host's request must go on
            if self._buffer is not None:
                self._buffer.count_failure(error)


class Distribution(_Handle):
    """Values whose quantiles matter: durations, sizes."""

    def record(self, value: float) -> None:
        """Add one value."""
        self._record(value)


class Counter(_Handle):
    """Something that only grows."""

    KIND = COUNTER

    def add(self, value: float = 1) -> None:
        """Count ``value`` more; a negative one is refused and counted."""
        self._record(value)


class Gauge(_Handle):
    """Something that has a value at any time: a queue's length."""

    KIND = GAUGE

    def set(self, value: float) -> None:
        """Say what the value is now."""
        self._record(value)
