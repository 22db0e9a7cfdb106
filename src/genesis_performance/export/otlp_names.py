"""What our metrics are called in OpenTelemetry: the semantic conventions' name where there is one, else ours.

Source: https://opentelemetry.io/docs/specs/semconv/http/http-metrics/ and .../system/process-metrics/;
names that Google's Telemetry API takes: https://docs.cloud.google.com/stackdriver/docs/otlp-metrics/overview
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..model.series import Metric, MetricKind
from .catalog import CPU_UTILIZATION, MEMORY_BYTES, OPERATION, OPERATION_DURATION
from .labels import Labels

GAUGE, SUM, UP_DOWN, HISTOGRAM = "gauge", "sum", "up_down", "histogram"
"""What a metric is: ``sum`` only grows, ``up_down`` is a sum that may fall."""

HTTP_DURATION = "http.server.request.duration"
UNMATCHED = "<unmatched>"
"""How our middleware calls a request that no route matched; it has no ``http.route``."""

_REQUEST = re.compile(
    rf"(GET|HEAD|POST|PUT|DELETE|CONNECT|OPTIONS|TRACE|PATCH|OTHER) (/.*|{UNMATCHED})", re.DOTALL
)
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_.:]")


@dataclass(frozen=True, slots=True)
class Name:
    """One metric as OpenTelemetry sees it.

    Args:
        scale: a value of ours times this is one of theirs.
    """

    name: str
    kind: str
    unit: str
    description: str
    is_integer: bool
    scale: float = 1.0


def otlp_name(prefix: str, name: str) -> str:
    """``genesis.performance.operation.duration``: prefix and name in the characters that Google takes."""
    joined = _NOT_IN_A_NAME.sub("_", f"{prefix}/{name}".strip("/").replace("/", "."))
    return joined if joined[0].isalpha() else f"x{joined}"


def described(prefix: str, metric: Metric, labels: Labels) -> tuple[Name, Labels]:
    """The metric and the attributes of one series of ours.

    The duration of an operation that is an HTTP request (``GET /orders/{id}``) is the conventions'
    ``http.server.request.duration``, in seconds; every label of ours stays beside theirs. The conventions
    also want ``url.scheme``, which an operation does not know.
    """
    if metric == OPERATION_DURATION:
        request = _REQUEST.fullmatch(dict(labels).get(OPERATION, ""))
        if request is not None:
            return _HTTP_DURATION, tuple(sorted((*labels, *_http_attributes(*request.groups()))))
    known = _CONVENTIONS.get(metric.name)
    if known is not None:
        return known, labels
    kind = GAUGE if metric.kind is MetricKind.GAUGE else SUM
    return (
        Name(
            name=otlp_name(prefix, metric.name),
            kind=HISTOGRAM if metric.value_type == "DISTRIBUTION" else kind,
            unit=metric.unit,
            description=metric.description,
            is_integer=metric.value_type == "INT64",
        ),
        labels,
    )


def _http_attributes(method: str, route: str) -> Labels:
    own = (("http.request.method", "_OTHER" if method == "OTHER" else method),)
    return own if route == UNMATCHED else (*own, ("http.route", route))


_HTTP_DURATION = Name(
    name=HTTP_DURATION,
    kind=HISTOGRAM,
    unit="s",
    description="Duration of HTTP server requests.",
    is_integer=False,
    scale=0.001,
)
_CONVENTIONS = {
    CPU_UTILIZATION.name: Name(
        name="process.cpu.utilization",
        kind=GAUGE,
        unit="1",
        description=CPU_UTILIZATION.description,
        is_integer=False,
    ),
    MEMORY_BYTES.name: Name(
        name="process.memory.usage",
        kind=UP_DOWN,
        unit="By",
        description=MEMORY_BYTES.description,
        is_integer=True,
    ),
}
