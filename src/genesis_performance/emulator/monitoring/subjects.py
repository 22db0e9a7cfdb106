"""What a filter over time series, metric descriptors or monitored resources may name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from .filters import FilterError, Path


class SeriesLike(Protocol):
    """What a series selector looks at."""

    @property
    def metric_type(self) -> str: ...
    @property
    def resource_type(self) -> str: ...

    metric_labels: dict[str, str]
    resource_labels: dict[str, str]


def series_field(path: Path) -> Callable[[SeriesLike], object]:
    """The getter of a field of a time series.

    Raises:
        FilterError: series have no such field.
    """
    fixed = _SERIES_FIELDS.get(tuple(_PLURAL.get(part, part) for part in path))
    if fixed is not None:
        return fixed
    match path:
        case ("metric", ("label" | "labels"), key):
            return lambda series: series.metric_labels.get(key)
        case ("resource", ("label" | "labels"), key):
            return lambda series: series.resource_labels.get(key)
        case ("metadata", ("system_labels" | "user_labels"), _):
            return lambda series: None  # the emulator keeps no metadata of resources
    raise _unknown(path)


_PLURAL = {"label": "labels"}
_SERIES_FIELDS: dict[Path, Callable[[SeriesLike], object]] = {
    ("metric", "type"): lambda series: series.metric_type,
    ("resource", "type"): lambda series: series.resource_type,
    ("metric", "labels"): lambda series: series.metric_labels,
    ("resource", "labels"): lambda series: series.resource_labels,
    ("project",): lambda series: series.resource_labels.get("project_id"),
    ("project", "id"): lambda series: series.resource_labels.get("project_id"),
}


def descriptor_field(path: Path) -> Callable[[Any], object]:
    """The getter of a field of a metric descriptor.

    Raises:
        FilterError: descriptors have no such field.
    """
    match path:
        case ("metric", "type"):
            return lambda descriptor: descriptor.type
        case ("metric", ("label" | "labels")):
            return lambda descriptor: [label.key for label in descriptor.labels]
        case ("project",) | ("project", "id"):
            return lambda descriptor: descriptor.name.split("/")[1]
    raise _unknown(path)


def resource_field(path: Path) -> Callable[[Any], object]:
    """The getter of a field of a monitored resource descriptor.

    Raises:
        FilterError: they have no such field.
    """
    match path:
        case ("resource", "type"):
            return lambda descriptor: descriptor.type
        case ("resource", ("label" | "labels")):
            return lambda descriptor: [label.key for label in descriptor.labels]
    raise _unknown(path)


def group_value(path: Path) -> Callable[[SeriesLike], tuple[str, str, str] | None]:
    """What a group_by field adds to a group: ``(part, label key, value)``, or ``None`` for a type.

    Raises:
        FilterError: series can not be grouped by it.
    """

    def of(part: str, key: str, labels: Callable[[SeriesLike], Mapping[str, str]]) -> Any:
        return lambda series: (part, key, labels(series).get(key, ""))

    match path:
        case ("metric", ("label" | "labels"), key):
            return of("metric", key, lambda series: series.metric_labels)
        case ("resource", ("label" | "labels"), key):
            return of("resource", key, lambda series: series.resource_labels)
        case ("project",) | ("resource", "project_id"):
            return of("resource", "project_id", lambda series: series.resource_labels)
        case ("resource" | "metric", "type"):
            return lambda series: None  # a series' types are always kept
        case ("metadata", ("system_labels" | "user_labels"), _):
            return lambda series: None
    raise _unknown(path)


def _unknown(path: Path) -> FilterError:
    return FilterError(f"The field '{'.'.join(path)[:80]}' is not supported here.")
