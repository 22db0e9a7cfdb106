"""Read the newest value of an alert's condition from Cloud Monitoring, by operation."""

from __future__ import annotations

from typing import Any

from ..export.catalog import OPERATION, STATUS, STATUS_ERROR
from ..model.alert import PerformanceAlert
from .alerts import ERROR_RATE
from .policy import aggregation, series_filter


def measure(
    project: str, prefix: str, alert: PerformanceAlert, *, now_unix_ns: int, timeout_s: float | None = None
) -> dict[str, float]:
    """Operation to the newest aligned value.

    Raises:
        CloudError: it could not be read.
    """
    everything = series_filter(alert, prefix, alert.metric_name)
    now_s = now_unix_ns // 10**9 + 1  # the second that is not over yet too

    def newest(text: str) -> dict[str, float]:
        return _newest(project, text, alert, now_s, timeout_s)

    if alert.condition != ERROR_RATE:
        return newest(everything)
    total = newest(everything)
    errors = newest(f'{everything} AND metric.labels.{STATUS}="{STATUS_ERROR}"')
    return {one: 100 * errors.get(one, 0.0) / count for one, count in total.items() if count}


def _newest(
    project: str, text: str, alert: PerformanceAlert, now_s: int, timeout_s: float | None
) -> dict[str, float]:
    from ..gcp.calling import each

    request: dict[str, Any] = {
        "name": f"projects/{project}",
        "filter": text,
        # Two periods and one more: the newest is not over, and points come late.
        "interval": {
            "start_time": {"seconds": now_s - 3 * alert.alignment_s},
            "end_time": {"seconds": now_s},
        },
        "aggregation": aggregation(alert),
        "view": "FULL",
    }
    found: dict[str, float] = {}
    for series in each("metrics", "list_time_series", request, timeout_s=timeout_s):
        if series.points:
            value = series.points[0].value
            found[dict(series.metric.labels).get(OPERATION, "")] = float(
                value.double_value or value.int64_value
            )
    return found
