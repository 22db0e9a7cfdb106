"""Requests and their parts, with what a test does not care about filled in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from google.cloud.monitoring_v3 import types

TYPE = "custom.googleapis.com/genesis/latency"
PROJECT = "projects/demo"
TimeSeries: Any = types.TimeSeries.pb()
KINDS = {"GAUGE": 1, "DELTA": 2, "CUMULATIVE": 3}


def timestamp(message: Any, at_s: float) -> None:
    message.seconds, message.nanos = divmod(round(at_s * 1e9), 1_000_000_000)


def series(
    value: Any,
    end_s: float,
    *,
    start_s: float | None = None,
    metric: str = TYPE,
    labels: Mapping[str, str] | None = None,
    resource: str = "global",
    resource_labels: Mapping[str, str] | None = None,
    kind: str | None = None,
) -> Any:
    """One time series with one point; the kind follows from the start time."""
    message = TimeSeries()
    message.metric.type = metric
    message.metric.labels.update(labels or {})
    message.resource.type = resource
    message.resource.labels.update(resource_labels or {})
    message.metric_kind = KINDS[kind or ("GAUGE" if start_s is None else "CUMULATIVE")]
    point = message.points.add()
    timestamp(point.interval.end_time, end_s)
    if start_s is not None:
        timestamp(point.interval.start_time, start_s)
    set_value(point.value, value)
    return message


def set_value(message: Any, value: Any) -> None:
    if isinstance(value, bool):
        message.bool_value = value
    elif isinstance(value, int):
        message.int64_value = value
    elif isinstance(value, float):
        message.double_value = value
    elif isinstance(value, str):
        message.string_value = value
    else:
        message.distribution_value.CopyFrom(value)


def value_of(message: Any) -> Any:
    which = message.WhichOneof("value")
    return getattr(message, which) if which else None


def distribution(counts: Sequence[int], bounds: Sequence[float] = (1.0, 2.0, 4.0), mean: float = 1.5) -> Any:
    message = types.TypedValue.pb()().distribution_value.__class__()
    message.count = sum(counts)
    message.mean = mean if message.count else 0.0
    message.bucket_options.explicit_buckets.bounds.extend(bounds)
    message.bucket_counts.extend(counts)
    return message


def create(items: Iterable[Any], project: str = PROJECT) -> Any:
    return types.CreateTimeSeriesRequest.pb()(name=project, time_series=items)


def query(
    after_s: float,
    until_s: float,
    *,
    where: str = f'metric.type = "{TYPE}"',
    aligner: str = "ALIGN_NONE",
    period_s: int = 0,
    reducer: str = "REDUCE_NONE",
    group_by: Sequence[str] = (),
    second: Mapping[str, Any] | None = None,
    **fields: Any,
) -> Any:
    """A ListTimeSeriesRequest."""
    request = types.ListTimeSeriesRequest.pb()(name=PROJECT, filter=where, **fields)
    timestamp(request.interval.start_time, after_s)
    timestamp(request.interval.end_time, until_s)
    set_aggregation(request.aggregation, aligner, period_s, reducer, group_by)
    if second is not None:
        set_aggregation(request.secondary_aggregation, **second)
    return request


def set_aggregation(
    message: Any, aligner: str, period_s: int = 0, reducer: str = "REDUCE_NONE", group_by: Sequence[str] = ()
) -> None:
    names = type(message)
    if aligner != "ALIGN_NONE":
        message.per_series_aligner = names.Aligner.Value(aligner)
    if period_s:
        message.alignment_period.seconds = period_s
    if reducer != "REDUCE_NONE":
        message.cross_series_reducer = names.Reducer.Value(reducer)
    message.group_by_fields.extend(group_by)


def points_of(item: Any) -> list[Any]:
    """Values, newest first."""
    return [value_of(point.value) for point in item.points]


AlertPolicy: Any = types.AlertPolicy.pb()
RESOURCE = 'resource.type = "global"'
WHERE = f'metric.type = "{TYPE}" AND {RESOURCE}'


def threshold(
    condition: Any,
    *,
    where: str = WHERE,
    above: float | None = None,
    below: float | None = None,
    duration_s: int = 0,
    missing: int = 0,
    **aggregation: Any,
) -> Any:
    """Make ``condition`` a threshold condition; without a limit it is "above 100"."""
    spec = condition.condition_threshold
    spec.filter = where
    spec.comparison = 3 if below is not None else 1
    spec.threshold_value = below if below is not None else 100.0 if above is None else above
    spec.duration.seconds = duration_s
    spec.evaluation_missing_data = missing
    if aggregation.get("aligner", "ALIGN_MEAN") is not None:
        set_aggregation(spec.aggregations.add(), **{"aligner": "ALIGN_MEAN", "period_s": 60, **aggregation})
    return spec


def policy(**fields: Any) -> Any:
    """A policy with one threshold condition; ``fields`` are those of ``threshold``."""
    message = AlertPolicy(display_name="Slow", combiner=2)
    threshold(message.conditions.add(), **fields)
    return message


def create_policy(message: Any, project: str = PROJECT) -> Any:
    return types.CreateAlertPolicyRequest.pb()(name=project, alert_policy=message)


def update_policy(message: Any, *paths: str) -> Any:
    request = types.UpdateAlertPolicyRequest.pb()(alert_policy=message)
    request.update_mask.paths.extend(paths)
    return request
