"""Series as the text that Prometheus scrapes.

``le`` of Prometheus is inclusive and our bounds are not: a value on a bound is one bucket further up.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/ (version 0.0.4)
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

from ..model.series import Distribution, Metric, MetricKind, Series
from .labels import Labels

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_NOT_IN_A_NAME = re.compile(r"[^a-zA-Z0-9_:]")


def prometheus_text(series: Iterable[Series], prefix: str = "") -> str:
    """The newest point of each series."""
    by_metric: dict[Metric, list[Series]] = defaultdict(list)
    for one in series:
        by_metric[one.metric].append(one)
    return "".join(f"{line}\n" for metric, own in by_metric.items() for line in _lines(metric, own, prefix))


def _lines(metric: Metric, series: list[Series], prefix: str) -> Iterator[str]:
    name = _NOT_IN_A_NAME.sub("_", f"{prefix}_{metric.name}".strip("_"))
    if name[:1].isdigit():
        name = f"_{name}"
    kind = "gauge"
    if metric.value_type == "DISTRIBUTION":
        kind = "histogram"
    elif metric.kind is MetricKind.CUMULATIVE:
        kind, name = "counter", f"{name}_total"
    if metric.description:
        yield f"# HELP {name} {metric.description}"
    yield f"# TYPE {name} {kind}"
    for one in series:
        value = one.points[-1].value
        if isinstance(value, Distribution):
            yield from _histogram(name, one.labels, value)
        else:
            yield f"{name}{_labels(one.labels)} {value}"


def _histogram(name: str, labels: Labels, value: Distribution) -> Iterator[str]:
    seen = 0
    for bound, count in zip(value.bounds, value.counts, strict=False):
        seen += count
        if count:  # cumulative: a bucket without values of its own says nothing new
            yield f"{name}_bucket{_labels((*labels, ('le', repr(bound))))} {seen}"
    yield f"{name}_bucket{_labels((*labels, ('le', '+Inf')))} {value.count}"
    yield f"{name}_sum{_labels(labels)} {value.sum}"
    yield f"{name}_count{_labels(labels)} {value.count}"


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{key}="{_escaped(value)}"' for key, value in labels) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
