"""The parts that every recommendation of the optimizer is made of."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable, Sequence

from ...model.advice import Evidence, Finding, OptimizationRecommendation, Risk, Saving
from ...rules import Rule, stable_id
from ..facts import METRICS, ServiceFacts


def measured(facts: ServiceFacts, *names: str) -> tuple[Evidence, ...]:
    """The metrics of these names that were measured."""
    return tuple(
        Evidence(name=name, value=getattr(facts, name), unit=METRICS[name]["unit"], source=facts.source)
        for name in names
        if getattr(facts, name) is not None
    )


def found(
    rule: Rule[ServiceFacts], facts: ServiceFacts, reason: str, evidence: Sequence[Evidence]
) -> Finding:
    """What a rule saw on the whole service."""
    return Finding(
        rule=rule.id,
        severity=rule.severity,
        resource=facts.service_name,
        title=rule.title,
        reason=reason,
        evidence=tuple(evidence),
    )


def advise(
    finding: Finding,
    facts: ServiceFacts,
    *,
    steps: Iterable[str],
    effort_hours: float,
    risk: Risk = Risk.LOW,
    update: str = "",
    saving: Saving | None = None,
    description: str = "",
    excludes: Iterable[str] = (),
) -> OptimizationRecommendation:
    """A recommendation about the whole service.

    Args:
        update: options of ``gcloud run services update`` that do it.
        excludes: ids of rules whose advice on this service must not be carried out as well.
    """
    return OptimizationRecommendation(
        id=advice_id(finding.rule, facts),
        rule=finding.rule,
        title=f"{finding.title}: {facts.service_name}",
        description=f"{finding.reason} {description}".strip(),
        resource=finding.resource,
        service_name=facts.service_name,
        severity=finding.severity,
        risk=risk,
        effort_hours=effort_hours,
        steps=tuple(steps),
        commands=(f"gcloud run services update {shlex.quote(facts.service_name)} {update}",)
        if update
        else (),
        findings=(finding,),
        saving=saving,
        conflicts_with=tuple(advice_id(rule, facts) for rule in excludes),
    )


def advice_id(rule: str, facts: ServiceFacts) -> str:
    return stable_id(rule, facts.service_type, facts.service_name)


def at_least(share: float, count: float, z: float = 1.96) -> float:
    """Lower bound of a share seen in ``count`` requests, 97.5 % sure: three of five is not 60 %.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
    """
    if count <= 0:
        return 0.0
    spread = z * math.sqrt((share * (1 - share) + z * z / (4 * count)) / count)
    return max(0.0, (share + z * z / (2 * count) - spread) / (1 + z * z / count))
