"""Run rules over facts; one that fails is skipped with its reason and never stops the others."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from ..model.advice import Finding, OptimizationRecommendation
from .rule import Rule

log = logging.getLogger(__name__)

F = TypeVar("F")


@dataclass(frozen=True, slots=True)
class Skipped:
    """A rule that could not look. It says nothing about the state: not examined is not clean."""

    rule: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleReport:
    """What the rules said; ``examined`` looked, ``skipped`` could not."""

    findings: tuple[Finding, ...] = ()
    recommendations: tuple[OptimizationRecommendation, ...] = ()
    examined: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()


def run_rules(rules: Iterable[Rule[F]], facts: F) -> RuleReport:
    """Check ``facts`` by every rule.

    The findings of a recommendation are among the report's findings. Of two recommendations with the
    same id the first one stays: the same advice is not given, or counted, twice.
    """
    findings: list[Finding] = []
    recommendations: dict[str, OptimizationRecommendation] = {}
    examined: list[str] = []
    skipped: list[Skipped] = []
    for rule in rules:
        missing = sorted(name for name in rule.needs if getattr(facts, name, None) is None)
        if missing:
            skipped.append(Skipped(rule.id, f"needs {', '.join(missing)}"))
            continue
        try:
            advice = list(rule.check(facts))
        except Exception as error:
            log.debug("rule %s failed", rule.id, exc_info=True)
            skipped.append(Skipped(rule.id, f"{type(error).__name__}: {error}"))
            continue
        examined.append(rule.id)
        for item in advice:
            if isinstance(item, Finding):
                findings.append(item)
            elif item.id not in recommendations:
                recommendations[item.id] = item
                findings.extend(item.findings)
    return RuleReport(
        findings=tuple(findings),
        recommendations=tuple(recommendations.values()),
        examined=tuple(examined),
        skipped=tuple(skipped),
    )
