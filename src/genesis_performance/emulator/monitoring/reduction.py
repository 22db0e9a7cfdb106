"""Reducers: aligned series of one group become one series.

A group is the series with the same resource type and the same values of the group_by fields; the labels
that are not among those fields are dropped, except the project. At each time only the series that have a
value there count.

Source: the documentation of ``Aggregation.Reducer``. The kind that comes out is not documented there: SUM,
MIN, MAX and COUNT leave it, MEAN and percentiles make it GAUGE.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from .alignment import Shape, mean, quantile_among, quantile_of, total
from .filters import FilterError, as_path
from .messages import (
    BOOL,
    DELTA,
    DISTRIBUTION,
    DOUBLE,
    GAUGE,
    INT64,
    NUMERIC,
    STRING,
    Aggregation,
)
from .names import invalid
from .series import Value
from .streams import Stream
from .subjects import SeriesLike, group_value

REDUCER_NAMES: dict[int, str] = {number: name for name, number in Aggregation.Reducer.items()}
IMPLEMENTED = (
    "REDUCE_NONE",
    "REDUCE_SUM",
    "REDUCE_MEAN",
    "REDUCE_MIN",
    "REDUCE_MAX",
    "REDUCE_COUNT",
    "REDUCE_PERCENTILE_99",
    "REDUCE_PERCENTILE_95",
    "REDUCE_PERCENTILE_50",
    "REDUCE_PERCENTILE_05",
)

GroupField = Callable[[SeriesLike], tuple[str, str, str] | None]


def output_shape(reducer: str, kind: int, value_type: int) -> Shape | None:
    """What a reducer makes of aligned series, or ``None`` where it can not be applied."""
    if reducer == "REDUCE_NONE":
        return kind, value_type
    if kind not in {GAUGE, DELTA}:
        return None
    if reducer == "REDUCE_COUNT":
        return (kind, INT64) if value_type in {*NUMERIC, BOOL, DISTRIBUTION, STRING} else None
    if reducer == "REDUCE_SUM":
        return (kind, value_type) if value_type in {*NUMERIC, DISTRIBUTION} else None
    if reducer in {"REDUCE_MIN", "REDUCE_MAX"}:
        return (kind, value_type) if value_type in NUMERIC else None
    return (GAUGE, DOUBLE) if value_type in {*NUMERIC, DISTRIBUTION} else None


def group_fields(fields: Iterable[str], place: str) -> tuple[GroupField, ...]:
    """The getters of group_by fields.

    Raises:
        RpcError: one of them is no field of a series.
    """
    getters = []
    for text in fields:
        try:
            getters.append(group_value(as_path(text)))
        except FilterError as error:
            raise invalid(f"{place}.groupByFields", text, str(error)) from error
    return tuple(getters)


def reduce_streams(streams: Iterable[Stream], reducer: str, fields: Sequence[GroupField]) -> list[Stream]:
    """One stream for each group, or the streams themselves for REDUCE_NONE."""
    if reducer == "REDUCE_NONE":
        return list(streams)
    groups: dict[tuple[object, ...], list[Stream]] = {}
    for stream in streams:
        key = (stream.resource_type, *(field(stream) for field in fields))
        groups.setdefault(key, []).append(stream)
    return [_reduce(members, reducer, fields) for members in groups.values()]


def _reduce(members: list[Stream], reducer: str, fields: Sequence[GroupField]) -> Stream:
    first = members[0]
    shape = output_shape(reducer, first.kind, first.value_type)
    if shape is None:
        raise AssertionError("the query was checked against the metric's descriptor")
    kept: dict[str, dict[str, str]] = {"metric": {}, "resource": {}}
    for field in fields:
        found = field(first)
        if found is not None:
            part, key, label = found
            kept[part][key] = label
    if "project_id" in first.resource_labels:
        kept["resource"]["project_id"] = first.resource_labels["project_id"]
    result = Stream(first.metric_type, kept["metric"], first.resource_type, kept["resource"], *shape)
    combine = _COMBINE.get(reducer) or _percentile(reducer)
    at: dict[int, list[Value]] = {}
    starts: dict[int, int] = {}
    for member in members:
        for start_ns, end_ns, value in zip(member.starts, member.ends, member.values, strict=True):
            at.setdefault(end_ns, []).append(value)
            starts[end_ns] = start_ns
    for end_ns in sorted(at):
        combined = combine(at[end_ns])
        if combined is not None:
            result.add(starts[end_ns] if shape[0] == DELTA else end_ns, end_ns, combined)
    return result


def _percentile(reducer: str) -> Callable[[Sequence[Value]], Value | None]:
    q = quantile_of(reducer)
    assert q is not None
    quantile = q
    return lambda values: quantile_among(values, quantile)


_COMBINE: dict[str, Callable[[Sequence[Value]], Value | None]] = {
    "REDUCE_SUM": total,
    "REDUCE_MEAN": mean,
    "REDUCE_MIN": lambda values: min(value for value in values if isinstance(value, int | float)),
    "REDUCE_MAX": lambda values: max(value for value in values if isinstance(value, int | float)),
    "REDUCE_COUNT": len,
}
