"""Every RPC of every emulated service, read from the installed official clients' own metadata.

The wheels carry no service descriptors (proto-plus builds messages only), but each ships a
``gapic_metadata.json`` with the wire names, and each transport property is annotated with the request and
response type. Mixins (IAM, locations) are annotated too but missing from the metadata, hence ``MIXINS``; that
nothing else is missing is proven by a test that records what the clients really call.
"""

from __future__ import annotations

import difflib
import functools
import importlib
import json
import sys
import typing
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from ..errors import UnknownNameError

CLIENT_PACKAGES = (
    "google.cloud.secretmanager_v1",
    "google.cloud.monitoring_v3",
    "google.cloud.monitoring_dashboard_v1",
    "google.cloud.billing.budgets_v1",
    "google.cloud.billing_v1",
    "google.cloud.recommender_v1",
    "google.pubsub_v1",
)

MIXINS = {
    "get_location": "google.cloud.location.Locations/GetLocation",
    "list_locations": "google.cloud.location.Locations/ListLocations",
    "get_iam_policy": "google.iam.v1.IAMPolicy/GetIamPolicy",
    "set_iam_policy": "google.iam.v1.IAMPolicy/SetIamPolicy",
    "test_iam_permissions": "google.iam.v1.IAMPolicy/TestIamPermissions",
}

# The annotations do not tell a stream from a single message.
STREAMING = frozenset({"google.pubsub.v1.Subscriber/StreamingPull"})

# No package on PyPI carries the types of Cloud Profiler: its methods take and return bytes.
PROFILER = (
    "google.devtools.cloudprofiler.v2.ProfilerService/CreateProfile",
    "google.devtools.cloudprofiler.v2.ProfilerService/CreateOfflineProfile",
    "google.devtools.cloudprofiler.v2.ProfilerService/UpdateProfile",
    "google.devtools.cloudprofiler.v2.ExportService/ListProfiles",
)

# OTLP's too: over gRPC and over HTTP.
OTLP = ("opentelemetry.proto.collector.metrics.v1.MetricsService/Export",)

# Served over REST only; named so that faults and call counts work for them too.
REST = ("google.monitoring.v3.AlertService/ListAlerts", "google.monitoring.v3.AlertService/GetAlert")


@dataclass(frozen=True, slots=True)
class Method:
    """One RPC. ``request`` and ``response`` are raw protobuf classes, ``None`` for plain bytes."""

    path: str  # "google.monitoring.v3.MetricService/CreateTimeSeries"
    request: type[Any] | None
    response: type[Any] | None
    is_streaming: bool = False

    @property
    def service(self) -> str:
        return self.path.partition("/")[0]

    @property
    def rpc(self) -> str:
        return self.path.partition("/")[2]


@functools.cache
def methods() -> Mapping[str, Method]:
    """All methods served over gRPC, by path without the leading slash."""
    table = {path: Method(path, None, None) for path in (*PROFILER, *OTLP)}
    for package in CLIENT_PACKAGES:
        table.update((method.path, method) for method in _of_package(package))
    return dict(sorted(table.items()))


def resolve(name: str, known: Iterable[str] | None = None) -> str:
    """The full path for ``name``: a path (a leading slash is fine) or an RPC name that is unique."""
    paths = list(known) if known is not None else [*methods(), *REST]
    wanted = name.removeprefix("/")
    if wanted in paths:
        return wanted
    same_rpc = [path for path in paths if path.endswith(f"/{wanted}")]
    if len(same_rpc) == 1:
        return same_rpc[0]
    near = same_rpc or _nearest(wanted, paths)
    raise UnknownNameError(
        f"no emulated service has a method {name!r}; write package.Service/Method. Nearest: {', '.join(near)}"
    )


def _nearest(wanted: str, paths: list[str]) -> list[str]:
    by_rpc = {path.rpartition("/")[2]: path for path in paths}
    rpcs = difflib.get_close_matches(wanted.rpartition("/")[2], by_rpc, n=3, cutoff=0.5)
    full = difflib.get_close_matches(wanted, paths, n=3, cutoff=0.0)
    return list(dict.fromkeys([*(by_rpc[rpc] for rpc in rpcs), *full]))[:3]


def _of_package(package: str) -> Iterator[Method]:
    metadata = json.loads(resources.files(package).joinpath("gapic_metadata.json").read_text("utf-8"))
    module = importlib.import_module(package)
    for service, clients in metadata["services"].items():
        transport = getattr(module, f"{service}Client").get_transport_class("grpc")
        wire_names = {
            info["methods"][0]: f"{metadata['protoPackage']}.{service}/{rpc}"
            for rpc, info in clients["clients"]["grpc"]["rpcs"].items()
        }
        for name, path in (MIXINS | wire_names).items():
            stub = getattr(transport, name, None)
            if stub is not None:
                yield _method(path, stub.fget, transport)


def _method(path: str, getter: Any, transport: type[Any]) -> Method:
    hints = typing.get_type_hints(getter, vars(sys.modules[transport.__module__]))
    (request,), response = typing.get_args(hints["return"])
    return Method(path, _raw(request), _raw(response), path in STREAMING)


def _raw(message_type: Any) -> type[Any]:
    """The protobuf class behind a proto-plus wrapper; raw classes as they are."""
    unwrap = getattr(message_type, "pb", None)
    raw: type[Any] = unwrap() if callable(unwrap) else message_type
    return raw
