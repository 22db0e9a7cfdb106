"""Versions that are disabled for good are destroyed.

A disabled version is billed as an active one, 0.06 USD a month and location; only a destroyed one is free.

The saving is the bill of all versions that were listed less the bill without the disabled ones.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...model.advice import Evidence, OptimizationRecommendation, Risk, Severity
from ...rules import Rule
from ..access import AccessFacts
from ..savings import SOURCE, advice, command, saving_of_versions


def check(facts: AccessFacts) -> Iterator[OptimizationRecommendation]:
    kept = facts.kept or ()
    having = [secret for secret in kept if secret.disabled]
    versions = sum(len(secret.disabled) for secret in having)
    active = sum(secret.active for secret in kept)
    saving = saving_of_versions(kept, active, sum(len(one.disabled) * one.locations for one in having))
    if saving is None:
        return
    yield advice(
        RULE.id,
        [secret.resource for secret in having],
        title=f"Destroy {versions} disabled version{'s' if versions > 1 else ''}",
        reason=f"{versions} of the versions of {len(having)} secrets are disabled and billed",
        consequence="A destroyed version can not be brought back.",
        evidence=(
            Evidence(name="disabled_versions", value=versions, source="list of versions"),
            Evidence(
                name="active_versions", value=active, unit="version x location", source="list of versions"
            ),
        ),
        steps=("Make sure that nobody means to enable them again.", "Destroy them."),
        commands=tuple(
            command("destroy", number, secret.resource) for secret in having for number in secret.disabled
        ),
        saving=saving,
        risk=Risk.MEDIUM,
    )


RULE = Rule[AccessFacts](
    id="secrets/disabled-versions",
    title="Disabled versions are billed",
    severity=Severity.INFO,
    check=check,
    needs=frozenset({"kept"}),
    source=SOURCE,
)
