"""Series as an OTLP ``ExportMetricsServiceRequest``, written as protobuf without protobuf.

What does not change of a series (its attributes, its start, its bucket bounds) is encoded once and kept. A
point then has a fixed size, so that its value is one ``struct.pack``.

A histogram is sent with the bounds around the buckets that its distribution keeps, and the range only grows:
194 buckets would make each point 3 KB of zeros. Nothing is lost, because the buckets left out are empty. A
bound belongs to the bucket below in OTLP and to the one above in ours, so that a value exactly on a bound is
one bucket further up.

Source: opentelemetry/proto/metrics/v1/metrics.proto, version 1.11.0
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from functools import cache

from ..model.series import Distribution, Point, Series
from .labels import Labels
from .otlp_names import GAUGE, HISTOGRAM, SUM, UP_DOWN, Name, described
from .wire import message, sized, text

GROUP = 16
"""Of a distribution with all its buckets whole groups are sent, so that the range seldom changes."""

MAX_KEPT = 50_000
"""Series whose encoding is kept; a process has ``monitoring.max_series`` of them at most."""

# Tags: field number << 3 | wire type (0 varint, 1 fixed64, 2 length-delimited).
_POINTS, _START, _TIME = 0x0A, 0x11, 0x19
_AS_DOUBLE, _AS_INT = 0x21, 0x31
_COUNT, _SUM, _COUNTS, _BOUNDS = 0x21, 0x29, 0x32, 0x3A
_NUMBER_ATTRIBUTES, _HISTOGRAM_ATTRIBUTES = 0x3A, 0x4A
_KINDS = {GAUGE: 0x2A, SUM: 0x3A, UP_DOWN: 0x3A, HISTOGRAM: 0x4A}
_CUMULATIVE = b"\x10\x02"
_ENDS = {GAUGE: b"", SUM: _CUMULATIVE + b"\x18\x01", UP_DOWN: _CUMULATIVE, HISTOGRAM: _CUMULATIVE}

_pack_time = struct.Struct("<BQ").pack
_pack_double = struct.Struct("<Bd").pack
_pack_int = struct.Struct("<Bq").pack
_FIXED = 9  # bytes of a tag and one of these numbers

Item = tuple[Series, "Encoding", Point]


class Encoding:
    """One series: what of it is encoded already.

    Attributes:
        written_ns: end of the newest point that was sent.
    """

    __slots__ = ("_attributes", "_head", "_start", "metric", "written_ns")

    def __init__(self, metric: MetricHead, attributes: bytes) -> None:
        self.metric = metric
        self.written_ns = 0
        self._attributes = attributes
        self._start: int | None = -1  # that the head was made for
        self._head = b""

    def pieces(self, point: Point, time: bytes) -> tuple[bytes, ...]:
        """A data point as a field of its metric; ``time`` is the field of its end."""
        raise NotImplementedError


class _Number(Encoding):
    __slots__ = ()

    def pieces(self, point: Point, time: bytes) -> tuple[bytes, ...]:
        start = point.start_unix_ns
        if start != self._start:
            self._start = start
            before = self._attributes + (_pack_time(_START, start) if start is not None else b"")
            self._head = sized(_POINTS, len(before) + 2 * _FIXED) + before
        name = self.metric.name
        if name.is_integer:
            return self._head, time, _pack_int(_AS_INT, int(point.value))  # type: ignore[arg-type]
        return self._head, time, _pack_double(_AS_DOUBLE, point.value * name.scale)  # type: ignore[operator]


class _Histogram(Encoding):
    """
    Attributes:
        _first, _length: of the buckets that it was made for last.
        _low, _high: first and last bucket that are sent.
    """

    __slots__ = ("_bounds", "_first", "_high", "_length", "_low", "_pack")

    def __init__(self, metric: MetricHead, attributes: bytes) -> None:
        super().__init__(metric, attributes)
        self._bounds: tuple[float, ...] | None = None
        self._first = self._length = self._low = self._high = 0
        self._pack = _pack_double

    def pieces(self, point: Point, time: bytes) -> tuple[bytes, ...]:
        value = point.value
        assert isinstance(value, Distribution)
        first, filled, bounds = value.first, value.filled, value.bounds
        if len(filled) > len(bounds):
            first, filled = _around(filled)
        if (
            first != self._first
            or len(filled) != self._length
            or point.start_unix_ns != self._start
            or bounds is not self._bounds
        ):
            self._start = point.start_unix_ns
            self._fit(bounds, first, len(filled))
        total = value.sum * self.metric.name.scale
        return self._head, self._pack(*filled, _COUNT, value.count, _SUM, total), time

    def _fit(self, bounds: tuple[float, ...], first: int, length: int) -> None:
        """Choose what is sent again, so that these buckets are within it, with both their bounds."""
        low, high = max(first - 1, 0), min(first + length, len(bounds))
        if bounds == self._bounds:
            low, high = min(low, self._low), max(high, self._high)
        self._bounds, self._low, self._high = bounds, low, high
        self._first, self._length = first, length
        packer = _histogram_packer(first - low, length, high + 1 - first - length)
        self._pack = packer.pack
        before = b"".join(
            (
                self._attributes,
                _pack_time(_START, self._start or 0),
                _bounds_field(bounds, low, high, self.metric.name.scale),
                sized(_COUNTS, 8 * (high + 1 - low)),
            )
        )
        self._head = sized(_POINTS, len(before) + packer.size + _FIXED) + before


class MetricHead:
    """What is said once of a metric in each request."""

    __slots__ = ("fields", "name")

    def __init__(self, name: Name) -> None:
        self.name = name
        self.fields = text(0x0A, name.name) + text(0x12, name.description) + text(0x1A, name.unit)


class Encoder:
    """Encodes the series of one process.

    Args:
        prefix: before the names that are ours.
        resource: attributes of the process.
    """

    def __init__(self, prefix: str, resource: Mapping[str, str]) -> None:
        self._prefix = prefix
        attributes = encoded_attributes(resource.items(), 0x0A)
        self._resource = sized(0x0A, len(attributes)) + attributes
        self._known: dict[tuple[str, Labels], Encoding] = {}
        self._metrics: dict[Name, MetricHead] = {}

    def encoding(self, series: Series) -> Encoding:
        """What is kept of a series, made when it is new."""
        kept = series.kept
        if kept is not None and kept.by is self:
            return kept.made
        key = (series.metric.name, series.labels)
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= MAX_KEPT:
                self._known.clear()
            found = self._known[key] = self._new(series)
        if kept is not None:
            kept.by, kept.made = self, found
        return found

    def request(self, items: Iterable[Item]) -> bytes:
        """The request that writes these points."""
        points: dict[MetricHead, list[bytes]] = {}
        end_ns, time = -1, b""
        for _, encoding, point in items:
            if point.end_unix_ns != end_ns:
                end_ns = point.end_unix_ns
                time = _pack_time(_TIME, end_ns)
            own = points.get(encoding.metric)
            if own is None:
                own = points[encoding.metric] = []
            own += encoding.pieces(point, time)
        metrics = []
        for metric, own in points.items():
            own.append(_ENDS[metric.name.kind])
            data = b"".join(own)
            kind = sized(_KINDS[metric.name.kind], len(data))
            metrics += [sized(0x12, len(metric.fields) + len(kind) + len(data)), metric.fields, kind, data]
        scope = sized(0x12, sum(map(len, metrics)))  # the scope itself is left out: it would be two labels
        size = len(self._resource) + len(scope) + sum(map(len, metrics))
        return b"".join((sized(0x0A, size), self._resource, scope, *metrics))

    def _new(self, series: Series) -> Encoding:
        name, attributes = described(self._prefix, series.metric, series.labels)
        metric = self._metrics.get(name)
        if metric is None:
            metric = self._metrics[name] = MetricHead(name)
        if name.kind == HISTOGRAM:
            return _Histogram(metric, encoded_attributes(attributes, _HISTOGRAM_ATTRIBUTES))
        return _Number(metric, encoded_attributes(attributes, _NUMBER_ATTRIBUTES))


def _around(counts: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
    """The first of the groups of buckets with all that are not empty, and their counts."""
    found = [index for index, count in enumerate(counts) if count]
    if not found:
        return 0, ()
    first = found[0] // GROUP * GROUP
    return first, counts[first : (found[-1] // GROUP + 1) * GROUP]


def encoded_attributes(attributes: Iterable[tuple[str, str]], tag: int) -> bytes:
    """``KeyValue`` messages as repeated fields."""
    made = []
    for key, value in attributes:
        # KeyValue{key = 1, value = 2}, AnyValue{string_value = 1}; an empty text is a value too.
        raw = message(0x0A, value.encode("utf-8", "replace"))
        made.append(message(tag, text(0x0A, key) + message(0x12, raw)))
    return b"".join(made)


@cache
def _histogram_packer(before: int, number: int, after: int) -> struct.Struct:
    """Packs counts between empty ones, and behind them the fields of count and sum."""
    return struct.Struct(f"<{8 * before}x{number}Q{8 * after}xBQBd")


@cache
def _bounds_field(bounds: tuple[float, ...], low: int, high: int, scale: float) -> bytes:
    sent = [round(bound * scale, 12) if scale != 1.0 else bound for bound in bounds[low:high]]
    return message(_BOUNDS, struct.pack(f"<{len(sent)}d", *sent)) if sent else b""
