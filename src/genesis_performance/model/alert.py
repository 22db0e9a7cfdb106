"""Alert policies and incidents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from .evidence import IncidentEvidence


class ApplyMode(StrEnum):
    """Where a policy lives."""

    API = "api"  # created in Cloud Monitoring
    PLAN = "plan"  # returned as Terraform, evaluated locally
    LOCAL = "local"  # evaluated locally


class Comparison(StrEnum):
    GREATER = "COMPARISON_GT"
    LESS = "COMPARISON_LT"


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformanceAlert:
    """An alert policy of ours: one condition on one metric of one service."""

    name: str  # stable id: "my-service-response-time-production"
    display_name: str
    service_name: str
    environment: str
    metric_name: str  # Metric.name
    condition: str  # "response_time", "error_rate", …
    comparison: Comparison
    threshold: float
    unit: str
    quantile: float | None = None  # of a distribution: 0.95
    alignment_s: int = 60
    short_alignment_s: int | None = None  # a second window that must be violated too: burn rates
    duration_s: int = 0
    by_operation: bool = True  # each operation is judged for itself, else the service as a whole
    objective_percent: float | None = None  # of a burn rate: 99.9
    slo: str | None = None  # projects/P/services/S/serviceLevelObjectives/O whose burn rate is watched
    severity: str = "WARNING"  # CRITICAL, ERROR or WARNING
    documentation: str = ""  # what to do, as Markdown
    notification_channels: tuple[str, ...] = ()  # projects/P/notificationChannels/N
    apply: ApplyMode = ApplyMode.LOCAL
    resource_name: str | None = None  # projects/P/alertPolicies/N once created
    terraform: str | None = None  # with ApplyMode.PLAN
    labels: Mapping[str, str] = field(default_factory=dict)


class IncidentState(StrEnum):
    OPEN = "OPEN"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    CLOSED = "CLOSED"


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformanceIncident:
    """A violated policy, from opening to closing."""

    id: str
    alert_name: str
    service_name: str
    operation: str  # "" when the condition is not grouped by operation
    state: IncidentState
    current_value: float
    worst_value: float
    threshold: float
    unit: str
    opened_unix_ns: int
    closed_unix_ns: int | None = None
    source: str = "local"  # or "cloud_monitoring"
    summary: str = ""
    timeline: tuple[tuple[int, str], ...] = ()  # (unix_ns, what happened)
    evidence: IncidentEvidence | None = None  # None where Cloud Monitoring opened it

    @property
    def is_open(self) -> bool:
        return self.state is not IncidentState.CLOSED
