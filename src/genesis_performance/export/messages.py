"""What is sent to Cloud Monitoring as protobuf messages, raw ones."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..errors import MissingDependencyError
from ..model.series import Metric
from .catalog import metric_type
from .cloud_encoding import KINDS, TYPES


def descriptor_request(project: str, prefix: str, metric: Metric, label_keys: Iterable[str]) -> Any:
    """A CreateMetricDescriptorRequest: the first that a process needs of Google's package.

    Raises:
        MissingDependencyError: it is not installed.
    """
    try:
        from google.cloud.monitoring_v3.types import CreateMetricDescriptorRequest
    except ImportError as error:
        raise MissingDependencyError(
            "Cloud Monitoring needs google-cloud-monitoring: pip install 'genesis-performance[gcp]'"
        ) from error

    request = CreateMetricDescriptorRequest.pb()(name=f"projects/{project}")
    described = request.metric_descriptor
    described.type = metric_type(prefix, metric.name)
    described.metric_kind = KINDS[metric.kind]
    described.value_type = TYPES[metric.value_type]
    described.unit = metric.unit
    described.description = metric.description
    described.display_name = metric.name
    for key in sorted(label_keys):
        described.labels.add(key=key)  # value_type 0 is STRING
    return request


_KIND_NAMES = {number: name for name, number in KINDS.items()} | {2: "DELTA"}
_TYPE_NAMES = {number: name for name, number in TYPES.items()} | {1: "BOOL", 4: "STRING"}


def kind_and_type(descriptor: Any) -> tuple[str, str]:
    """Metric kind and value type of a descriptor, in words."""
    kind, value_type = int(descriptor.metric_kind), int(descriptor.value_type)
    return _KIND_NAMES.get(kind, str(kind)), _TYPE_NAMES.get(value_type, str(value_type))
