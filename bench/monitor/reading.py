"""What the emulator holds: the newest point of each series."""

from __future__ import annotations

import time
from typing import Any

from bench.monitor.processes import PROJECT

Key = tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]
"""Labels of the metric, and of the monitored resource: a series of another process is another one."""

OURS = "genesis.performance"
SUFFIXES = {"DISTRIBUTION": "histogram", "COUNTER": "counter", "GAUGE": "gauge"}


def type_of(sink: str, name: str, kind: str) -> str:
    """The metric type of our metric ``name`` behind a sink; ``kind`` is a key of ``SUFFIXES``."""
    if sink == "otlp":
        return f"prometheus.googleapis.com/{OURS}.{name.replace('/', '.')}/{SUFFIXES[kind]}"
    return f"custom.googleapis.com/{OURS}/{name}"


def newest(metric_type: str, *, now_s: float | None = None) -> dict[Key, float]:
    """The value of each series; of a distribution its count."""
    points = pages(metric_type, now_s=now_s)
    return {
        (tuple(sorted(one.metric.labels.items())), tuple(sorted(one.resource.labels.items()))): _value(
            one.points[0].value
        )
        for one in points
    }


def pages(metric_type: str, *, now_s: float | None = None) -> list[Any]:
    """The series with their points, the newest first; none where the metric is not known."""
    from genesis_performance.errors import CloudNotFoundError
    from genesis_performance.gcp import each

    now = int(time.time() if now_s is None else now_s)
    resource = "prometheus_target" if metric_type.startswith("prometheus.") else None
    chosen = f'metric.type="{metric_type}"'
    if resource is not None:
        chosen += f' AND resource.type="{resource}"'
    request = {
        "name": f"projects/{PROJECT}",
        "filter": chosen,
        "interval": {"start_time": {"seconds": now - 4 * 3600}, "end_time": {"seconds": now + 200}},
    }
    try:
        return list(each("metrics", "list_time_series", request, timeout_s=60.0))
    except CloudNotFoundError:
        return []


def label(key: Key, name: str) -> str:
    return dict(key[0]).get(name, "")


def _value(value: Any) -> float:
    if "distribution_value" in value:
        return float(value.distribution_value.count)
    return float(value.double_value or value.int64_value)
