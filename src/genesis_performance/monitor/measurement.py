"""Read the newest value of an alert's condition from Cloud Monitoring, by operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import CloudNotFoundError
from ..export.catalog import OPERATION, STATUS, STATUS_ERROR
from ..model.alert import PerformanceAlert
from .kinds import ABSENCE, is_ratio, kind_of, per_unit, windows_s
from .naming import Naming
from .policy import aggregation, series_filter


def measure(
    project: str, prefix: str, alert: PerformanceAlert, *, now_unix_ns: int, timeout_s: float | None = None
) -> dict[str, float]:
    """Operation to the newest aligned value.

    Raises:
        CloudError: it could not be read.
    """
    if alert.condition == ABSENCE:  # there is nothing to read
        return {}
    now_s = now_unix_ns // 10**9 + 1  # the second that is not over yet too

    def newest(text: str, window_s: int) -> dict[str, float]:
        request: dict[str, Any] = {
            "name": f"projects/{project}",
            "filter": text,
            # Two periods and one more: the newest is not over, and points come late.
            "interval": {"start_time": {"seconds": now_s - 3 * window_s}, "end_time": {"seconds": now_s}},
            "aggregation": aggregation(alert, window_s),
            "view": "FULL",
        }
        try:
            return _newest(request, timeout_s)
        except CloudNotFoundError:  # of the metrics of response times a service may have only one
            return {}

    naming = Naming.configured(prefix)
    measured: dict[str, float] = {}
    for stored in naming.stored(kind_of(alert).metric):
        everything = series_filter(alert, naming, stored)
        found = [_over(window_s, alert, everything, newest) for window_s in windows_s(alert)]
        scale = per_unit(alert) / stored.scale
        # Of several windows all must be beyond the threshold: what counts is the one that is least so.
        measured |= {one: scale * min(values[one] for values in found if one in values) for one in found[0]}
    return measured


def _over(
    window_s: int,
    alert: PerformanceAlert,
    everything: str,
    newest: Callable[[str, int], dict[str, float]],
) -> dict[str, float]:
    total = newest(everything, window_s)
    if not is_ratio(alert):
        return total
    errors = newest(f'{everything} AND metric.labels.{STATUS}="{STATUS_ERROR}"', window_s)
    return {one: errors.get(one, 0.0) / count for one, count in total.items() if count}


def _newest(request: dict[str, Any], timeout_s: float | None) -> dict[str, float]:
    from ..gcp.calling import each

    found: dict[str, float] = {}
    for series in each("metrics", "list_time_series", request, timeout_s=timeout_s):
        if series.points:
            value = series.points[0].value
            found[dict(series.metric.labels).get(OPERATION, "")] = float(
                value.double_value or value.int64_value
            )
    return found
