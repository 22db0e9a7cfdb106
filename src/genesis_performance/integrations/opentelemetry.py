"""For an application that already has OpenTelemetry: its server spans become operations, its metrics ours.

::

    tracer_provider.add_span_processor(SpanOperations())
    MeterProvider(metric_readers=[metric_reader(monitor)])

Alerts, incidents and recommendations then work without a second instrumentation. A span of kind SERVER or
CONSUMER is one execution; an HTTP one is called as our own middleware calls it (``GET /orders/{id}``, from
``http.route``), others by the span's name. A request that our middleware records too is counted once.

A span that is not sampled is not seen: with a sampling ratio counts are those of the sampled requests.

Source: https://opentelemetry.io/docs/specs/semconv/http/http-spans/
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any, Protocol

from ..errors import MissingDependencyError
from ..operations import Recorder, current_operation, recorders, register
from .asgi import METHODS, OTHER_METHOD, UNMATCHED

log = logging.getLogger(__name__)

KINDS = frozenset({"SERVER", "CONSUMER"})
HTTP_DURATION = "http.server.request.duration"
RESPONSE_TIME = "response_time"
"""The recorded metric that response time alerts look at beside operations, in ms."""

MAX_ERROR_TYPES = 100
MAX_HANDLES = 10_000

_NOT_IN_A_KEY = re.compile(r"[^A-Za-z0-9_]")


class SpanOperations:
    """A span processor that records server and consumer spans as operations of this process.

    Args:
        max_operations: names kept apart; later ones go to ``__other__``.

    Attributes:
        failures: faults of our own, logged once.
    """

    def __init__(self, *, max_operations: int = 200) -> None:
        self._clock = _Replay()
        self.recorder = Recorder(cpu="never", max_operations=max_operations, clock_ns=self._clock)
        self._errors: dict[str, type[Exception]] = {}
        self.failures = 0
        register(self.recorder)

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        """Nothing: the name is known at the end."""

    def on_end(self, span: Any) -> None:
        """Record a finished span; never raises."""
        try:
            self._record(span)
        except Exception:
            self.failures += 1
            if self.failures == 1:
                log.warning("spans can not be recorded; later failures are only counted", exc_info=True)

    def _on_ending(self, span: Any) -> None:
        """The SDK calls this too."""

    def shutdown(self) -> None:
        """Nothing to let go of."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing waits here."""
        return True

    def _record(self, span: Any) -> None:
        if span.kind.name not in KINDS or not span.start_time or not span.end_time:
            return
        attributes: Mapping[str, Any] = span.attributes or {}
        name = operation_name(attributes) or span.name
        if self._is_recorded_otherwise(name):
            return
        clock = self._clock
        clock.now_ns = span.start_time
        with self.recorder.operation(name) as execution:
            error = _error(span, attributes)
            if error:
                execution.fail(self._error_type(error))
            clock.now_ns = max(span.end_time, span.start_time)

    def _is_recorded_otherwise(self, name: str) -> bool:
        """Our own middleware sees the same request: around this one, or as an operation of this name."""
        around = current_operation()
        if around is not None and around.partition(" ")[0] == name.partition(" ")[0] in _VERBS:
            return True
        return any(name in other._admitted for other in recorders() if other is not self.recorder)

    def _error_type(self, name: str) -> type[Exception]:
        """A class of this name: the recorder counts errors by class."""
        found = self._errors.get(name)
        if found is None:
            if len(self._errors) >= MAX_ERROR_TYPES:
                name = "other"
            found = self._errors[name] = type(name, (Exception,), {})
        return found


def operation_name(attributes: Mapping[str, Any]) -> str:
    """``GET /orders/{id}`` of an HTTP span; ``""`` for any other."""
    method = attributes.get("http.request.method") or attributes.get("http.method")
    if not method:
        return ""
    route = str(attributes.get("http.route") or "")
    if route and not route.startswith("/"):
        route = f"/{route}"  # Django's routes begin without one
    verb = method if method in METHODS else OTHER_METHOD
    return f"{verb} {route or UNMATCHED}"


class Monitor(Protocol):
    """What is needed of a ``PerformanceMonitor``."""

    def distribution(
        self, name: str, labels: Mapping[str, str] | None = None, *, unit: str | None = None
    ) -> Any: ...
    def counter(
        self, name: str, labels: Mapping[str, str] | None = None, *, unit: str | None = None
    ) -> Any: ...
    def gauge(
        self, name: str, labels: Mapping[str, str] | None = None, *, unit: str | None = None
    ) -> Any: ...


def metric_reader(
    monitor: Monitor,
    *,
    interval_s: float = 60.0,
    wanted: Callable[[str], bool] | None = None,
    response_times: bool = False,
) -> Any:
    """A metric reader that records the application's OpenTelemetry metrics in ``monitor``.

    The monitor sends what it records. Where the application's own exporter sends the same metrics, choose
    with ``wanted``, or give the monitor the sink ``memory``, so that nobody pays twice.

    Args:
        wanted: which metrics, by name; all by default.
        response_times: record ``http.server.request.duration`` as response times of the operations, for
            alerts of an application that has metrics and no spans.

    Raises:
        MissingDependencyError: OpenTelemetry's SDK is not installed.
    """
    try:
        export = import_module("opentelemetry.sdk.metrics.export")
        sdk = import_module("opentelemetry.sdk.metrics")
    except ImportError as error:
        raise MissingDependencyError(
            "the bridge needs OpenTelemetry's SDK, which the application has: pip install opentelemetry-sdk"
        ) from error
    delta, cumulative = export.AggregationTemporality.DELTA, export.AggregationTemporality.CUMULATIVE
    temporality = {
        sdk.Counter: delta,
        sdk.Histogram: delta,
        sdk.ObservableCounter: delta,
        sdk.UpDownCounter: cumulative,
        sdk.ObservableUpDownCounter: cumulative,
    }
    feed = MetricFeed(
        monitor, wanted=wanted, response_times=response_times, success=export.MetricExportResult.SUCCESS
    )
    feed._preferred_temporality = temporality
    return export.PeriodicExportingMetricReader(feed, export_interval_millis=interval_s * 1000)


class MetricFeed:
    """A metric exporter that records what it is given, as it came since the last time.

    A histogram's values are recorded one by one, all at the same place within their buckets, so that count
    and sum are exact; its quantiles are as good as its buckets.

    Args:
        success: what ``export`` answers.
    """

    def __init__(
        self,
        monitor: Monitor,
        *,
        wanted: Callable[[str], bool] | None = None,
        response_times: bool = False,
        success: Any = None,
    ) -> None:
        self._monitor = monitor
        self._wanted = wanted
        self._response_times = response_times
        self._success = success
        self._handles: dict[tuple[str, str, tuple[tuple[str, str], ...]], Any] = {}
        self._preferred_temporality: Any = {}
        self._preferred_aggregation: Any = {}
        self.failures = 0

    def export(self, metrics_data: Any, timeout_millis: float = 10_000, **_: Any) -> Any:
        """Record every data point; never raises."""
        for metric in _metrics(metrics_data):
            if self._wanted is not None and not self._wanted(metric.name):
                continue
            try:
                for point in metric.data.data_points:
                    self._take(metric, point)
            except Exception:
                self.failures += 1
                if self.failures == 1:
                    log.warning("metric %s can not be taken over", metric.name, exc_info=True)
        return self._success

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Nothing waits here."""
        return True

    def shutdown(self, timeout_millis: float = 30_000, **_: Any) -> None:
        """Nothing to let go of: the monitor is the host's."""

    def _take(self, metric: Any, point: Any) -> None:
        attributes: Mapping[str, Any] = point.attributes or {}
        if hasattr(point, "bucket_counts") or hasattr(point, "positive"):
            name, scale, unit = metric.name, 1.0, metric.unit
            labels = _labels(attributes)
            if self._response_times and name == HTTP_DURATION:
                name, scale, unit = RESPONSE_TIME, 1000.0, "ms"
                labels = {"operation": operation_name(attributes)}
            record = self._handle("distribution", name, labels, unit).record
            for value, count in values(point):
                for _ in range(count):
                    record(value * scale)
        elif getattr(metric.data, "is_monotonic", False):
            self._handle("counter", metric.name, _labels(attributes), metric.unit).add(point.value)
        else:
            self._handle("gauge", metric.name, _labels(attributes), metric.unit).set(point.value)

    def _handle(self, kind: str, name: str, labels: Mapping[str, str], unit: str | None) -> Any:
        key = (kind, name, tuple(sorted(labels.items())))
        found = self._handles.get(key)
        if found is None:
            if len(self._handles) >= MAX_HANDLES:
                self._handles.clear()
            found = self._handles[key] = getattr(self._monitor, kind)(name, labels, unit=unit or None)
        return found


def values(point: Any) -> Iterator[tuple[float, int]]:
    """Values that stand for a histogram's, and how many of each; count and sum are the histogram's own.

    Every value lies at the same share of its bucket, the one that makes the sum right. Where the buckets can
    not give that sum, the nearest that they can.
    """
    buckets = list(_exponential(point) if hasattr(point, "positive") else _explicit(point))
    least = sum(low * count for low, _, count in buckets)
    room = sum((high - low) * count for low, high, count in buckets)
    share = min(max((point.sum - least) / room, 0.0), 1.0) if room else 0.0
    for low, high, count in buckets:
        yield low + (high - low) * share, count


def _explicit(point: Any) -> Iterator[tuple[float, float, int]]:
    """Low, high and count of each bucket that is not empty."""
    bounds: Sequence[float] = point.explicit_bounds
    if not bounds:
        mean = point.sum / point.count if point.count else 0.0
        yield mean, mean, point.count
        return
    least, most = _edge(point.min, min(0.0, bounds[0])), _edge(point.max, bounds[-1])
    edges = (min(least, bounds[0]), *bounds, max(most, bounds[-1]))
    for index, count in enumerate(point.bucket_counts):
        if count:
            yield max(edges[index], least), max(min(edges[index + 1], most), edges[index]), count


def _edge(known: float | None, otherwise: float) -> float:
    """The least or greatest value, where the SDK knows it: without any it says infinity."""
    return otherwise if known is None or known in (float("inf"), float("-inf")) else known


def _exponential(point: Any) -> Iterator[tuple[float, float, int]]:
    growth = 2.0 ** (2.0**-point.scale)
    if point.zero_count:
        yield 0.0, 0.0, point.zero_count
    for sign, side in ((1.0, point.positive), (-1.0, point.negative)):
        for index, count in enumerate(side.bucket_counts):
            if count:
                near, far = (sign * growth ** (side.offset + index + step) for step in (0, 1))
                yield min(near, far), max(near, far), count


class _Replay:
    """A clock that says what it was told in this thread: spans come when they are over."""

    def __init__(self) -> None:
        self._here = threading.local()

    def __call__(self) -> int:
        return getattr(self._here, "now_ns", 0)

    @property
    def now_ns(self) -> int:
        return self()

    @now_ns.setter
    def now_ns(self, value: int) -> None:
        self._here.now_ns = value


_VERBS = METHODS | {OTHER_METHOD}


def _error(span: Any, attributes: Mapping[str, Any]) -> str:
    """What a failed span failed with; ``""`` for one that did not."""
    status = attributes.get("http.response.status_code") or attributes.get("http.status_code") or 0
    is_error = span.status.status_code.name == "ERROR" or (isinstance(status, int) and status >= 500)
    if not is_error:
        return ""
    for event in span.events or ():
        if event.name == "exception":
            return str((event.attributes or {}).get("exception.type") or "exception")
    return str(attributes.get("error.type") or status or "error")


def _metrics(metrics_data: Any) -> Iterator[Any]:
    for resource in metrics_data.resource_metrics:
        for scope in resource.scope_metrics:
            yield from scope.metrics


def _labels(attributes: Mapping[str, Any]) -> dict[str, str]:
    """Attributes as labels: Cloud Monitoring takes no dots in a key."""
    return {_NOT_IN_A_KEY.sub("_", key): str(value) for key, value in attributes.items()}
