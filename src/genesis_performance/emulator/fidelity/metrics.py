"""Cloud Monitoring's time series, as the rules say they are."""

from __future__ import annotations

import time
from typing import Any

from google.cloud import monitoring_v3
from google.cloud.monitoring_v3 import types

from .check import Site, check

Client = monitoring_v3.MetricServiceClient


def _type(site: Site) -> str:
    name = f"custom.googleapis.com/{site.name()}"
    site.afterwards(
        site.client(Client).delete_metric_descriptor, name=f"{site.parent}/metricDescriptors/{name}"
    )
    return name


def _series(metric: str, at_s: float, *, value: Any = 1.0, **labels: str) -> Any:
    series = types.TimeSeries()
    series.metric.type = metric
    series.metric.labels.update(labels)
    series.resource.type = "global"
    field = "int64_value" if isinstance(value, int) else "double_value"
    end = {"seconds": int(at_s), "nanos": int(at_s % 1 * 1e9)}
    series.points = [types.Point(interval={"end_time": end}, value={field: value})]
    return series


def _write(site: Site, *series: Any) -> None:
    site.call(site.client(Client).create_time_series, name=site.parent, time_series=list(series))


def _refused(site: Site, text: str, *series: Any) -> Any:
    return site.refused(
        "INVALID_ARGUMENT", text, site.client(Client).create_time_series,
        name=site.parent, time_series=list(series),
    )  # fmt: skip


@check("series/per-call")
def two_hundred_series(site: Site) -> None:
    """201 series in a call are refused."""
    metric, now_s = _type(site), time.time()
    many = [_series(metric, now_s, n=str(number)) for number in range(201)]
    _refused(site, "A maximum of 200 TimeSeries can be written in a single request.", *many)


@check("series/duplicate", "series/partial")
def duplicates(site: Site) -> None:
    """A series that occurs twice is refused the second time; the details count what was written."""
    metric, now_s = _type(site), time.time()
    error = _refused(site, "Duplicate TimeSeries encountered", _series(metric, now_s), _series(metric, now_s))
    summary = types.CreateTimeSeriesSummary.pb()()
    site.same("a summary is among the details", any(_unpacks(each, summary) for each in error.details), True)
    site.same("points in all", summary.total_point_count, 2)


@check("series/spacing", "series/spacing-text", "series/order-text")
def points_in_order(site: Site) -> None:
    """Points closer than 5 s and older than the newest are refused."""
    metric, now_s = _type(site), time.time()
    _write(site, _series(metric, now_s - 60))
    _refused(site, "more frequently than the maximum sampling period", _series(metric, now_s - 58))
    _refused(site, "Points must be written in order", _series(metric, now_s - 120))


@check("series/past", "series/future")
def points_in_time(site: Site) -> None:
    """Points from before 25 h and beyond 5 minutes are refused."""
    metric, now_s = _type(site), time.time()
    _refused(site, "", _series(metric, now_s - 26 * 3600))
    _refused(site, "", _series(metric, now_s + 600))


@check("series/value-type")
def value_types_stay(site: Site) -> None:
    """A metric keeps its value type."""
    metric, now_s = _type(site), time.time()
    _write(site, _series(metric, now_s - 60, value=1.5))
    _refused(site, "Value type for metric", _series(metric, now_s, value=1))


@check("metric/type", "metric/label-key")
def names_of_metrics(site: Site) -> None:
    """Types with spaces and labels with dashes are refused."""
    now_s = time.time()
    _refused(site, "", _series("custom.googleapis.com/with space", now_s))
    _refused(site, "", _series(_type(site), now_s, **{"a-b": "x"}))


@check("series/one-point")
def what_is_written_is_read(site: Site) -> None:
    """A point that was written can be read."""
    metric, now_s = _type(site), time.time()
    _write(site, _series(metric, now_s, value=42.0))
    request = {
        "name": site.parent,
        "filter": f'metric.type = "{metric}"',
        "interval": {"start_time": {"seconds": int(now_s) - 60}, "end_time": {"seconds": int(now_s) + 1}},
    }

    def look() -> list[float]:
        found = site.call(site.client(Client).list_time_series, request=request)
        return [point.value.double_value for series in found for point in series.points]

    site.same("the points", site.eventually(look, bool), [42.0])


def _unpacks(detail: Any, message: Any) -> bool:
    return bool(hasattr(detail, "Unpack") and detail.Is(message.DESCRIPTOR) and detail.Unpack(message))
