"""What the rules say: findings, recommendations and the savings they expect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from .money import Money


class Severity(StrEnum):
    """How much a finding matters."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One measured fact behind a finding."""

    name: str  # "p95_latency_ms"
    value: float | int | str
    unit: str = ""
    source: str = ""  # where it was measured: "operation checkout", "billing export 2026-10"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a rule saw on one resource."""

    rule: str  # rule id, "optimizer/identical-reads"
    severity: Severity
    resource: str  # operation, service, secret or SKU it is about
    title: str
    reason: str  # one sentence with the measured values
    file: str | None = None
    line: int | None = None
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Saving:
    """Money a month that a recommendation is expected to save.

    Low, expected and high come from the spread of the measured inputs; ``formula`` repeats the
    calculation with its values, so that a reader can do it again by hand.
    """

    low: Money
    expected: Money
    high: Money
    formula: str
    basis: str  # which measurements and which price (source and date)


class RecommendationState(StrEnum):
    """Google Recommender's states."""

    ACTIVE = "ACTIVE"
    CLAIMED = "CLAIMED"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    DISMISSED = "DISMISSED"


class Risk(StrEnum):
    """What may go wrong when a recommendation is carried out."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimizationRecommendation:
    """Advice with its evidence, effort and expected saving."""

    id: str  # stable: the same advice on the same resource has the same id
    rule: str
    title: str
    description: str
    resource: str
    service_name: str = ""
    severity: Severity = Severity.WARNING
    risk: Risk = Risk.LOW
    effort_hours: float
    steps: tuple[str, ...] = ()  # what to do, in order
    commands: tuple[str, ...] = ()  # the same as gcloud lines or a code change
    findings: tuple[Finding, ...] = ()
    saving: Saving | None = None  # None: no money can be put on it honestly
    latency_gain_ms: tuple[float, float, float] | None = None  # low, expected, high a request
    conflicts_with: tuple[str, ...] = ()  # ids that exclude this one
    requires: tuple[str, ...] = ()  # ids to be done first
    state: RecommendationState = RecommendationState.ACTIVE
    etag: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_quick_win(self) -> bool:
        """At most four hours of work at low risk."""
        return self.effort_hours <= 4 and self.risk is Risk.LOW
