"""What our metrics are called in Cloud Monitoring, which depends on the sink that sends them.

Source: https://docs.cloud.google.com/stackdriver/docs/reference/telemetry/v1.metrics (types and resource of
what comes over OTLP), https://cloud.google.com/monitoring/promql/promql-mapping and
https://docs.cloud.google.com/stackdriver/docs/otlp-metrics/overview (names in PromQL).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from ..config import settings
from ..export.catalog import OPERATION, OPERATION_DURATION, STANDARD, metric_type
from ..export.opening import MEMORY, NONE, OTLP
from ..export.otlp_names import GAUGE, HISTOGRAM, SUM, UP_DOWN, described, otlp_name
from ..export.resource import GENERIC_TASK
from ..model.series import Metric

PROMETHEUS_TARGET, PROMETHEUS = "prometheus_target", "prometheus.googleapis.com"
REQUEST = "GET <unmatched>"
"""An operation that is an HTTP request: their durations are a metric of their own over OTLP."""

_SUFFIXES = {GAUGE: "gauge", UP_DOWN: "gauge", SUM: "counter", HISTOGRAM: "histogram"}
_NOT_IN_PROMQL = re.compile(r"[^a-zA-Z0-9_]")


@dataclass(frozen=True, slots=True)
class Stored:
    """A metric type that holds values of one metric of ours.

    Args:
        scale: a value of ours times this is one there.
    """

    type: str
    name: str  # for people
    unit: str
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Naming:
    """How one sink names what has this prefix."""

    prefix: str
    sink: str

    @classmethod
    def configured(cls, prefix: str) -> Naming:
        """That of ``monitoring.sink``."""
        return cls(prefix, settings().monitoring.sink)

    @property
    def is_otlp(self) -> bool:
        return self.sink == OTLP

    @property
    def resource(self) -> str:
        """The monitored resource of every series."""
        return PROMETHEUS_TARGET if self.is_otlp else GENERIC_TASK

    def stored(self, metric: Metric) -> tuple[Stored, ...]:
        """Where Cloud Monitoring has the metric: one type, or two where HTTP requests have their own."""
        if not self.is_otlp:
            return (Stored(metric_type(self.prefix, metric.name), metric.name, metric.unit),)
        examples = [(), ((OPERATION, REQUEST),)] if metric == OPERATION_DURATION else [()]
        names = [described(self.prefix, metric, labels)[0] for labels in examples]
        return tuple(
            Stored(f"{PROMETHEUS}/{one.name}/{_SUFFIXES[one.kind]}", one.name, one.unit, one.scale)
            for one in names
        )

    @property
    def listed(self) -> tuple[str, ...]:
        """Filters of metric descriptors that together find every metric of ours."""
        if not self.is_otlp:
            return (f'metric.type = starts_with("{metric_type(self.prefix, "")}")',)
        ours = f"{PROMETHEUS}/{otlp_name(self.prefix, '')}."
        others = [one.type for metric in STANDARD for one in self.stored(metric)]
        return (
            f'metric.type = starts_with("{ours}")',
            *(f'metric.type = "{one}"' for one in others if not one.startswith(ours)),
        )

    def short(self, type_: str) -> str:
        """A type without what all of ours begin with."""
        return type_.removeprefix(f"{PROMETHEUS}/" if self.is_otlp else metric_type(self.prefix, ""))

    def promql(self, metric: Metric, labels: Mapping[str, str]) -> str:
        """A selector of the metric's series in PromQL."""
        stored = self.stored(metric)[0]
        where = ",".join(f'{key}="{text}"' for key, text in labels.items())
        if self.is_otlp:  # a name with dots is quoted, within the braces
            return f'{{"{stored.name}",{where}}}'
        return f'{prometheus_name(stored.type)}{{monitored_resource="{self.resource}",{where}}}'

    @property
    def doubt(self) -> str:
        """Why Cloud Monitoring may have nothing of that name; empty where it will."""
        if self.sink in {MEMORY, NONE}:
            return (
                f"monitoring.sink is {self.sink!r}: nothing of this process reaches Cloud Monitoring. The "
                "metrics are named as a process with the sink cloud_monitoring names them"
            )
        if self.is_otlp:
            section = settings().otlp
            if section.disabled:
                return "otlp.disabled is set: nothing of this process is sent"
            host = urlsplit(section.metrics_endpoint or section.endpoint or "").hostname
            if host and host != f"telemetry.{settings().gcp.universe_domain}":
                return (
                    f"metrics go to the collector at {host}: they are found where it passes them on to "
                    "Google's Telemetry API with their names unchanged"
                )
        return ""


def prometheus_name(type_: str) -> str:
    """A metric type as PromQL names it: ``:`` after the domain, ``_`` for all else that it can not have."""
    domain, _, rest = type_.partition("/")
    return f"{_NOT_IN_PROMQL.sub('_', domain)}:{_NOT_IN_PROMQL.sub('_', rest)}"
