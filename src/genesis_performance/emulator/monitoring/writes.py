"""CreateTimeSeries: every point is judged for itself, good ones are stored, and the rest is summed up.

The whole call is refused only for more than 200 series. Otherwise the points that hold are written, and
when one does not, the call ends with INVALID_ARGUMENT (RESOURCE_EXHAUSTED where all that failed did so for a
quota) and a ``CreateTimeSeriesSummary``; retrying such a call as it is writes the good points a second time
(and is refused for that).
"""

from __future__ import annotations

import math
from typing import Any

from ..rpc_error import RpcError
from . import names, resources, times
from .descriptors import Descriptors, combination_problem
from .distribution import DistributionError
from .distribution import read as read_distribution
from .messages import (
    BOOL,
    DISTRIBUTION,
    DOUBLE,
    GAUGE,
    INT64,
    KIND_NAMES,
    STRING,
    TYPE_NAMES,
    CreateTimeSeriesSummary,
)
from .series import SECOND_NS, Identity, Series, SeriesStore, Value, WriteError, resource_text

MAX_SERIES = 200
PAST_NS = 25 * 3600 * SECOND_NS
FUTURE_NS = 5 * 60 * SECOND_NS
MAX_MESSAGE_BYTES = 1500  # travels twice in trailers of 8 KiB, once with three bytes for one

_VALUE_TYPES = {
    "double_value": DOUBLE,
    "int64_value": INT64,
    "distribution_value": DISTRIBUTION,
    "bool_value": BOOL,
    "string_value": STRING,
}
_INVALID, _EXHAUSTED = 3, 8


class Writer:
    """Writes into the series and descriptors of one project."""

    def __init__(self, project: str, store: SeriesStore, descriptors: Descriptors) -> None:
        self._project = project
        self._store = store
        self._descriptors = descriptors

    def write(self, written: Any, now_ns: int) -> None:
        """Store the points of one call.

        Raises:
            RpcError: at least one was refused; the others are stored.
        """
        if not written:
            raise RpcError("INVALID_ARGUMENT", "Field timeSeries had an invalid value: It must not be empty.")
        if len(written) > MAX_SERIES:
            raise RpcError(
                "INVALID_ARGUMENT",
                "Field timeSeries had an invalid value: A maximum of 200 TimeSeries can be written in a "
                "single "
                "request.",
            )
        failures: list[tuple[int, WriteError, Identity | None]] = []
        seen: set[Identity] = set()
        for index, item in enumerate(written):
            identity: Identity | None = None
            try:
                key = (
                    item.metric.SerializeToString(deterministic=True),
                    item.resource.SerializeToString(deterministic=True),
                )
                series = self._store.alias(key)
                identity = series.identity if series is not None else self._identity(index, item)
                if identity in seen:
                    raise WriteError(
                        _INVALID,
                        f"Field timeSeries[{index}] had an invalid value: Duplicate TimeSeries "
                        "encountered. Only one "
                        "point can be written per TimeSeries per request.",
                    )
                seen.add(identity)
                self._write_one(index, item, series, identity=identity, key=key, now_ns=now_ns)
            except WriteError as error:
                failures.append((index, error, identity))
        if failures:
            raise _refusal(written, failures)

    def _identity(self, index: int, item: Any) -> Identity:
        metric, resource = item.metric, item.resource
        problem = names.metric_type_problem(metric.type)
        if problem is not None:
            raise _field(index, "metric.type", metric.type, problem)
        broken = names.labels_problem(metric.labels)
        if broken is not None:
            raise _field(index, f"metric.labels[{names.short(broken[0], 120)}]", "", broken[1])
        problem = resources.problem(resource.type, resource.labels)
        if problem is not None:
            raise WriteError(_INVALID, names.short(problem))
        labels = dict(resource.labels)
        labels["project_id"] = self._project
        return Identity(
            metric.type,
            tuple(sorted(metric.labels.items())),
            resource.type,
            tuple(sorted(labels.items())),
        )

    def _write_one(
        self,
        index: int,
        item: Any,
        series: Series | None,
        *,
        identity: Identity,
        key: tuple[bytes, bytes],
        now_ns: int,
    ) -> None:
        if len(item.points) != 1:
            raise WriteError(
                _INVALID,
                f"Field timeSeries[{index}].points had an invalid value: Only one point can be written "
                "per TimeSeries "
                f"per request, and there are {len(item.points)}.",
            )
        known = series or self._store.find(identity)
        target = known or self._new_series(index, item, identity)
        _check_shape(index, item, target)
        start_ns, end_ns = _interval(index, item.points[0].interval, target, now_ns)
        value = _value(index, item.points[0].value)
        if known is None:
            self._descriptors.for_write(target, item, now_ns)
            self._store.add(target, now_ns)
        target.append(start_ns, end_ns, value, now_ns)
        if series is None:
            self._store.remember(key, target)
        versions = self._store.versions
        versions[identity.metric_type] = versions.get(identity.metric_type, 0) + 1

    def _new_series(self, index: int, item: Any, identity: Identity) -> Series:
        entry = self._descriptors.get(identity.metric_type)
        if entry is not None:
            return Series(identity, entry.message.metric_kind, entry.message.value_type)
        value_type = _VALUE_TYPES.get(item.points[0].value.WhichOneof("value"), 0)
        kind = item.metric_kind or GAUGE
        if kind not in KIND_NAMES:
            raise _field(index, "metricKind", str(kind), "The metric kind is unknown.")
        problem = combination_problem(identity.metric_type, kind, value_type)
        if problem is not None:
            raise _field(index, "valueType", TYPE_NAMES[value_type], problem)
        return Series(identity, kind, value_type)


def _interval(index: int, interval: Any, series: Series, now_ns: int) -> tuple[int, int]:
    field = "points[0].interval"
    for name in ("start_time", "end_time"):
        stamp = getattr(interval, name)
        if not times.is_valid(stamp.seconds, stamp.nanos):
            raise _field(
                index, f"{field}.{name}", f"{stamp.seconds} s {stamp.nanos} ns", "It is not a valid time."
            )
    end = interval.end_time
    end_ns = end.seconds * SECOND_NS + end.nanos
    if not interval.HasField("end_time"):
        raise _field(index, f"{field}.end_time", "", "The end time must be specified.")
    if end_ns < now_ns - PAST_NS:
        raise _field(
            index,
            f"{field}.end_time",
            times.rfc3339(end_ns),
            "Data points cannot be written more than approximately 24 hours in the past, specifically no "
            "more than "
            f"25h in the past. Your data point is {times.span(now_ns - end_ns)} before the present time, "
            "which is "
            "too far in the past.",
        )
    if end_ns > now_ns + FUTURE_NS:
        raise _field(
            index,
            f"{field}.end_time",
            times.rfc3339(end_ns),
            "Data points cannot be written more than 5 minutes in the future. Your data point is "
            f"{times.span(end_ns - now_ns)} after the present time, which is too far in the future.",
        )
    if not interval.HasField("start_time"):
        start_ns = end_ns
    else:
        start_ns = interval.start_time.seconds * SECOND_NS + interval.start_time.nanos
    if series.kind == GAUGE:
        if start_ns != end_ns:
            raise _field(
                index,
                f"{field}.start_time",
                times.rfc3339(start_ns),
                f"The start time must be equal to the end time ({times.rfc3339(end_ns)}) for the gauge "
                "metric "
                f"'{series.metric_type}'.",
            )
    elif start_ns >= end_ns:
        raise _field(
            index,
            f"{field}.start_time",
            times.rfc3339(start_ns),
            f"The start time must be before the end time ({times.rfc3339(end_ns)}) for the non-gauge metric "
            f"'{series.metric_type}'.",
        )
    elif start_ns < 0:
        raise _field(index, f"{field}.start_time", times.rfc3339(start_ns), "It is before the year 1970.")
    return start_ns, end_ns


def _check_shape(index: int, item: Any, series: Series) -> None:
    which = item.points[0].value.WhichOneof("value")
    if which is None:
        raise _field(index, "points[0].value", "", "A value must be specified.")
    value_type = _VALUE_TYPES[which]
    if item.value_type not in {0, value_type}:
        raise _field(
            index,
            "valueType",
            TYPE_NAMES.get(item.value_type, str(item.value_type)),
            f"The value type must be the same as the type of the point ({TYPE_NAMES[value_type]}).",
        )
    if value_type != series.value_type:
        raise WriteError(
            _INVALID,
            f"Value type for metric {series.metric_type} must be {TYPE_NAMES[series.value_type]}, but is "
            f"{TYPE_NAMES[value_type]}.",
        )
    if item.metric_kind not in {0, series.kind}:
        raise WriteError(
            _INVALID,
            f"Metric kind for metric {series.metric_type} must be {KIND_NAMES[series.kind]}, but is "
            f"{KIND_NAMES.get(item.metric_kind, str(item.metric_kind))}.",
        )


def _value(index: int, value: Any) -> Value:
    which = value.WhichOneof("value")
    if which == "distribution_value":
        try:
            return read_distribution(value.distribution_value)
        except DistributionError as error:
            raise _field(index, "points[0].value.distributionValue", "", str(error)) from error
    content: Value = getattr(value, which)
    if isinstance(content, float) and not math.isfinite(content):
        raise _field(index, "points[0].value.doubleValue", str(content), "The value must be finite.")
    return content


def _field(index: int, path: str, value: str, reason: str) -> WriteError:
    shown = f' of "{names.short(value)}"' if value else ""
    return WriteError(_INVALID, f"Field timeSeries[{index}].{path} had an invalid value{shown}: {reason}")


def _refusal(written: Any, failures: list[tuple[int, WriteError, Identity | None]]) -> RpcError:
    groups: dict[tuple[str, ...], list[tuple[int, WriteError, Identity | None]]] = {}
    codes: dict[int, int] = {}
    for index, error, identity in failures:
        codes[error.code] = codes.get(error.code, 0) + len(written[index].points)
        if error.by_storage and identity is not None:
            group: tuple[str, ...] = (error.text.partition(" {Metric:")[0], resource_text(identity))
        else:
            group = (error.text,)
        groups.setdefault(group, []).append((index, error, identity))
    parts: list[str] = []
    room = MAX_MESSAGE_BYTES
    for members in groups.values():
        part = _describe(members)
        size = len(part.encode("utf-8"))
        if parts and size > room:
            parts.append(f"and {len(groups) - len(parts)} more kinds of error.")
            break
        room -= size
        parts.append(part)
    total = sum(len(item.points) for item in written)
    summary = CreateTimeSeriesSummary(
        total_point_count=total, success_point_count=total - sum(codes.values())
    )
    for code, count in codes.items():
        failed = summary.errors.add(point_count=count)
        failed.status.code = code
    return RpcError(
        "RESOURCE_EXHAUSTED" if set(codes) == {_EXHAUSTED} else "INVALID_ARGUMENT",
        f"One or more TimeSeries could not be written: {'; '.join(parts)}",
        [summary],
    )


def _describe(members: list[tuple[int, WriteError, Identity | None]]) -> str:
    places = f"timeSeries[{ranges([index for index, _, _ in members])}]"
    _, error, identity = members[0]
    if not error.by_storage or identity is None:
        return f"{error.text}: {places}"
    labels = ", ".join(f'"{key}": "{value}"' for key, value in identity.metric_labels)
    return (
        f'{places} (example metric.type="{identity.metric_type}", metric.labels={{{names.short(labels)}}}): '
        f"write for resource={names.short(resource_text(identity))} failed with: {error.text}"
    )


def ranges(indices: list[int]) -> str:
    """``0-2,5``: runs of three or more are shortened."""
    runs: list[list[int]] = []
    for index in indices:
        if runs and index == runs[-1][-1] + 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    return ",".join(
        f"{run[0]}-{run[-1]}" if len(run) > 2 else ",".join(str(index) for index in run) for run in runs
    )
