"""The messages of OTLP metrics, described here so that no OpenTelemetry package is needed.

Field names and numbers are those of opentelemetry-proto 1.11.0. Every field is optional, so that it tells
whether it was there, as the alternatives of a data point do. They live in a pool apart, so that an
application's own stubs do not collide with them.
"""

from __future__ import annotations

import functools
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PACKAGE = "opentelemetry.genesis"

_FIELDS = {
    "AnyValue": "string_value:1:string bool_value:2:bool int_value:3:int64 double_value:4:double "
    "array_value:5:ArrayValue kvlist_value:6:KeyValueList bytes_value:7:bytes",
    "ArrayValue": "values:1:AnyValue*",
    "KeyValueList": "values:1:KeyValue*",
    "KeyValue": "key:1:string value:2:AnyValue",
    "Resource": "attributes:1:KeyValue* dropped_attributes_count:2:uint32",
    "InstrumentationScope": "name:1:string version:2:string attributes:3:KeyValue*",
    "Exemplar": "time_unix_nano:2:fixed64 as_double:3:double as_int:6:sfixed64 "
    "filtered_attributes:7:KeyValue* span_id:4:bytes trace_id:5:bytes",
    "NumberDataPoint": "attributes:7:KeyValue* start_time_unix_nano:2:fixed64 time_unix_nano:3:fixed64 "
    "as_double:4:double as_int:6:sfixed64 exemplars:5:Exemplar* flags:8:uint32",
    "HistogramDataPoint": "attributes:9:KeyValue* start_time_unix_nano:2:fixed64 time_unix_nano:3:fixed64 "
    "count:4:fixed64 sum:5:double bucket_counts:6:fixed64* explicit_bounds:7:double* "
    "exemplars:8:Exemplar* flags:10:uint32 min:11:double max:12:double",
    "Buckets": "offset:1:sint32 bucket_counts:2:uint64*",
    "ExponentialHistogramDataPoint": "attributes:1:KeyValue* start_time_unix_nano:2:fixed64 "
    "time_unix_nano:3:fixed64 count:4:fixed64 sum:5:double scale:6:sint32 zero_count:7:fixed64 "
    "positive:8:Buckets negative:9:Buckets flags:10:uint32 exemplars:11:Exemplar* min:12:double "
    "max:13:double zero_threshold:14:double",
    "ValueAtQuantile": "quantile:1:double value:2:double",
    "SummaryDataPoint": "attributes:7:KeyValue* start_time_unix_nano:2:fixed64 time_unix_nano:3:fixed64 "
    "count:4:fixed64 sum:5:double quantile_values:6:ValueAtQuantile* flags:8:uint32",
    "Gauge": "data_points:1:NumberDataPoint*",
    "Sum": "data_points:1:NumberDataPoint* aggregation_temporality:2:Temporality is_monotonic:3:bool",
    "Histogram": "data_points:1:HistogramDataPoint* aggregation_temporality:2:Temporality",
    "ExponentialHistogram": "data_points:1:ExponentialHistogramDataPoint* "
    "aggregation_temporality:2:Temporality",
    "Summary": "data_points:1:SummaryDataPoint*",
    "Metric": "name:1:string description:2:string unit:3:string gauge:5:Gauge sum:7:Sum "
    "histogram:9:Histogram exponential_histogram:10:ExponentialHistogram summary:11:Summary "
    "metadata:12:KeyValue*",
    "ScopeMetrics": "scope:1:InstrumentationScope metrics:2:Metric* schema_url:3:string",
    "ResourceMetrics": "resource:1:Resource scope_metrics:2:ScopeMetrics* schema_url:3:string",
    "ExportMetricsServiceRequest": "resource_metrics:1:ResourceMetrics*",
    "ExportMetricsPartialSuccess": "rejected_data_points:1:int64 error_message:2:string",
    "ExportMetricsServiceResponse": "partial_success:1:ExportMetricsPartialSuccess",
}
_TEMPORALITIES = ("UNSPECIFIED", "DELTA", "CUMULATIVE")
_Field = descriptor_pb2.FieldDescriptorProto


@functools.cache
def message(name: str) -> type[Any]:
    """The class of a message: ``message("ExportMetricsServiceRequest")``."""
    found: type[Any] = message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"{PACKAGE}.{name}"))
    return found


@functools.cache
def _pool() -> descriptor_pool.DescriptorPool:
    file = descriptor_pb2.FileDescriptorProto(name="otlp_metrics.proto", package=PACKAGE, syntax="proto3")
    kinds = file.enum_type.add(name="Temporality")
    for number, name in enumerate(_TEMPORALITIES):
        kinds.value.add(name=f"AGGREGATION_TEMPORALITY_{name}", number=number)
    for name, fields in _FIELDS.items():
        described = file.message_type.add(name=name)
        for text in fields.split():
            _add(described, *text.split(":"))
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return pool


def _add(described: descriptor_pb2.DescriptorProto, name: str, number: str, kind: str) -> None:
    is_list = kind.endswith("*")
    kind = kind.removesuffix("*")
    field = described.field.add(
        name=name,
        number=int(number),
        label=_Field.LABEL_REPEATED if is_list else _Field.LABEL_OPTIONAL,
    )
    if kind == "Temporality":
        field.type, field.type_name = _Field.TYPE_ENUM, f".{PACKAGE}.{kind}"
    elif kind in _FIELDS:
        field.type, field.type_name = _Field.TYPE_MESSAGE, f".{PACKAGE}.{kind}"
    else:
        field.type = _Field.Type.Value(f"TYPE_{kind.upper()}")
    if not is_list and field.type != _Field.TYPE_MESSAGE:
        field.proto3_optional, field.oneof_index = True, len(described.oneof_decl)
        described.oneof_decl.add(name=f"_{name}")
