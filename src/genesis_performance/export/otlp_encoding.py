"""Series as an OTLP ``ExportMetricsServiceRequest``, written as protobuf without protobuf.

What does not change of a series (its attributes, its bucket bounds) is encoded once and kept. A point then
has a fixed size, so that encoding it is one ``struct.pack``.

A histogram is sent with the bounds around the buckets that ever had a value, whole groups of them, and the
range only grows: 194 buckets would make each point 3 KB of zeros. Nothing is lost, because the buckets left
out are empty. OTLP's bounds belong to the bucket below and ours to the one above, so that a value exactly on
a bound is one bucket further up.

Source: opentelemetry/proto/metrics/v1/metrics.proto, version 1.11.0
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from functools import cache

from ..model.series import Distribution, Point, Series
from .labels import Labels
from .otlp_names import GAUGE, HISTOGRAM, SUM, UP_DOWN, Name, described

GROUP = 16
"""Bounds are sent in groups of so many, so that the range of a histogram seldom changes."""

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

_pack_double = struct.Struct("<BQBQBd").pack
_pack_int = struct.Struct("<BQBQBq").pack
_pack_gauge_double = struct.Struct("<BQBd").pack
_pack_gauge_int = struct.Struct("<BQBq").pack

Item = tuple["Encoding", Point]


class Encoding:
    """One series: what of it is encoded already.

    Attributes:
        written_ns: end of the newest point that was sent.
    """

    __slots__ = (
        "_attributes",
        "_bounds",
        "_head",
        "_high",
        "_low",
        "_pack",
        "_start",
        "_tail",
        "metric",
        "written_ns",
    )

    def __init__(self, metric: MetricHead, attributes: Labels) -> None:
        self.metric = metric
        self.written_ns = 0
        tag = _HISTOGRAM_ATTRIBUTES if metric.name.kind == HISTOGRAM else _NUMBER_ATTRIBUTES
        self._attributes = encoded_attributes(attributes, tag)
        self._bounds: tuple[float, ...] | None = None
        self._low = self._high = 0
        self._head = self._start = self._tail = b""
        self._pack = _pack_double

    def point(self, point: Point) -> bytes:
        """A data point as a field of its metric."""
        value = point.value
        if isinstance(value, Distribution):
            return self._histogram(point, value)
        name = self.metric.name
        if name.is_integer:
            tag, number = _AS_INT, int(value)
            packs = _pack_gauge_int, _pack_int
        else:
            tag, number = _AS_DOUBLE, value * name.scale  # type: ignore[assignment]
            packs = _pack_gauge_double, _pack_double
        if point.start_unix_ns is None:
            packed = packs[0](_TIME, point.end_unix_ns, tag, number)
        else:
            packed = packs[1](_START, point.start_unix_ns, _TIME, point.end_unix_ns, tag, number)
        if not self._head:
            self._head = _sized(_POINTS, len(self._attributes) + len(packed)) + self._attributes
        return self._head + packed

    def _histogram(self, point: Point, value: Distribution) -> bytes:
        counts, low, high = value.counts, self._low, self._high
        if (
            (value.bounds is not self._bounds and value.bounds != self._bounds)
            or (low and any(counts[: low + 1]))
            or (high < len(value.bounds) and any(counts[high:]))
        ):
            self._widen(value)
            low, high = self._low, self._high
        sent = counts[low : high + 1]
        packed = self._pack(
            _START,
            point.start_unix_ns or 0,
            _TIME,
            point.end_unix_ns,
            _COUNT,
            sum(sent),
            _SUM,
            value.sum * self.metric.name.scale,
            self._start,
            *sent,
        )
        return self._head + packed + self._tail

    def _widen(self, value: Distribution) -> None:
        """Choose the bounds again, so that every value lies within them."""
        low, high = value_range(value)
        if self._bounds is not None and value.bounds == self._bounds:
            low, high = min(low, self._low), max(high, self._high)
        self._bounds, self._low, self._high = value.bounds, low, high
        scale = self.metric.name.scale
        number = high + 1 - low
        self._start = _sized(_COUNTS, 8 * number)
        self._tail = _bounds_field(value.bounds, low, high, scale)
        packer = _histogram_packer(len(self._start), number)
        self._pack = packer.pack
        size = len(self._attributes) + packer.size + len(self._tail)
        self._head = _sized(_POINTS, size) + self._attributes


class MetricHead:
    """What is said once of a metric in each request."""

    __slots__ = ("fields", "name")

    def __init__(self, name: Name) -> None:
        self.name = name
        self.fields = _text(0x0A, name.name) + _text(0x12, name.description) + _text(0x1A, name.unit)


class Encoder:
    """Encodes the series of one process.

    Args:
        prefix: before the names that are ours.
        resource: attributes of the process.
    """

    def __init__(self, prefix: str, resource: Mapping[str, str]) -> None:
        self._prefix = prefix
        attributes = encoded_attributes(resource.items(), 0x0A)
        self._resource = _sized(0x0A, len(attributes)) + attributes
        self._kept: dict[tuple[str, Labels], Encoding] = {}
        self._metrics: dict[Name, MetricHead] = {}

    def encoding(self, series: Series) -> Encoding:
        """What is kept of a series, made when it is new."""
        key = (series.metric.name, series.labels)
        found = self._kept.get(key)
        if found is None:
            if len(self._kept) >= MAX_KEPT:
                self._kept.clear()
            name, attributes = described(self._prefix, series.metric, series.labels)
            metric = self._metrics.get(name)
            if metric is None:
                metric = self._metrics[name] = MetricHead(name)
            found = self._kept[key] = Encoding(metric, attributes)
        return found

    def request(self, items: Iterable[Item]) -> bytes:
        """The request that writes these points."""
        points: dict[MetricHead, list[bytes]] = {}
        for encoding, point in items:
            found = points.get(encoding.metric)
            if found is None:
                found = points[encoding.metric] = []
            found.append(encoding.point(point))
        metrics = []
        for metric, own in points.items():
            own.append(_ENDS[metric.name.kind])
            data = b"".join(own)
            kind = _sized(_KINDS[metric.name.kind], len(data))
            metrics += [_sized(0x12, len(metric.fields) + len(kind) + len(data)), metric.fields, kind, data]
        scope = _sized(0x12, sum(map(len, metrics)))  # the scope itself is left out: it would be two labels
        size = len(self._resource) + len(scope) + sum(map(len, metrics))
        return b"".join((_sized(0x0A, size), self._resource, scope, *metrics))


def value_range(value: Distribution) -> tuple[int, int]:
    """First and last bound, the latter exclusive, around every value; whole groups where there are more."""
    filled = [index for index, count in enumerate(value.counts) if count]
    first, last = (filled[0], filled[-1]) if filled else (0, 0)
    low = max(first - 1, 0) // GROUP * GROUP
    high = -(-(last + 1) // GROUP) * GROUP
    return min(low, max(len(value.bounds) - 1, 0)), min(high, len(value.bounds))


def encoded_attributes(attributes: Iterable[tuple[str, str]], tag: int) -> bytes:
    """``KeyValue`` messages as repeated fields."""
    made = []
    for key, text in attributes:
        # KeyValue{key = 1, value = 2}, AnyValue{string_value = 1}; an empty text is a value too.
        raw = text.encode("utf-8", "replace")
        value = _sized(0x0A, len(raw)) + raw
        pair = _text(0x0A, key) + _sized(0x12, len(value)) + value
        made.append(_sized(tag, len(pair)) + pair)
    return b"".join(made)


def varint(number: int) -> bytes:
    """Base 128, the low bits first."""
    if number < 0x80:
        return _SMALL[number]
    made = bytearray()
    while number > 0x7F:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    made.append(number)
    return bytes(made)


_SMALL = [bytes((number,)) for number in range(0x80)]


def _sized(tag: int, size: int) -> bytes:
    return _SMALL[tag] + varint(size)


def _text(tag: int, text: str) -> bytes:
    raw = text.encode("utf-8", "replace")
    return _sized(tag, len(raw)) + raw if raw else b""


@cache
def _histogram_packer(prefix: int, number: int) -> struct.Struct:
    return struct.Struct(f"<BQBQBQBd{prefix}s{number}Q")


@cache
def _bounds_field(bounds: tuple[float, ...], low: int, high: int, scale: float) -> bytes:
    sent = [round(bound * scale, 12) if scale != 1.0 else bound for bound in bounds[low:high]]
    return _sized(_BOUNDS, 8 * len(sent)) + struct.pack(f"<{len(sent)}d", *sent) if sent else b""
