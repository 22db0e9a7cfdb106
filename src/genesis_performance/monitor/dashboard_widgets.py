"""The widgets of a service's dashboard, in the JSON that the API, Terraform and the console take.

Source: https://cloud.google.com/monitoring/api/ref_dashboards/rest/v1/projects.dashboards
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..export.catalog import (
    CPU_UTILIZATION,
    ENVIRONMENT,
    MEMORY_BYTES,
    OPERATION,
    OPERATION_COUNT,
    OPERATION_DURATION,
    SERVICE,
    STATUS,
    STATUS_ERROR,
)
from ..model.alert import PerformanceAlert
from ..model.series import Metric
from . import kinds
from .naming import Naming, Stored
from .policy import duration_text

Widget = dict[str, Any]

COLUMNS, WIDTH, HEIGHT = 48, 24, 16
"""Two charts a row, in the grid of the console's own dashboards."""

ALIGNMENT_S = 60
DEFAULT_BURN_WINDOWS_S = (3600, 300)


class Charts:
    """Makes the widgets of one service.

    Args:
        alerts: those of the service; their thresholds are drawn.
        slo: an objective in Cloud Monitoring.
    """

    def __init__(
        self,
        service: str,
        environment: str,
        prefix: str,
        alerts: Iterable[PerformanceAlert],
        slo: str | None,
    ) -> None:
        self._naming = Naming.configured(prefix)
        self._where = (
            f'resource.type="{self._naming.resource}" AND metric.labels.{SERVICE}="{service}" '
            f'AND metric.labels.{ENVIRONMENT}="{environment}"'
        )
        self._alerts = [
            one for one in alerts if (one.service_name, one.environment) == (service, environment)
        ]
        self._slo = slo

    def widgets(self) -> Iterator[Widget]:
        """All of them, in reading order."""
        durations = self._naming.stored(OPERATION_DURATION)
        for one in reversed(durations):  # where HTTP requests have a metric of their own, it comes first
            of = f" of {one.name}" if len(durations) > 1 else ""
            yield self._latency(one, of)
            yield self._latency_by_operation(one, of)
        yield self._errors()
        yield self._throughput()
        yield self._process("CPU", CPU_UTILIZATION, kinds.CPU, "of the CPUs (1 is all)")
        yield self._process("Memory", MEMORY_BYTES, kinds.MEMORY, "bytes")
        yield self._burn_rate()
        if self._slo:
            yield self._budget(self._slo)
        yield self._incidents()

    def _latency(self, stored: Stored, of: str) -> Widget:
        lines = [
            _line(self._aligned(stored, "ALIGN_DELTA", f"REDUCE_PERCENTILE_{percent}"), f"p{percent}")
            for percent in (50, 95, 99)
        ]
        limits = self._thresholds(kinds.RESPONSE_TIME, stored.scale)
        return _chart(f"Latency{of}", lines, stored.unit, limits)

    def _latency_by_operation(self, stored: Stored, of: str) -> Widget:
        series = self._aligned(stored, "ALIGN_DELTA", "REDUCE_PERCENTILE_95", OPERATION)
        lines = [_line(series, f"${{metric.labels.{OPERATION}}}")]
        limits = self._thresholds(kinds.RESPONSE_TIME, stored.scale)
        return _chart(f"p95 latency{of} by operation", lines, stored.unit, limits)

    def _errors(self) -> Widget:
        lines = [_line(self._error_ratio(ALIGNMENT_S, OPERATION), f"${{metric.labels.{OPERATION}}}")]
        return _chart("Error rate by operation", lines, "of 1", self._thresholds(kinds.ERROR_RATE))

    def _throughput(self) -> Widget:
        series = self._series(OPERATION_COUNT, "ALIGN_RATE", "REDUCE_SUM", OPERATION)
        lines = [_line(series, f"${{metric.labels.{OPERATION}}}", plot="STACKED_AREA")]
        return _chart("Executions", lines, "a second", self._thresholds(kinds.THROUGHPUT))

    def _process(self, title: str, metric: Metric, kind: str, axis: str) -> Widget:
        lines = [
            _line(self._series(metric, "ALIGN_MEAN", reducer), name)
            for reducer, name in (
                ("REDUCE_MAX", "highest instance"),
                ("REDUCE_MEAN", "mean of the instances"),
            )
        ]
        return _chart(title, lines, axis, self._thresholds(kind))

    def _burn_rate(self) -> Widget:
        """Errors over the windows of the alerts, with the rates that they open at."""
        burning = [one for one in self._alerts if one.condition == kinds.BURN_RATE]
        drawn = {seconds for one in burning for seconds in kinds.windows_s(one) if seconds <= 6 * 3600}
        windows = sorted(drawn or DEFAULT_BURN_WINDOWS_S)
        lines = [_line(self._error_ratio(seconds), duration_text(seconds)) for seconds in windows]
        return _chart("Errors against the budget", lines, "of 1", self._thresholds(kinds.BURN_RATE))

    def _budget(self, slo: str) -> Widget:
        series = {
            "timeSeriesFilter": {
                "filter": f'select_slo_budget_fraction("{slo}")',
                "aggregation": {"alignmentPeriod": f"{ALIGNMENT_S}s", "perSeriesAligner": "ALIGN_NEXT_OLDER"},
            }
        }
        return _chart("Error budget left", [_line(series, "left")], "of 1", [])

    def _incidents(self) -> Widget:
        named = sorted(one.resource_name for one in self._alerts if one.resource_name)
        # Names go without the project. Without policies of ours: all incidents on our resource.
        shown: Widget = {"policyNames": [f"alertPolicies/{name.rpartition('/')[2]}" for name in named]}
        if not named:
            shown = {"monitoredResources": [{"type": self._naming.resource}]}
        return {"title": "Incidents", "incidentList": shown}

    def _filter(self, stored: Stored) -> str:
        return f'metric.type="{stored.type}" AND {self._where}'

    def _series(self, metric: Metric, aligner: str, reducer: str, *groups: str) -> Widget:
        return self._aligned(self._naming.stored(metric)[0], aligner, reducer, *groups)

    def _aligned(self, stored: Stored, aligner: str, reducer: str, *groups: str) -> Widget:
        return {
            "timeSeriesFilter": {
                "filter": self._filter(stored),
                "aggregation": _aggregation(ALIGNMENT_S, aligner, reducer, *groups),
            }
        }

    def _error_ratio(self, window_s: int, *groups: str) -> Widget:
        everything = self._filter(self._naming.stored(OPERATION_COUNT)[0])
        aggregation = _aggregation(window_s, "ALIGN_RATE", "REDUCE_SUM", *groups)
        return {
            "timeSeriesFilterRatio": {
                "numerator": {
                    "filter": f'{everything} AND metric.labels.{STATUS}="{STATUS_ERROR}"',
                    "aggregation": aggregation,
                },
                "denominator": {"filter": everything, "aggregation": aggregation},
            }
        }

    def _thresholds(self, condition: str, scale: float = 1.0) -> list[Widget]:
        """In the metric's own unit, as the chart is."""
        return [
            {"label": f"{kinds.quantity(one)} {kinds.sign(one)} {one.threshold:g} {one.unit}", "value": value}
            for one in sorted(self._alerts, key=lambda one: (one.threshold, one.name))
            if one.condition == condition
            for value in [one.threshold / kinds.per_unit(one) * scale]
        ]


def mosaic(widgets: Iterable[Widget]) -> Widget:
    """The widgets from left to right, row by row."""
    per_row = COLUMNS // WIDTH
    tiles = []
    for index, widget in enumerate(widgets):
        tile: Widget = {"width": WIDTH, "height": HEIGHT, "widget": widget}
        # The API's JSON leaves out zeros, and so does this.
        if index % per_row:
            tile["xPos"] = index % per_row * WIDTH
        if index // per_row:
            tile["yPos"] = index // per_row * HEIGHT
        tiles.append(tile)
    return {"columns": COLUMNS, "tiles": tiles}


def _aggregation(period_s: int, aligner: str, reducer: str, *groups: str) -> Widget:
    made: Widget = {
        "alignmentPeriod": f"{period_s}s",
        "perSeriesAligner": aligner,
        "crossSeriesReducer": reducer,
    }
    if groups:
        made["groupByFields"] = [f"metric.labels.{group}" for group in groups]
    return made


def _line(query: Mapping[str, Any], legend: str, *, plot: str = "LINE") -> Widget:
    return {
        "timeSeriesQuery": dict(query),
        "plotType": plot,
        "legendTemplate": legend,
        "minAlignmentPeriod": f"{ALIGNMENT_S}s",
        "targetAxis": "Y1",
    }


def _chart(title: str, lines: list[Widget], axis: str, thresholds: list[Widget]) -> Widget:
    chart: Widget = {
        "dataSets": lines,
        "yAxis": {"label": axis, "scale": "LINEAR"},
        "chartOptions": {"mode": "COLOR"},
    }
    if thresholds:
        chart["thresholds"] = [{**one, "targetAxis": "Y1"} for one in thresholds]
    return {"title": title, "xyChart": chart}
