"""Cost recommendations as the requirements' example reads them: a typed mapping each."""

from __future__ import annotations

from typing import TypedDict

from ..model.advice import OptimizationRecommendation
from ..rules import discover, run_rules
from .access import AccessFacts


class RecommendationEvidence(TypedDict):
    """One measured fact."""

    name: str
    value: float | int | str
    unit: str
    source: str


class CostRecommendation(TypedDict):
    """One element of ``get_cost_recommendations()``; savings are money a month in ``currency``."""

    id: str
    rule: str
    title: str
    description: str
    resource: str
    estimated_monthly_savings: float
    low_monthly_savings: float
    high_monthly_savings: float
    currency: str
    formula: str
    basis: str  # the measurement and the list price, with source and date
    evidence: list[RecommendationEvidence]
    steps: list[str]
    commands: list[str]  # the same as gcloud lines, where there are any
    effort_hours: float
    risk: str


def cost_recommendations(facts: AccessFacts) -> list[CostRecommendation]:
    """What the rules advise, the largest saving first; empty when there is nothing to save."""
    found = run_rules(discover(f"{__package__}.rules"), facts).recommendations
    advised = [mapping for mapping in map(_mapping, found) if mapping is not None]
    return sorted(advised, key=lambda advice: -advice["estimated_monthly_savings"])


def _mapping(advice: OptimizationRecommendation) -> CostRecommendation | None:
    saving = advice.saving
    if saving is None:
        return None
    return {
        "id": advice.id,
        "rule": advice.rule,
        "title": advice.title,
        "description": advice.description,
        "resource": advice.resource,
        "estimated_monthly_savings": float(saving.expected),
        "low_monthly_savings": float(saving.low),
        "high_monthly_savings": float(saving.high),
        "currency": saving.expected.currency,
        "formula": saving.formula,
        "basis": saving.basis,
        "evidence": [
            {"name": fact.name, "value": fact.value, "unit": fact.unit, "source": fact.source}
            for finding in advice.findings
            for fact in finding.evidence
        ],
        "steps": list(advice.steps),
        "commands": list(advice.commands),
        "effort_hours": advice.effort_hours,
        "risk": advice.risk.value,
    }
