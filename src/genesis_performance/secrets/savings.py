"""Money that the rules put on calls and on versions, and the shape of their advice.

The free tiers are the billing account's, and what else uses them is not known here. So the expected saving
has the free tier applied to what was measured alone, which makes it small; the high one has it used up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..model.advice import Evidence, Finding, OptimizationRecommendation, Risk, Saving, Severity
from ..model.money import Money
from ..prices import unit_price
from ..rules import stable_id
from .access import AccessFacts
from .inventory import PRICE as VERSION
from .inventory import KeptSecret

MONTH_S = 730 * 3600  # Google bills a month as 730 hours
MIN_OBSERVED_S = 600.0  # less says nothing about a month
LONG_ENOUGH_S = 86_400.0  # before anything is called unused
MIN_SAVING = 0.01  # a cent a month is not worth a change

ACCESS = "secretmanager.access"
SOURCE = "https://cloud.google.com/secret-manager/pricing"


def saving_of_calls(facts: AccessFacts, calls: int, then: float) -> Saving | None:
    """Of making ``then`` calls a month instead of ``calls`` as measured; None for less than a cent.

    Low: the rate at the lower end of its 95 % interval (Poisson), the free tier untouched by others. High: at
    the upper end, the free tier used up.
    """
    now = calls * MONTH_S / facts.observed_s
    spread = 1.96 / math.sqrt(calls)
    expected = _saved(ACCESS, now, then, free_tier=True)
    if float(expected) < MIN_SAVING:
        return None
    price = unit_price(ACCESS)
    return Saving(
        low=_saved(ACCESS, now * max(0.0, 1 - spread), then, free_tier=True),
        expected=expected,
        high=_saved(ACCESS, now * (1 + spread), then, free_tier=False),
        formula=(
            f"cost({calls} accesses / {facts.observed_s:.0f} s x {MONTH_S} s = {now:.0f} a month) "
            f"- cost({then:.0f} a month) = {expected.amount:.2f} {expected.currency}; "
            f"cost(n) = max(0, n - {price.free_tier_amount} free) x {price.amount:f}"
        ),
        basis=f"accesses of {_processes(facts)}, measured; {price.basis}",
    )


def saving_of_versions(
    kept: Sequence[KeptSecret], before: int, fewer: int, *, is_certain: bool = True
) -> Saving | None:
    """Of keeping ``fewer`` of the ``before`` active versions and locations less; None for less than a cent.

    Args:
        kept: all that were listed.
        is_certain: False where somebody else may need them, so that the low saving is none.
    """
    after = before - fewer
    expected = _saved(VERSION, before, after, free_tier=True)
    if float(expected) < MIN_SAVING:
        return None
    price = unit_price(VERSION)
    return Saving(
        low=expected if is_certain else Money(expected.amount * 0, expected.currency),
        expected=expected,
        high=_saved(VERSION, before, after, free_tier=False),
        formula=(
            f"cost({before} active versions x locations) - cost({after}) = "
            f"{expected.amount:.2f} {expected.currency}; "
            f"cost(n) = max(0, n - {price.free_tier_amount} free) x {price.amount:f}"
        ),
        basis=f"versions of {len(kept)} secrets, listed; {price.basis}",
    )


def advice(
    rule: str,
    resources: Sequence[str],
    *,
    title: str,
    reason: str,
    consequence: str,
    evidence: tuple[Evidence, ...],
    steps: tuple[str, ...],
    saving: Saving,
    risk: Risk,
    effort_hours: float = 0.5,
    commands: tuple[str, ...] = (),
) -> OptimizationRecommendation:
    """One recommendation with its one finding.

    Args:
        resources: what it is about, at least one.
        consequence: what changes for the reader beside the bill; a sentence.
    """
    resource = resources[0] if len(resources) == 1 else f"{len(resources)} secrets"
    finding = Finding(
        rule=rule, severity=Severity.INFO, resource=resource, title=title, reason=reason, evidence=evidence
    )
    return OptimizationRecommendation(
        id=stable_id(rule, *sorted(resources)),
        rule=rule,
        title=title,
        description=f"{reason}. {consequence}",
        resource=resource,
        severity=Severity.INFO,
        risk=risk,
        effort_hours=effort_hours,
        steps=steps,
        commands=commands,
        findings=(finding,),
        saving=saving,
    )


def command(verb: str, number: int, resource: str, flag: str = "") -> str:
    """``gcloud secrets versions VERB N --secret=S ...`` for a secret's resource name."""
    parts = resource.split("/")
    where = f"--project={parts[1]}" + (f" --location={parts[3]}" if parts[2] == "locations" else "")
    return f"gcloud secrets versions {verb} {number} --secret={parts[-1]} {where}{flag}"


def _saved(price_key: str, now: float, then: float, *, free_tier: bool) -> Money:
    price = unit_price(price_key)
    return price.cost(now, free_tier=free_tier) - price.cost(min(then, now), free_tier=free_tier)


def _processes(facts: AccessFacts) -> str:
    return "one process" if facts.processes == 1 else f"{facts.processes} processes"
