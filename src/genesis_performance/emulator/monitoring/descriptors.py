"""Metric descriptors of one project: creating, updating, creating by a first write, deleting.

Sources: REST reference of metricDescriptors.create (an existing one is updated, labels are never removed),
quotas, "Value types and metric kinds" (what a kind may hold; custom.googleapis.com takes neither DELTA nor
STRING).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..rpc_error import RpcError
from . import names
from .messages import (
    BOOL,
    CUMULATIVE,
    DELTA,
    DISTRIBUTION,
    GAUGE,
    KIND_NAMES,
    STRING,
    TYPE_NAMES,
    MetricDescriptor,
)
from .series import Limits, Series, WriteError

AUTO_DESCRIPTION = "Auto-created custom metric."
_STRING_LABEL, _BOOL_LABEL, _INT64_LABEL = 0, 1, 2


@dataclass(slots=True)
class Entry:
    """A stored descriptor."""

    message: Any
    keys: set[str]  # of its labels
    created_ns: int


class Descriptors:
    """The metric descriptors of one project, by metric type."""

    def __init__(self, project: str, limits: Limits) -> None:
        self._project = project
        self._limits = limits
        self._entries: dict[str, Entry] = {}

    def get(self, metric_type: str) -> Entry | None:
        return self._entries.get(metric_type)

    def restore(self, message: Any, created_ns: int) -> None:
        """Take in a descriptor that was checked when it was created."""
        self._entries[message.type] = Entry(message, {label.key for label in message.labels}, created_ns)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def create(self, wanted: Any, now_ns: int) -> Any:
        """Create a descriptor, or update the one of that type.

        Raises:
            RpcError: a documented rule is broken, or the kind or value type would change.
        """
        self._check(wanted)
        entry = self._entries.get(wanted.type)
        if entry is None:
            self._check_quota(wanted.type)
            entry = self._entries[wanted.type] = Entry(
                MetricDescriptor(), {label.key for label in wanted.labels}, now_ns
            )
            entry.message.CopyFrom(wanted)
            entry.message.name = f"projects/{self._project}/metricDescriptors/{wanted.type}"
            return entry.message
        self._check_unchanged(entry.message, wanted)
        added = [label for label in wanted.labels if label.key not in entry.keys]
        if len(entry.keys) + len(added) > names.label_limit(wanted.type):
            raise _creation("labels", wanted.type, _too_many(wanted.type))
        for label in entry.message.labels:
            for given in wanted.labels:
                if given.key == label.key:
                    label.CopyFrom(given)
        for label in added:
            entry.message.labels.add().CopyFrom(label)
            entry.keys.add(label.key)
        for field in ("unit", "description", "display_name", "launch_stage"):
            setattr(entry.message, field, getattr(wanted, field))
        if wanted.HasField("metadata"):
            entry.message.metadata.CopyFrom(wanted.metadata)
        return entry.message

    def _check(self, wanted: Any) -> None:
        problem = names.metric_type_problem(wanted.type)
        if problem is not None:
            raise names.invalid("metricDescriptor.type", wanted.type, problem)
        kind = KIND_NAMES.get(wanted.metric_kind, str(wanted.metric_kind))
        value_type = TYPE_NAMES.get(wanted.value_type, str(wanted.value_type))
        if wanted.metric_kind not in {GAUGE, DELTA, CUMULATIVE}:
            raise names.invalid("metricDescriptor.metricKind", kind, "The metric kind must be specified.")
        if not BOOL <= wanted.value_type <= DISTRIBUTION:
            raise names.invalid("metricDescriptor.valueType", value_type, "The value type is not supported.")
        reason = combination_problem(wanted.type, wanted.metric_kind, wanted.value_type)
        if reason is not None:
            raise names.invalid("metricDescriptor.valueType", value_type, reason)
        if len(wanted.labels) > names.label_limit(wanted.type):
            raise _creation("labels", wanted.type, _too_many(wanted.type))
        seen: set[str] = set()
        for index, label in enumerate(wanted.labels):
            key_problem = names.label_key_problem(label.key)
            if key_problem is None and label.key in seen:
                key_problem = "The label key occurs twice."
            if key_problem is not None:
                raise names.invalid(f"labels[{index}].key", label.key, key_problem)
            seen.add(label.key)
            _check_label_type(wanted.type, index, label.value_type)

    def _check_unchanged(self, held: Any, wanted: Any) -> None:
        if held.metric_kind != wanted.metric_kind:
            raise _creation(
                "metricKind",
                wanted.type,
                f"Metric kind for metric {wanted.type} conflicts with the existing metric kind "
                f"({KIND_NAMES[held.metric_kind]}).",
            )
        if held.value_type != wanted.value_type:
            raise _creation(
                "valueType",
                wanted.type,
                f"Value type for metric {wanted.type} conflicts with the existing value type "
                f"({TYPE_NAMES[held.value_type]}).",
            )

    def _check_quota(self, metric_type: str) -> None:
        custom = metric_type.startswith("custom.googleapis.com/")
        limit = self._limits.custom_descriptors if custom else self._limits.other_descriptors
        held = sum(1 for name in self._entries if name.startswith("custom.googleapis.com/") == custom)
        if held >= limit:
            raise RpcError(
                "RESOURCE_EXHAUSTED",
                "Your metric descriptor quota has been exhausted: Limit for "
                f"{names.domain_of(metric_type)}/ is {limit}.",
            )

    def for_write(self, series: Series, source: Any, now_ns: int) -> None:
        """Make sure that the descriptor of a written series exists and has its labels.

        Raises:
            WriteError: it would need more descriptors or labels than a project may have.
        """
        metric_type = series.metric_type
        entry = self._entries.get(metric_type)
        if entry is None:
            if series.value_type == STRING or series.kind == DELTA:
                raise WriteError(
                    3,
                    f"The descriptor of metric {metric_type} can not be created automatically: its kind "
                    "must be "
                    "GAUGE or CUMULATIVE and its value type BOOL, INT64, DOUBLE or DISTRIBUTION.",
                )
            try:
                self._check_quota(metric_type)
            except RpcError as error:
                raise WriteError(8, error.message) from error
            message = MetricDescriptor(
                name=f"projects/{self._project}/metricDescriptors/{metric_type}",
                type=metric_type,
                metric_kind=series.kind,
                value_type=series.value_type,
                unit=source.unit,
                description=source.description or AUTO_DESCRIPTION,
            )
            entry = Entry(message, set(), now_ns)
        added = [key for key in series.metric_labels if key not in entry.keys]
        limit = names.label_limit(metric_type)
        if len(entry.keys) + len(added) > limit:
            raise WriteError(
                3, f"The new labels would cause the metric {metric_type} to have over {limit} labels."
            )
        for key in added:
            entry.message.labels.add(key=key)
            entry.keys.add(key)
        if source.unit and not entry.message.unit:
            entry.message.unit = source.unit
        self._entries[metric_type] = entry

    def delete(self, metric_type: str) -> None:
        """Remove a user-defined descriptor.

        Raises:
            RpcError: it is not user-defined, or there is none.
        """
        if not names.is_user_defined(metric_type):
            raise names.invalid("name", metric_type, "Only user-defined metric descriptors can be deleted.")
        if self._entries.pop(metric_type, None) is None:
            raise unknown(metric_type)


def unknown(metric_type: str) -> RpcError:
    return RpcError("NOT_FOUND", f"Could not find descriptor for metric '{names.short(metric_type)}'.")


def combination_problem(metric_type: str, kind: int, value_type: int) -> str | None:
    """Why a kind can not hold a value type, or ``None``."""
    if value_type in {BOOL, STRING} and kind != GAUGE:
        return f"The value type {TYPE_NAMES[value_type]} is only valid for metrics of kind GAUGE."
    if names.domain_of(metric_type) == "custom.googleapis.com" and (kind == DELTA or value_type == STRING):
        return (
            f"The combination of metric kind {KIND_NAMES[kind]} and value type {TYPE_NAMES[value_type]} "
            "is not "
            "supported for custom.googleapis.com metrics."
        )
    return None


def _check_label_type(metric_type: str, index: int, value_type: int) -> None:
    domain = names.domain_of(metric_type)
    if value_type == _STRING_LABEL:
        return
    if domain == "custom.googleapis.com" and value_type in {_BOOL_LABEL, _INT64_LABEL}:
        return
    shown = {_BOOL_LABEL: "BOOL", _INT64_LABEL: "INT64"}.get(value_type, str(value_type))
    raise names.invalid(
        f"labels[{index}].valueType",
        shown,
        f"Metric labels for this user-defined metric are required to be of type 'STRING': {domain}",
    )


def _too_many(metric_type: str) -> str:
    return f"the metric has more than {names.label_limit(metric_type)} labels."


def _creation(field: str, metric_type: str, reason: str) -> RpcError:
    return RpcError(
        "INVALID_ARGUMENT",
        f"Field {field} had an invalid value: When creating metric {metric_type}: {reason}",
    )
