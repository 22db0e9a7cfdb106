"""Attributes as labels, and the resource of an export as the labels of ``prometheus_target``.

Source: https://docs.cloud.google.com/stackdriver/docs/reference/telemetry/v1.metrics
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ..monitoring import names

PROMETHEUS_TARGET = "prometheus_target"
PROJECT_ATTRIBUTE = "gcp.project_id"
IDENTIFYING = frozenset({"service.name", "service.namespace", "service.instance.id"})

LABEL_KEY = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.]*")
_PLATFORMS = {"gcp_compute_engine": "__gce__", "gcp_cloud_run": "__run__"}


def texts(attributes: Iterable[Any]) -> dict[str, str]:
    """Attributes with their values as text; those without a value are left out."""
    found = {pair.key: text(pair.value) for pair in attributes}
    return {key: value for key, value in found.items() if value}


def text(value: Any) -> str:
    """An AnyValue as a label value."""
    plain = _plain(value)
    return plain if isinstance(plain, str) else json.dumps(plain)


def _plain(value: Any) -> Any:
    if value.HasField("array_value"):
        return [_plain(each) for each in value.array_value.values]
    if value.HasField("kvlist_value"):
        return {pair.key: _plain(pair.value) for pair in value.kvlist_value.values}
    if value.HasField("bytes_value"):
        return base64.b64encode(value.bytes_value).decode("ascii")
    for name in ("string_value", "bool_value", "int_value", "double_value"):
        if value.HasField(name):
            return getattr(value, name)
    return ""


def target_labels(attributes: Mapping[str, str]) -> tuple[dict[str, str], str | None]:
    """The labels of ``prometheus_target``, and why points of this resource are refused, or ``None``."""
    labels = {
        "location": _first(attributes, "location", "cloud.availability_zone", "cloud.region"),
        "cluster": _first(attributes, "cluster", "k8s.cluster.name")
        or _PLATFORMS.get(attributes.get("cloud.platform", ""), ""),
        "namespace": _first(attributes, "namespace", "k8s.namespace.name", "service.namespace"),
        "job": _job(attributes),
        "instance": _instance(attributes),
    }
    for key in ("location", "instance"):
        if not labels[key]:
            return labels, f"the resource has no attribute for the label {key} of {PROMETHEUS_TARGET}"
    too_long = [key for key, value in labels.items() if len(value) > names.MAX_LABEL_VALUE_CHARS]
    if too_long:
        return labels, f"the label {too_long[0]} of {PROMETHEUS_TARGET} is longer than 1024 characters"
    return labels, None


def information(attributes: Mapping[str, str]) -> dict[str, str]:
    """Labels of ``target_info``: what does not identify the resource."""
    return {
        key: value[: names.MAX_LABEL_VALUE_CHARS]
        for key, value in attributes.items()
        if key not in IDENTIFYING and LABEL_KEY.fullmatch(key)
    }


def _first(attributes: Mapping[str, str], *keys: str) -> str:
    return next((attributes[key] for key in keys if attributes.get(key)), "")


def _job(attributes: Mapping[str, str]) -> str:
    if attributes.get("job"):
        return attributes["job"]
    service, namespace = attributes.get("service.name", ""), attributes.get("service.namespace", "")
    fallback = _first(attributes, "faas.name", "k8s.deployment.name", "k8s.container.name")
    if service.startswith("unknown_service") and fallback:
        return fallback
    if service:
        return f"{namespace}/{service}" if namespace else service
    return fallback


def _instance(attributes: Mapping[str, str]) -> str:
    found = _first(attributes, "instance", "service.instance.id", "faas.instance")
    if found:
        return found
    pod, container = attributes.get("k8s.pod.name", ""), attributes.get("k8s.container.name", "")
    if pod and container:
        return f"{pod}:{container}"
    return pod or attributes.get("host.id", "")
