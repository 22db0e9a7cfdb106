"""The messages of Cloud Profiler and of pprof, described here because no package on PyPI carries them.

Field names and numbers are those of ``google/devtools/cloudprofiler/v2/profiler.proto`` and of pprof's
``profile.proto``; only ``start_time``, newer than the description we have, has a number of our own, which
REST does not show. They live in a pool apart, so that an application's own stubs do not collide with them.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, duration_pb2, message_factory, timestamp_pb2

PROFILER = "google.devtools.cloudprofiler.v2"
PPROF = "perftools.profiles"
PROFILE_TYPES = (
    "PROFILE_TYPE_UNSPECIFIED",
    "CPU",
    "WALL",
    "HEAP",
    "THREADS",
    "CONTENTION",
    "PEAK_HEAP",
    "HEAP_ALLOC",
)

# name:number:type, with * for repeated; "map" is text to text.
_PROFILER_FIELDS = {
    "Deployment": "project_id:1:string target:2:string labels:3:map",
    "Profile": "name:1:string profile_type:2:.ProfileType deployment:3:Deployment "
    "duration:4:google.protobuf.Duration profile_bytes:5:bytes labels:6:map "
    "start_time:1000:google.protobuf.Timestamp",
    "ListProfilesRequest": "parent:1:string page_size:2:int32 page_token:3:string",
    "ListProfilesResponse": "profiles:1:Profile* next_page_token:2:string skipped_profiles:3:int32",
}
_PPROF_FIELDS = {
    "ValueType": "type:1:int64 unit:2:int64",
    "Label": "key:1:int64 str:2:int64 num:3:int64 num_unit:4:int64",
    "Sample": "location_id:1:uint64* value:2:int64* label:3:Label*",
    "Mapping": "id:1:uint64 memory_start:2:uint64 memory_limit:3:uint64 file_offset:4:uint64 "
    "filename:5:int64 build_id:6:int64",
    "Line": "function_id:1:uint64 line:2:int64",
    "Location": "id:1:uint64 mapping_id:2:uint64 address:3:uint64 line:4:Line*",
    "Function": "id:1:uint64 name:2:int64 system_name:3:int64 filename:4:int64 start_line:5:int64",
    "Profile": "sample_type:1:ValueType* sample:2:Sample* mapping:3:Mapping* location:4:Location* "
    "function:5:Function* string_table:6:string* drop_frames:7:int64 keep_frames:8:int64 "
    "time_nanos:9:int64 duration_nanos:10:int64 period_type:11:ValueType period:12:int64 "
    "comment:13:int64* default_sample_type:14:int64",
}
_Field = descriptor_pb2.FieldDescriptorProto


@functools.cache
def message(full_name: str) -> type[Any]:
    """The class of a message: ``message("perftools.profiles.Profile")``."""
    found: type[Any] = message_factory.GetMessageClass(_pool().FindMessageTypeByName(full_name))
    return found


@functools.cache
def _pool() -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    for known in (duration_pb2, timestamp_pb2):
        pool.AddSerializedFile(known.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(_file(PPROF, _PPROF_FIELDS).SerializeToString())
    file = _file(PROFILER, _PROFILER_FIELDS)
    file.dependency.extend((duration_pb2.DESCRIPTOR.name, timestamp_pb2.DESCRIPTOR.name))
    kinds = file.enum_type.add(name="ProfileType")
    for number, name in enumerate(PROFILE_TYPES):
        kinds.value.add(name=name, number=number)
    pool.AddSerializedFile(file.SerializeToString())
    return pool


def _file(package: str, messages: Mapping[str, str]) -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
    for name, fields in messages.items():
        described = file.message_type.add(name=name)
        for text in fields.split():
            _add(described, package, *text.split(":"))
    return file


def _add(described: descriptor_pb2.DescriptorProto, package: str, name: str, number: str, kind: str) -> None:
    field = described.field.add(name=name, number=int(number), label=_Field.LABEL_OPTIONAL)
    if kind.endswith("*") or kind == "map":
        field.label = _Field.LABEL_REPEATED
    kind = kind.removesuffix("*")
    if kind == "map":
        entry = described.nested_type.add(name=f"{name.capitalize()}Entry")
        entry.options.map_entry = True
        for part, place in (("key", 1), ("value", 2)):
            entry.field.add(name=part, number=place, label=_Field.LABEL_OPTIONAL, type=_Field.TYPE_STRING)
        field.type, field.type_name = _Field.TYPE_MESSAGE, f".{package}.{described.name}.{entry.name}"
    elif kind.startswith("."):
        field.type, field.type_name = _Field.TYPE_ENUM, f".{package}{kind}"
    elif kind[0].isupper() or "." in kind:
        field.type, field.type_name = _Field.TYPE_MESSAGE, f".{kind if '.' in kind else f'{package}.{kind}'}"
    else:
        field.type = _Field.Type.Value(f"TYPE_{kind.upper()}")
