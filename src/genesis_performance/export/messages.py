"""Series as protobuf messages of Cloud Monitoring, raw ones: proto-plus takes five times as long."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..model.series import Distribution, Metric, Point, Series
from .catalog import metric_type
from .resource import GENERIC_TASK

SECOND_NS = 1_000_000_000


def create_request(
    project: str, prefix: str, resource: Mapping[str, str], batch: Iterable[tuple[Series, Point]]
) -> Any:
    """A CreateTimeSeriesRequest with one point a series."""
    from google.cloud.monitoring_v3.types import CreateTimeSeriesRequest

    request = CreateTimeSeriesRequest.pb()(name=f"projects/{project}")
    for series, point in batch:
        written = request.time_series.add()
        written.metric.type = metric_type(prefix, series.metric.name)
        written.metric.labels.update(series.labels)
        written.resource.type = GENERIC_TASK
        written.resource.labels.update(resource)
        # The enums' numbers are those of google/api/metric.proto.
        written.metric_kind = _KINDS[series.metric.kind]
        written.value_type = _TYPES[series.metric.value_type]
        _fill(written.points.add(), point, series.metric)
    return request


def descriptor_request(project: str, prefix: str, metric: Metric, label_keys: Iterable[str]) -> Any:
    """A CreateMetricDescriptorRequest."""
    from google.cloud.monitoring_v3.types import CreateMetricDescriptorRequest

    request = CreateMetricDescriptorRequest.pb()(name=f"projects/{project}")
    described = request.metric_descriptor
    described.type = metric_type(prefix, metric.name)
    described.metric_kind = _KINDS[metric.kind]
    described.value_type = _TYPES[metric.value_type]
    described.unit = metric.unit
    described.description = metric.description
    described.display_name = metric.name
    for key in sorted(label_keys):
        described.labels.add(key=key)  # value_type 0 is STRING
    return request


_KINDS = {"GAUGE": 1, "CUMULATIVE": 3}
_TYPES = {"INT64": 2, "DOUBLE": 3, "DISTRIBUTION": 5}
_KIND_NAMES = {number: name for name, number in _KINDS.items()} | {2: "DELTA"}
_TYPE_NAMES = {number: name for name, number in _TYPES.items()} | {1: "BOOL", 4: "STRING"}


def kind_and_type(descriptor: Any) -> tuple[str, str]:
    """Metric kind and value type of a descriptor, in words."""
    kind, value_type = int(descriptor.metric_kind), int(descriptor.value_type)
    return _KIND_NAMES.get(kind, str(kind)), _TYPE_NAMES.get(value_type, str(value_type))


def _fill(written: Any, point: Point, metric: Metric) -> None:
    interval = written.interval
    interval.end_time.seconds, interval.end_time.nanos = divmod(point.end_unix_ns, SECOND_NS)
    if point.start_unix_ns is not None:
        interval.start_time.seconds, interval.start_time.nanos = divmod(point.start_unix_ns, SECOND_NS)
    value = point.value
    if isinstance(value, Distribution):
        _fill_distribution(written.value.distribution_value, value)
    elif metric.value_type == "INT64":
        written.value.int64_value = int(value)
    else:
        written.value.double_value = value


def _fill_distribution(written: Any, value: Distribution) -> None:
    count = value.count
    written.count = count
    written.bucket_options.explicit_buckets.bounds.extend(value.bounds)
    if not count:
        return
    written.mean = value.sum / count
    written.sum_of_squared_deviation = value.sum_of_squared_deviation
    last = len(value.counts)
    while last and not value.counts[last - 1]:
        last -= 1  # trailing zeros may be left out (google/api/distribution.proto)
    written.bucket_counts.extend(value.counts[:last])
