"""Secrets that never change are not asked for again and again.

Each access is billed. Where no version changed while we watched, a longer ``cache_ttl_s`` brings the same
values with fewer accesses; the price is that a rotation is seen later, by at most the new lifetime.

The saving is the bill at the measured rate less the bill at the longest rate that the new lifetime allows.
Low: the rate at the lower end of its 95 % interval, and the billing account's free tier is still untouched.
High: at the upper end, and the free tier is used up by other processes.

Source: https://cloud.google.com/secret-manager/pricing
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from ...model.advice import (
    Evidence,
    Finding,
    OptimizationRecommendation,
    Risk,
    Saving,
    Severity,
)
from ...model.money import Money
from ...prices import unit_price
from ...rules import Rule, stable_id
from ..access import AccessFacts

MONTH_S = 730 * 3600  # Google bills a month as 730 hours
MIN_OBSERVED_S = 600.0  # less says nothing about a month
MIN_SAVING = 0.01  # a cent a month is not worth a change
LIFETIMES_S = (300.0, 3600.0)  # what is recommended: the next one above the current

PRICE = "secretmanager.access"


def check(facts: AccessFacts) -> Iterator[OptimizationRecommendation]:
    longer_s = next((ttl_s for ttl_s in LIFETIMES_S if ttl_s > facts.cache_ttl_s), None)
    steady = [secret for secret in facts.secrets if secret.calls and not secret.version_changes]
    if longer_s is None or facts.observed_s < MIN_OBSERVED_S or not steady:
        return
    months = facts.observed_s / MONTH_S
    calls = sum(secret.calls for secret in steady)
    now = calls / months
    then = sum(min(secret.calls / months, MONTH_S / longer_s) for secret in steady)
    spread = 1.96 / math.sqrt(calls)  # Poisson
    price = unit_price(PRICE)
    expected = _saved(now, then, free_tier=True)
    if float(expected) < MIN_SAVING:
        return
    low = _saved(now * max(0.0, 1 - spread), then, free_tier=True)
    high = _saved(now * (1 + spread), then, free_tier=False)
    resource = steady[0].resource if len(steady) == 1 else f"{len(steady)} secrets"
    evidence = (
        Evidence(name="accesses", value=calls, source=f"measured in {facts.observed_s:.0f} s"),
        Evidence(name="version_changes", value=0, source=f"measured in {facts.observed_s:.0f} s"),
        Evidence(name="cache_ttl", value=facts.cache_ttl_s, unit="s", source="setting"),
    )
    reason = (
        f"{calls} accesses in {facts.observed_s:.0f} s brought no new version; "
        f"the cache keeps a value for {facts.cache_ttl_s:g} s"
    )
    title = f"Keep secrets for {longer_s:g} s instead of {facts.cache_ttl_s:g} s"
    yield OptimizationRecommendation(
        id=stable_id(RULE.id, *sorted(secret.resource for secret in steady)),
        rule=RULE.id,
        title=title,
        description=f"{reason}. A rotation will be seen up to {longer_s:g} s late.",
        resource=resource,
        severity=Severity.INFO,
        risk=Risk.LOW if longer_s <= 300 else Risk.MEDIUM,
        effort_hours=0.5,
        steps=(f"Set SECRET_CACHE_TTL={longer_s:g} (secret_manager.cache_ttl_s).",),
        findings=(
            Finding(
                rule=RULE.id,
                severity=Severity.INFO,
                resource=resource,
                title=title,
                reason=reason,
                evidence=evidence,
            ),
        ),
        saving=Saving(
            low=low,
            expected=expected,
            high=high,
            formula=(
                f"cost({calls} accesses / {facts.observed_s:.0f} s x {MONTH_S} s = {now:.0f} a month) "
                f"- cost({then:.0f} a month) = {expected.amount:.2f} {expected.currency}; "
                f"cost(n) = max(0, n - {price.free_tier_amount} free) x {price.amount:f}"
            ),
            basis=f"accesses of one process, measured; {price.basis}",
        ),
    )


def _saved(now: float, then: float, *, free_tier: bool) -> Money:
    price = unit_price(PRICE)
    return price.cost(now, free_tier=free_tier) - price.cost(min(then, now), free_tier=free_tier)


RULE = Rule[AccessFacts](
    id="secrets/longer-cache-ttl",
    title="Secrets that never change are read again and again",
    severity=Severity.INFO,
    check=check,
    source="https://cloud.google.com/secret-manager/pricing",
)
