"""ListTimeSeries: which series a query names, what it makes of them, and how the answer is cut into pages.

A page holds whole series as long as they fit; only a series with more points than a page is split. Page
tokens name a place in the answer, so they hold for as long as the query stays the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..rpc_error import RpcError
from . import aggregation, names, pages, times
from .descriptors import Descriptors
from .distribution import Distribution
from .distribution import write as write_distribution
from .filters import compile_filter
from .messages import BOOL, DOUBLE, INT64, STRING, ListTimeSeriesResponse, set_ns, to_ns
from .series import SeriesStore, Value
from .streams import Source, Stream
from .subjects import series_field

MAX_PAGE = 100_000
FULL, HEADERS = 0, 1


def unknown_metric(metric_type: str) -> RpcError:
    return RpcError(
        "NOT_FOUND",
        f'Cannot find metric(s) that match type = "{names.short(metric_type)}". If a metric was created '
        "recently, it "
        "could take up to 10 minutes to become available. Please try again soon.",
    )


def list_time_series(request: Any, store: SeriesStore, descriptors: Descriptors) -> Any:
    """Answer a ListTimeSeriesRequest.

    Raises:
        RpcError: the query is wrong, or names a user-defined metric that does not exist.
    """
    if request.order_by:
        raise names.invalid("order_by", request.order_by, "Ordering is not supported; leave it empty.")
    if request.view not in {FULL, HEADERS}:
        raise names.invalid("view", str(request.view), "The view is unknown.")
    if request.page_size < 0:
        raise names.invalid("page_size", str(request.page_size), "It must not be negative.")
    if request.filter.lstrip().startswith("select_slo_"):
        raise RpcError("UNIMPLEMENTED", "Time series selectors (select_slo_...) are not emulated.")
    selector = compile_filter(request.filter, series_field)
    types = selector.pinned(("metric", "type"))
    if types is None or len(types) != 1:
        raise names.invalid("filter", request.filter, "The filter must specify a single metric type.")
    (metric_type,) = types
    after_ns, until_ns = _interval(request.interval)
    steps = _steps(request)
    entry = descriptors.get(metric_type)
    if entry is not None:
        aggregation.check(steps, (entry.message.metric_kind, entry.message.value_type))
    elif names.is_user_defined(metric_type):
        raise unknown_metric(metric_type)
    sources = [series for series in store.of_type(metric_type) if selector.matches(series)]
    streams = aggregation.apply(sources, steps, after_ns, until_ns)
    return _page(request, streams, entry.message.unit if entry is not None else "")


def _interval(interval: Any) -> tuple[int, int]:
    for field in ("start_time", "end_time"):
        stamp = getattr(interval, field)
        if not interval.HasField(field):
            raise names.invalid(f"interval.{field}", "", f"The {field.replace('_', ' ')} must be specified.")
        if not times.is_valid(stamp.seconds, stamp.nanos):
            raise names.invalid(
                f"interval.{field}", f"{stamp.seconds} s {stamp.nanos} ns", "It is not a valid time."
            )
    after_ns, until_ns = to_ns(interval.start_time), to_ns(interval.end_time)
    if after_ns >= until_ns:
        raise names.invalid(
            "interval.start_time",
            times.rfc3339(after_ns),
            f"The start time must be before the end time ({times.rfc3339(until_ns)}).",
        )
    return after_ns, until_ns


def _steps(request: Any) -> list[aggregation.Aggregation]:
    first = aggregation.read(request.aggregation, "aggregation")
    if not request.HasField("secondary_aggregation"):
        return [first]
    second = aggregation.read(request.secondary_aggregation, "secondaryAggregation")
    if first.aligner == "ALIGN_NONE" and second.aligner != "ALIGN_NONE":
        raise names.invalid(
            "secondaryAggregation", second.aligner, "It may only be specified if aggregation is specified."
        )
    return [first] if second.aligner == "ALIGN_NONE" else [first, second]


def _page(request: Any, streams: Sequence[Stream], unit: str) -> Any:
    size = min(request.page_size, MAX_PAGE) or MAX_PAGE
    mark = pages.fingerprint(request)
    index, skipped = pages.place(request.page_token, mark)
    response = ListTimeSeriesResponse(unit=unit)
    room = size
    while index < len(streams) and room > 0:
        stream = streams[index]
        left = max(0, len(stream.ends) - skipped)
        if request.view == HEADERS:
            fill_header(response.time_series.add(), stream, unit)
            taken, cost = left, 1
        elif left > room and room < size:
            break  # the series fits on the next page, or fills it
        else:
            taken = cost = min(left, room)
            fill_points(fill_header(response.time_series.add(), stream, unit), stream, skipped, taken)
        room -= cost
        index, skipped = (index + 1, 0) if taken == left else (index, skipped + taken)
    if index < len(streams):
        response.next_page_token = pages.token(mark, index, skipped)
    return response


def fill_header(message: Any, stream: Source, unit: str) -> Any:
    """Say in a TimeSeries what it is a series of."""
    message.metric.type = stream.metric_type
    message.metric.labels.update(stream.metric_labels)
    message.resource.type = stream.resource_type
    message.resource.labels.update(stream.resource_labels)
    message.metric_kind = stream.kind
    message.value_type = stream.value_type
    message.unit = unit
    return message


def fill_points(message: Any, stream: Source, skipped: int, count: int) -> Any:
    """Add ``count`` points to a TimeSeries, newest first."""
    newest = len(stream.ends) - 1 - skipped
    for at in range(newest, newest - count, -1):
        point = message.points.add()
        set_ns(point.interval.start_time, stream.starts[at])
        set_ns(point.interval.end_time, stream.ends[at])
        set_value(point.value, stream.value_type, stream.values[at])
    return message


def set_value(message: Any, value_type: int, value: Value) -> None:
    """Fill a TypedValue."""
    if isinstance(value, Distribution):
        write_distribution(value, message.distribution_value)
    elif value_type == BOOL:
        message.bool_value = value
    elif value_type == INT64:
        message.int64_value = min(max(int(value), -(2**63)), 2**63 - 1)
    elif value_type == DOUBLE:
        message.double_value = value
    elif value_type == STRING:
        message.string_value = value
