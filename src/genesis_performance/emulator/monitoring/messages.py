"""The raw protobuf classes that the emulated Cloud Monitoring reads and writes.

Raw classes, never proto-plus wrappers: the wrappers cost several times as much for each field.
"""

from __future__ import annotations

from typing import Any

from google.api import distribution_pb2, metric_pb2, monitored_resource_pb2
from google.cloud.monitoring_v3 import types
from google.protobuf import empty_pb2, timestamp_pb2

Aggregation: Any = types.Aggregation.pb()
AlertPolicy: Any = types.AlertPolicy.pb()
ComparisonType: Any = types.ComparisonType
Condition: Any = types.AlertPolicy.Condition.pb()
CreateTimeSeriesRequest: Any = types.CreateTimeSeriesRequest.pb()
CreateTimeSeriesSummary: Any = types.CreateTimeSeriesSummary.pb()
ListAlertPoliciesResponse: Any = types.ListAlertPoliciesResponse.pb()
ListMetricDescriptorsResponse: Any = types.ListMetricDescriptorsResponse.pb()
ListMonitoredResourceDescriptorsResponse: Any = types.ListMonitoredResourceDescriptorsResponse.pb()
ListTimeSeriesResponse: Any = types.ListTimeSeriesResponse.pb()
MutationRecord: Any = types.MutationRecord.pb()
Point: Any = types.Point.pb()
TimeSeries: Any = types.TimeSeries.pb()
TypedValue: Any = types.TypedValue.pb()

Distribution: Any = distribution_pb2.Distribution
Empty: Any = empty_pb2.Empty
MetricDescriptor: Any = metric_pb2.MetricDescriptor
MonitoredResourceDescriptor: Any = monitored_resource_pb2.MonitoredResourceDescriptor
Timestamp: Any = timestamp_pb2.Timestamp

GAUGE: int = MetricDescriptor.GAUGE
DELTA: int = MetricDescriptor.DELTA
CUMULATIVE: int = MetricDescriptor.CUMULATIVE

BOOL: int = MetricDescriptor.BOOL
INT64: int = MetricDescriptor.INT64
DOUBLE: int = MetricDescriptor.DOUBLE
STRING: int = MetricDescriptor.STRING
DISTRIBUTION: int = MetricDescriptor.DISTRIBUTION

KIND_NAMES: dict[int, str] = {number: name for name, number in MetricDescriptor.MetricKind.items()}
TYPE_NAMES: dict[int, str] = {number: name for name, number in MetricDescriptor.ValueType.items()}

NUMERIC = (INT64, DOUBLE)


def to_ns(timestamp: Any) -> int:
    return int(timestamp.seconds) * 1_000_000_000 + int(timestamp.nanos)


def set_ns(timestamp: Any, time_ns: int) -> None:
    timestamp.seconds, timestamp.nanos = divmod(time_ns, 1_000_000_000)
