"""The metrics of Google's Telemetry API: OTLP in, time series of ``prometheus_target`` out.

Each data point is judged for itself. What is refused is counted in ``partial_success`` of an answer that is a
success otherwise, which is how the real service loses the points of clients that do not look.

Source: https://docs.cloud.google.com/stackdriver/docs/reference/telemetry/v1.metrics.post; the rules with
their sources stand in ``otlp_rules.py``
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from google.protobuf import json_format
from google.protobuf.message import DecodeError

from ..cloud import Cloud
from ..monitoring import names, times
from ..monitoring.distribution import Distribution
from ..monitoring.messages import (
    DELTA,
    DOUBLE,
    GAUGE,
    KIND_NAMES,
    TYPE_NAMES,
    MetricDescriptor,
)
from ..monitoring.metric_service import MetricService, Project
from ..monitoring.resources import problem as resource_problem
from ..monitoring.series import MIN_SPACING_NS, Identity, Series, WriteError
from ..monitoring.writes import FUTURE_NS, PAST_NS
from ..rpc_error import RpcError
from .otlp_messages import message
from .otlp_points import RefusedError, Written, data_points, written
from .otlp_resources import (
    LABEL_KEY,
    PROJECT_ATTRIBUTE,
    PROMETHEUS_TARGET,
    information,
    target_labels,
    texts,
)

DOMAIN = "prometheus.googleapis.com"
OTHER_DOMAINS = ("workload.googleapis.com/", "custom.googleapis.com/")
NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_:./]*")
MAX_POINTS = MAX_RESOURCES = 200  # in one request
MAX_REASONS = 5  # in one error message

_Request = message("ExportMetricsServiceRequest")
_Response = message("ExportMetricsServiceResponse")


class _Source(NamedTuple):
    """What a descriptor takes from a written series."""

    unit: str
    description: str


class _Place(NamedTuple):
    """Where the points of one resource are stored."""

    project: Project
    labels: tuple[tuple[str, str], ...]  # of prometheus_target
    scope: Mapping[str, str]


class MetricsService:
    """opentelemetry.proto.collector.metrics.v1.MetricsService.

    Attributes:
        ingested: points and samples that were stored, as they are billed, and points that were rejected.
    """

    SERVICE = "opentelemetry.proto.collector.metrics.v1.MetricsService"

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self.ingested: Counter[str] = Counter(points=0, samples=0, rejected=0)

    def Export(self, request: bytes, context: Any = None) -> bytes:
        """The method over gRPC, and over HTTP with a protobuf body."""
        try:
            given = _Request.FromString(request)
        except DecodeError:
            raise RpcError("INVALID_ARGUMENT", "The body is no ExportMetricsServiceRequest.") from None
        content: bytes = self._export(given).SerializeToString()
        return content

    def export_json(self, request: bytes) -> bytes:
        """The method over HTTP with a JSON body."""
        if not request.lstrip().startswith(b"{"):
            raise RpcError("INVALID_ARGUMENT", "Invalid JSON payload received. It must be an object.")
        try:
            given = json_format.Parse(request, _Request(), ignore_unknown_fields=True)
        except (json_format.ParseError, UnicodeDecodeError, RecursionError) as error:
            raise RpcError("INVALID_ARGUMENT", f"Invalid JSON payload received. {str(error)[:500]}") from None
        return json_format.MessageToJson(self._export(given), indent=None).encode()

    def _export(self, request: Any) -> Any:
        _check_size(request)
        reasons: Counter[str] = Counter()
        resources = [(each, texts(each.resource.attributes)) for each in request.resource_metrics]
        for _, attributes in resources:
            project = attributes.get(PROJECT_ATTRIBUTE, "")
            if not project:
                raise RpcError(
                    "INVALID_ARGUMENT", f"The resource attribute {PROJECT_ATTRIBUTE} must be specified."
                )
            names.project_of(f"projects/{project}", PROJECT_ATTRIBUTE)
        for each, attributes in resources:
            self._take(each, attributes, reasons)
        answer = _Response()
        if reasons:
            rejected = sum(reasons.values())
            self.ingested["rejected"] += rejected
            answer.partial_success.rejected_data_points = rejected
            answer.partial_success.error_message = _described(reasons)
        return answer

    def _take(self, given: Any, attributes: Mapping[str, str], reasons: Counter[str]) -> None:
        """Store the points of one resource."""
        project_id = attributes[PROJECT_ATTRIBUTE]
        labels, problem = target_labels(attributes)
        labels["project_id"] = project_id
        problem = problem or resource_problem(PROMETHEUS_TARGET, labels)
        project = self._cloud.service(MetricService).project(project_id)
        newest_ns = 0
        for scoped in given.scope_metrics:
            scope = {"otel_scope_name": scoped.scope.name, "otel_scope_version": scoped.scope.version}
            place = _Place(
                project,
                tuple(sorted(labels.items())),
                {key: value for key, value in scope.items() if value},
            )
            for metric in scoped.metrics:
                for point in data_points(metric):
                    try:
                        if problem is not None:
                            raise RefusedError(problem)
                        self._store(metric, point, place)
                        newest_ns = max(newest_ns, point.time_unix_nano)
                    except (RefusedError, WriteError) as error:
                        reasons[str(error)] += 1
        if newest_ns:
            self._store_information(attributes, project, tuple(sorted(labels.items())), newest_ns)

    def _store(self, metric: Any, point: Any, place: _Place) -> None:
        _check_name(metric.name)
        labels = {**place.scope, **texts(point.attributes)}
        _check_labels(labels)
        now_ns = self._cloud.clock.now_ns()
        source = _Source(metric.unit, metric.description)
        for one in written(metric, point):
            metric_type = _metric_type(metric.name, one.suffix)
            start_ns, end_ns = _interval(point, one.kind, now_ns)
            own = tuple(sorted({**labels, **one.labels}.items()))
            identity = Identity(metric_type, own, PROMETHEUS_TARGET, place.labels)
            _append(place.project, identity, one, source, (start_ns, end_ns, now_ns))
            self.ingested["samples"] += _samples(one.value)
        self.ingested["points"] += 1

    def _store_information(
        self,
        attributes: Mapping[str, str],
        project: Project,
        labels: tuple[tuple[str, str], ...],
        at_ns: int,
    ) -> None:
        """Write ``target_info``, as often as its series may be written."""
        said = tuple(sorted(information(attributes).items()))
        if not said:
            return
        identity = Identity(f"{DOMAIN}/target_info/gauge", said, PROMETHEUS_TARGET, labels)
        known = project.series.find(identity)
        if known is not None and at_ns - known.ends[-1] < MIN_SPACING_NS:
            return
        one = Written("", GAUGE, DOUBLE, 1.0)
        now_ns = self._cloud.clock.now_ns()
        _append(project, identity, one, _Source("", "Target metadata"), (at_ns, at_ns, now_ns))
        self.ingested["samples"] += 1


def _check_size(request: Any) -> None:
    points = sum(
        len(data_points(metric))
        for each in request.resource_metrics
        for scoped in each.scope_metrics
        for metric in scoped.metrics
    )
    for what, count, most in (
        ("points", points, MAX_POINTS),
        ("ResourceMetrics", len(request.resource_metrics), MAX_RESOURCES),
    ):
        if count > most:
            raise RpcError(
                "INVALID_ARGUMENT", f"A maximum of {most} {what} can be written in a single request."
            )


def _append(
    project: Project, identity: Identity, one: Written, source: _Source, at_ns: tuple[int, int, int]
) -> None:
    """Add a point to its series, which is made where it is new."""
    start_ns, end_ns, now_ns = at_ns
    store, descriptors = project.series, project.descriptors
    entry = descriptors.get(identity.metric_type)
    if entry is not None:
        _check_shape(identity.metric_type, one, entry.message)
    known = store.find(identity)
    series = known or Series(identity, one.kind, one.value_type)
    if known is None:
        if entry is None and one.kind == DELTA:
            # CreateTimeSeries makes no descriptor of this kind by itself, the Telemetry API does.
            descriptors.restore(_delta_descriptor(identity, one, source), now_ns)
        descriptors.for_write(series, source, now_ns)
        store.add(series, now_ns)
    series.append(start_ns, end_ns, one.value, now_ns)
    store.versions[identity.metric_type] = store.versions.get(identity.metric_type, 0) + 1


def _delta_descriptor(identity: Identity, one: Written, source: _Source) -> Any:
    return MetricDescriptor(
        name=f"projects/{dict(identity.resource_labels)['project_id']}/metricDescriptors/{identity.metric_type}",
        type=identity.metric_type,
        metric_kind=one.kind,
        value_type=one.value_type,
        unit=source.unit,
        description=source.description,
    )


def _check_shape(metric_type: str, one: Written, held: Any) -> None:
    if held.value_type != one.value_type:
        raise RefusedError(
            f"Value type for metric {metric_type} must be {TYPE_NAMES[held.value_type]}, but is "
            f"{TYPE_NAMES[one.value_type]}."
        )
    if held.metric_kind != one.kind:
        raise RefusedError(
            f"Metric kind for metric {metric_type} must be {KIND_NAMES[held.metric_kind]}, but is "
            f"{KIND_NAMES[one.kind]}."
        )


def _check_name(name: str) -> None:
    if NAME.fullmatch(name) is None:
        raise RefusedError(f"the metric name {names.short(name)!r} does not match {NAME.pattern}")


def _check_labels(labels: Mapping[str, str]) -> None:
    for key, value in labels.items():
        if LABEL_KEY.fullmatch(key) is None:
            raise RefusedError(f"the label key {names.short(key)!r} does not match {LABEL_KEY.pattern}")
        if len(value) > names.MAX_LABEL_VALUE_CHARS:
            raise RefusedError(f"the value of label {names.short(key)} is longer than 1024 characters")


def _metric_type(name: str, suffix: str) -> str:
    found = name if name.startswith(OTHER_DOMAINS) else f"{DOMAIN}/{name}{suffix}"
    problem = names.metric_type_problem(found)
    if problem is not None:
        raise RefusedError(problem)
    return found


def _interval(point: Any, kind: int, now_ns: int) -> tuple[int, int]:
    start_ns, end_ns = point.start_time_unix_nano, point.time_unix_nano
    if not end_ns:
        raise RefusedError("the data point has no time")
    if end_ns < now_ns - PAST_NS:
        raise RefusedError(f"the data point is {times.span(now_ns - end_ns)} old; at most 25h")
    if end_ns > now_ns + FUTURE_NS:
        raise RefusedError(
            f"the data point is {times.span(end_ns - now_ns)} in the future; at most 5 minutes"
        )
    if kind == GAUGE:
        return end_ns, end_ns
    if not 0 < start_ns < end_ns:
        raise RefusedError(
            "the start time of a cumulative or delta data point must be set and before its time"
        )
    return start_ns, end_ns


def _samples(value: float | Distribution) -> int:
    """What a point is billed as: 2 and the buckets that are not empty, or 1."""
    if isinstance(value, Distribution):
        return 2 + sum(1 for count in value.counts if count)
    return 1


def _described(reasons: Counter[str]) -> str:
    parts = [f"{text} ({count})" for text, count in reasons.most_common(MAX_REASONS)]
    if len(reasons) > MAX_REASONS:
        parts.append(f"and {len(reasons) - MAX_REASONS} more reasons")
    return "; ".join(parts)


SERVICES = (MetricsService,)
