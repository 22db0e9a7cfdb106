"""Series as a Cloud Monitoring ``CreateTimeSeriesRequest``, written as protobuf without protobuf.

What does not change of a series (metric type, labels, resource, kind) is encoded once and kept, the time of a
write once for all its points. What is left of a point is its value.

Bounds that grow by a constant factor are sent as that factor, which makes a point of 193 bounds 1.5 KB
shorter. They may be rounded, as ours are to four digits: a bucket then begins where the formula says, which
is at most 0.05 % elsewhere, while the bucket is 15 % wide.

Sources: google/monitoring/v3/metric_service.proto, metric.proto and common.proto; distribution.proto,
metric.proto and monitored_resource.proto of google/api
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from ..model.series import Distribution, Metric, Point, Series
from .catalog import metric_type
from .labels import Labels
from .resource import GENERIC_TASK
from .wire import SMALL, message, sized, text, varint

SECOND_NS = 1_000_000_000

MAX_GONE = 10_000
"""Series that are not sent any more and of which the encoding is kept all the same."""

ROUNDED = 5e-4
"""Relative error of a number that is rounded to four digits."""

# The enums' numbers are those of google/api/metric.proto.
KINDS = {"GAUGE": 1, "CUMULATIVE": 3}
TYPES = {"INT64": 2, "DOUBLE": 3, "DISTRIBUTION": 5}

# Tags: field number << 3 | wire type (0 varint, 1 fixed64, 2 length-delimited).
_NAME, _SERIES = 0x1A, 0x12  # of the request
_METRIC, _RESOURCE, _POINTS = 0x0A, 0x12, 0x2A  # of a series; its kind is 0x18, its value type 0x20
_TYPE_OF_METRIC, _LABELS_OF_METRIC, _TYPE_OF_RESOURCE, _LABELS_OF_RESOURCE = 0x1A, 0x12, 0x0A, 0x12
_START, _END = 0x0A, 0x12  # of an interval, which is field 1 of a point; the value is field 2
_OPTIONS, _COUNTS = 0x32, 0x3A  # of a distribution; its count is 0x08
_EXPONENTIAL, _EXPLICIT = 0x12, 0x1A  # of the options

_pack_double = struct.Struct("<BBBd").pack
_moments = struct.Struct("<BdBd")


class Shape:
    """A metric with one set of label keys: what its descriptor has to have."""

    __slots__ = ("_bounds", "_options", "keys", "metric")

    def __init__(self, metric: Metric, keys: frozenset[str]) -> None:
        self.metric = metric
        self.keys = keys
        self._bounds: tuple[float, ...] | None = None
        self._options = b""

    def options(self, bounds: tuple[float, ...]) -> bytes:
        """The bucket options; nearly always the same ones again."""
        if bounds is not self._bounds:
            self._bounds, self._options = bounds, bucket_options(bounds)
        return self._options


class Encoding:
    """One series: what of it is encoded already.

    Attributes:
        shape: shared with the series that have the same metric and label keys.
        written_ns: end of the newest point that was sent.
        blocked_until: refused for good, not to be sent until then; the sink's monotonic clock.
    """

    __slots__ = (
        "_fixed",
        "_frame",
        "_frame_of",
        "_is_integer",
        "blocked_until",
        "shape",
        "written_ns",
    )

    def __init__(self, shape: Shape, fixed: bytes) -> None:
        self.shape = shape
        self.written_ns = 0
        self.blocked_until = 0.0
        self._fixed = fixed
        self._is_integer = shape.metric.value_type == "INT64"
        self._frame = b""
        self._frame_of: tuple[int | None, int, int] | None = None

    def encoded(self, point: Point, end: bytes) -> bytes:
        """The series with this point as a field of the request; ``end`` is the point's end time."""
        value = point.value
        if isinstance(value, Distribution):
            content = _distribution(value, self.shape.options(value.bounds))
        elif self._is_integer:
            content = message(0x12, b"\x10" + varint(int(value) & 0xFFFF_FFFF_FFFF_FFFF))
        else:
            content = _pack_double(0x12, 9, 0x19, value)
        frame_of = (point.start_unix_ns, len(end), len(content))
        if frame_of != self._frame_of:
            self._frame_of, self._frame = frame_of, self._framed(*frame_of)
        return b"".join((self._frame, end, content))

    def _framed(self, start_ns: int | None, end_size: int, content_size: int) -> bytes:
        """Everything before the end time, which depends on how long the rest is."""
        size = end_size + content_size
        start = b"" if start_ns is None else timestamp(_START, start_ns)
        interval = sized(0x0A, len(start) + end_size) + start
        before = self._fixed + sized(_POINTS, len(interval) + size) + interval
        return sized(_SERIES, len(before) + size) + before


Item = tuple[Series, Encoding, Point]


class Encoder:
    """Encodes the series of one process.

    Args:
        project: written to.
        prefix: metrics are ``custom.googleapis.com/<prefix>/<name>``.
        resource: labels of the monitored resource.
    """

    def __init__(self, project: str, prefix: str, resource: Mapping[str, str]) -> None:
        self._name = text(_NAME, f"projects/{project}")
        self._prefix = prefix
        labels = _labels(_LABELS_OF_RESOURCE, resource.items())
        self._resource = message(_RESOURCE, text(_TYPE_OF_RESOURCE, GENERIC_TASK) + labels)
        self._known: dict[tuple[str, Labels], Encoding] = {}
        self._shapes: dict[tuple[str, frozenset[str]], Shape] = {}
        self._end_ns = -1
        self._end = b""

    def encoding(self, series: Series) -> Encoding:
        """What is kept of a series, made when it is new."""
        kept = series.kept
        if kept is not None and kept.by is self:
            return kept.made
        found = self._known.get((series.metric.name, series.labels))
        if found is None:
            found = self._new(series)
        if kept is not None:
            kept.by, kept.made = self, found
        return found

    def forget_all_but(self, series: Sequence[Series]) -> None:
        """Let go of what is kept of other series, when that is much."""
        if len(self._known) > len(series) + MAX_GONE:
            self._known = {(one.metric.name, one.labels): self.encoding(one) for one in series}

    def request(self, items: Iterable[Item]) -> bytes:
        """The request that writes these points."""
        fields = [self._name]
        for _, encoding, point in items:
            if point.end_unix_ns != self._end_ns:
                self._end_ns, self._end = point.end_unix_ns, timestamp(_END, point.end_unix_ns)
            fields.append(encoding.encoded(point, self._end))
        return b"".join(fields)

    def _new(self, series: Series) -> Encoding:
        metric = series.metric
        keys = frozenset(key for key, _ in series.labels)
        shape = self._shapes.setdefault((metric.name, keys), Shape(metric, keys))
        described = text(_TYPE_OF_METRIC, metric_type(self._prefix, metric.name))
        described += _labels(_LABELS_OF_METRIC, series.labels)
        kind = bytes((0x18, KINDS[metric.kind], 0x20, TYPES[metric.value_type]))
        made = Encoding(shape, message(_METRIC, described) + self._resource + kind)
        self._known[metric.name, series.labels] = made
        return made


def timestamp(tag: int, unix_ns: int) -> bytes:
    """A ``Timestamp`` as a field, always of the same length, so that what is said before it stays right.

    The nanoseconds take five bytes, also where fewer would do; protobuf reads and shortens that.
    """
    seconds, nanos = divmod(unix_ns, SECOND_NS)
    four = (nanos >> shift & 0x7F | 0x80 for shift in (0, 7, 14, 21))
    return message(tag, b"\x08" + varint(seconds) + b"\x10" + bytes((*four, nanos >> 28)))


@lru_cache(maxsize=256)
def bucket_options(bounds: tuple[float, ...]) -> bytes:
    """The buckets of a distribution as a field of it."""
    finite = len(bounds) - 1
    if finite >= 2 and 0 < bounds[0] < bounds[-1]:
        growth = (bounds[-1] / bounds[0]) ** (1 / finite)
        computed = (bounds[0] * growth**step for step in range(finite + 1))
        if all(math.isclose(*pair, rel_tol=ROUNDED) for pair in zip(bounds, computed, strict=True)):
            grows = b"\x08" + varint(finite) + struct.pack("<BdBd", 0x11, growth, 0x19, bounds[0])
            return message(_OPTIONS, message(_EXPONENTIAL, grows))
    packed = struct.pack(f"<{len(bounds)}d", *bounds)
    return message(_OPTIONS, message(_EXPLICIT, message(0x0A, packed) if packed else b""))


def _distribution(value: Distribution, options: bytes) -> bytes:
    """The value of a point that is a distribution."""
    count = value.count
    if not count:
        return _before_distribution(len(options)) + options
    counts = (bytes(value.first) + _varints(value.filled)).rstrip(b"\0")
    number, before = varint(count), sized(_COUNTS, len(counts))
    size = 1 + len(number) + _moments.size + len(options) + len(before) + len(counts)
    moments = _moments.pack(0x11, value.sum / count, 0x19, value.sum_of_squared_deviation)
    return b"".join((_before_distribution(size), b"\x08", number, moments, options, before, counts))


@lru_cache(maxsize=4096)
def _before_distribution(size: int) -> bytes:
    content = sized(0x2A, size)
    return sized(0x12, len(content) + size) + content


def _varints(counts: tuple[int, ...]) -> bytes:
    """Trailing zeros may be left out then (google/api/distribution.proto): no other varint ends in one."""
    if max(counts) < 0x80:
        return bytes(counts)
    return b"".join([SMALL[count] if count < 0x80 else varint(count) for count in counts])


def _labels(tag: int, labels: Iterable[tuple[str, str]]) -> bytes:
    return b"".join(message(tag, text(0x0A, key) + text(0x12, value)) for key, value in labels)
