"""Read back from Cloud Monitoring what services have sent, for the command line."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from ..errors import CloudNotFoundError
from ..export.catalog import (
    OPERATION,
    OPERATION_COUNT,
    OPERATION_DURATION,
    SERVICE,
    STATUS,
    STATUS_ERROR,
)
from ..export.messages import kind_and_type
from .first_points import NO_SERVICE
from .naming import Naming, Stored

Group = tuple[str, str]  # service and operation
ALIGNMENT_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class SentMetric:
    """A metric that Cloud Monitoring holds."""

    name: str
    type: str
    kind: str
    value_type: str
    unit: str
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationNow:
    """What an operation did in the newest minute."""

    service: str
    operation: str
    per_s: float
    error_ratio: float
    p50_ms: float | None
    p95_ms: float | None


def metrics(project: str, prefix: str) -> list[SentMetric]:
    """Every metric below the prefix, and over OTLP those that have a name of the conventions.

    Raises:
        CloudError: it could not be read.
    """
    from ..gcp.calling import each

    naming = Naming.configured(prefix)
    found = []
    for text in naming.listed:
        request = {"name": f"projects/{project}", "filter": text}
        for one in each("metrics", "list_metric_descriptors", request):
            kind, value_type = kind_and_type(one)
            found.append(
                SentMetric(
                    name=naming.short(one.type),
                    type=one.type,
                    kind=kind,
                    value_type=value_type,
                    unit=one.unit,
                    labels=tuple(label.key for label in one.labels),
                )
            )
    return found


def operations(project: str, prefix: str, service: str | None = None) -> list[OperationNow]:
    """Every operation with data in the last minutes, the slowest first.

    Raises:
        CloudError: it could not be read.
    """
    counts = _counts(project, prefix, service)
    p50, p95 = (_quantiles(project, prefix, service, q) for q in (50, 95))
    found = [
        OperationNow(
            service=group[0],
            operation=group[1],
            per_s=total,
            error_ratio=errors / total if total else 0.0,
            p50_ms=p50.get(group),
            p95_ms=p95.get(group),
        )
        for group, (total, errors) in counts.items()
        if group[0] != NO_SERVICE
    ]
    return sorted(found, key=lambda one: (-(one.p95_ms or 0.0), one.service, one.operation))


def _counts(project: str, prefix: str, service: str | None) -> dict[Group, list[float]]:
    """All executions and the failed ones, a second."""
    naming = Naming.configured(prefix)
    by_status = _newest(
        project,
        _filter(naming, naming.stored(OPERATION_COUNT)[0], service),
        {"per_series_aligner": "ALIGN_RATE", "cross_series_reducer": "REDUCE_SUM"},
        (SERVICE, OPERATION, STATUS),
    )
    totals: dict[Group, list[float]] = {}
    for (in_service, operation, status), value in by_status.items():
        sums = totals.setdefault((in_service, operation), [0.0, 0.0])
        sums[0] += value
        sums[1] += value if status == STATUS_ERROR else 0.0
    return totals


def _quantiles(project: str, prefix: str, service: str | None, percent: int) -> dict[Group, float]:
    naming = Naming.configured(prefix)
    found: dict[Group, float] = {}
    for stored in naming.stored(OPERATION_DURATION):
        newest = _newest(
            project,
            _filter(naming, stored, service),
            {
                "per_series_aligner": "ALIGN_DELTA",
                "cross_series_reducer": f"REDUCE_PERCENTILE_{percent:02d}",
            },
            (SERVICE, OPERATION),
        )
        found |= {(key[0], key[1]): value / stored.scale for key, value in newest.items()}
    return found


def _newest(
    project: str, text: str, aggregation: dict[str, Any], groups: tuple[str, ...]
) -> dict[tuple[str, ...], float]:
    from ..gcp.calling import each

    now_s = int(time.time()) + 1  # the second that is not over yet too
    request = {
        "name": f"projects/{project}",
        "filter": text,
        "interval": {"start_time": {"seconds": now_s - 3 * ALIGNMENT_S}, "end_time": {"seconds": now_s}},
        "aggregation": {
            "alignment_period": {"seconds": ALIGNMENT_S},
            "group_by_fields": [f"metric.labels.{group}" for group in groups],
            **aggregation,
        },
        "view": "FULL",
    }
    found = {}
    try:
        newest = list(each("metrics", "list_time_series", request))
    except CloudNotFoundError:  # nothing was ever sent
        newest = []
    for series in newest:
        labels = dict(series.metric.labels)
        if series.points:
            value = series.points[0].value
            found[tuple(labels.get(group, "") for group in groups)] = float(
                value.double_value or value.int64_value
            )
    return found


def _filter(naming: Naming, stored: Stored, service: str | None) -> str:
    text = f'metric.type="{stored.type}" AND resource.type="{naming.resource}"'
    return f'{text} AND metric.labels.{SERVICE}="{service}"' if service else text
