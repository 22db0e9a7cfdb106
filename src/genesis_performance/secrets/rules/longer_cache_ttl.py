"""Secrets that never change are not asked for every few seconds.

Each access is billed. Where no version changed while we watched, a lifetime of five minutes brings the same
values with fewer accesses; the price is that a rotation is seen later, by at most the new lifetime. From five
minutes on, notices of changes save more and make nothing later: see the rule on them.

The saving is the bill at the measured rate less the bill at the longest rate that the new lifetime allows.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...model.advice import Evidence, OptimizationRecommendation, Risk, Severity
from ...rules import Rule
from ..access import AccessFacts
from ..savings import MIN_OBSERVED_S, MONTH_S, SOURCE, advice, saving_of_calls

LIFETIME_S = 300.0


def check(facts: AccessFacts) -> Iterator[OptimizationRecommendation]:
    steady = [secret for secret in facts.secrets if secret.calls and not secret.version_changes]
    if facts.cache_ttl_s >= LIFETIME_S or facts.observed_s < MIN_OBSERVED_S or not steady:
        return
    months = facts.observed_s / MONTH_S
    calls = sum(facts.usual_calls(secret) for secret in steady)
    then = sum(min(facts.usual_calls(secret) / months, MONTH_S / LIFETIME_S) for secret in steady)
    saving = saving_of_calls(facts, calls, then)
    if saving is None:
        return
    yield advice(
        RULE.id,
        [secret.resource for secret in steady],
        title=f"Keep secrets for {LIFETIME_S:g} s instead of {facts.cache_ttl_s:g} s",
        reason=(
            f"{calls} accesses in {facts.observed_s:.0f} s brought no new version; "
            f"the cache keeps a value for {facts.cache_ttl_s:g} s"
        ),
        consequence=f"A rotation will be seen up to {LIFETIME_S:g} s late.",
        evidence=(
            Evidence(name="accesses", value=calls, source=facts.measured_in),
            Evidence(name="version_changes", value=0, source=facts.measured_in),
            Evidence(name="cache_ttl", value=facts.cache_ttl_s, unit="s", source="setting"),
        ),
        steps=(f"Set SECRET_CACHE_TTL={LIFETIME_S:g} (secret_manager.cache_ttl_s).",),
        saving=saving,
        risk=Risk.LOW,
    )


RULE = Rule[AccessFacts](
    id="secrets/longer-cache-ttl",
    title="Secrets that never change are read again and again",
    severity=Severity.INFO,
    check=check,
    source=SOURCE,
)
