"""An operation reads the same thing once.

The same read made again within one execution is time that the request waits for nothing, and where reads are
billed it is money. The recorder tells the call site, how often it repeats and how long the calls took.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from ...model.advice import Evidence, Finding, OptimizationRecommendation, Saving, Severity
from ...model.money import Money
from ...model.operation import RepeatedCall
from ...prices import Price, unit_price
from ...rules import Rule, stable_id
from ..facts import ServiceFacts
from ._instance_price import MONTH_S

PRICES = {"secret read": "secretmanager.access"}
"""Kind of call to the price of one."""

MIN_EXECUTIONS = 3  # once may be a retry
MIN_CALL_MS = 0.1  # quicker ones, on average, were answered from a cache in this process: nothing to gain
MIN_WINDOW_S = 30.0  # a rate over less says nothing about a month


def check(facts: ServiceFacts) -> Iterator[OptimizationRecommendation]:
    for repeat in facts.repeated_calls or ():
        is_repeated = repeat.executions >= MIN_EXECUTIONS and repeat.calls > repeat.executions
        if is_repeated and repeat.duration_ns >= repeat.calls * MIN_CALL_MS * 1e6:
            yield _advice(facts, repeat)


def _advice(facts: ServiceFacts, repeat: RepeatedCall) -> OptimizationRecommendation:
    mean = repeat.calls / repeat.executions
    call_ms = repeat.duration_ns / repeat.calls / 1e6
    source = f"operation {repeat.operation}"
    finding = Finding(
        rule=RULE.id,
        severity=RULE.severity,
        resource=repeat.operation,
        title=f"The same {repeat.kind} {mean:.1f} times in one {repeat.operation}",
        reason=(
            f"{repeat.function} at {repeat.site} makes the {repeat.kind} of {repeat.key!r} "
            f"{repeat.calls} times in {repeat.executions} executions of {repeat.operation}, {mean:.1f} each "
            f"and {repeat.most} in the worst; a call takes {call_ms:.2f} ms."
        ),
        file=repeat.file,
        line=repeat.line,
        evidence=(
            Evidence(name="calls", value=repeat.calls, unit="calls", source=source),
            Evidence(name="executions", value=repeat.executions, unit="executions", source=source),
            Evidence(name="most_calls_in_one", value=repeat.most, unit="calls", source=source),
            Evidence(name="mean_call_ms", value=round(call_ms, 4), unit="ms", source=source),
        ),
    )
    return OptimizationRecommendation(
        id=stable_id(RULE.id, facts.service_name, repeat.operation, repeat.kind, repeat.key, repeat.function),
        rule=RULE.id,
        title=f"{finding.title}, at {repeat.site}",
        description=finding.reason,
        resource=repeat.operation,
        service_name=facts.service_name,
        severity=RULE.severity,
        effort_hours=1,
        steps=(
            f"Move the {repeat.kind} at {repeat.site} out of the loop, before it starts.",
            "Or read through a cache that lives as long as the process (OptimizedSecretManager has one).",
        ),
        findings=(finding,),
        saving=_saving(facts, repeat),
        latency_gain_ms=_gain(repeat, call_ms),
        attributes={"operation": repeat.operation, "file": repeat.file, "line": str(repeat.line)},
    )


def _gain(repeat: RepeatedCall, call_ms: float) -> tuple[float, float, float]:
    """All calls but the first, at the mean duration: in the best, the mean and the worst execution.

    The best that repeats has one call too many.
    """
    mean = (repeat.calls - repeat.executions) / repeat.executions * call_ms
    return (min(call_ms, mean), mean, max(mean, (repeat.most - 1) * call_ms))


def _saving(facts: ServiceFacts, repeat: RepeatedCall) -> Saving | None:
    window_s = facts.observed_s
    if repeat.kind not in PRICES or window_s is None or window_s < MIN_WINDOW_S:
        return None
    price = unit_price(PRICES[repeat.kind])
    month = MONTH_S / Decimal(str(window_s))
    # Executions arrive as they like: the number of them is known to its square root (Poisson).
    doubt = min(Decimal(1), Decimal("1.96") / Decimal(repeat.executions).sqrt())
    calls, once = repeat.calls * month, repeat.executions * month
    expected = _difference(price, calls, once, free_tier=True)
    return Saving(
        low=_difference(price, calls * (1 - doubt), once * (1 - doubt), free_tier=True),
        expected=expected,
        high=_difference(price, calls * (1 + doubt), once * (1 + doubt), free_tier=False),
        formula=(
            f"cost({calls:.0f} accesses) - cost({once:.0f} accesses) = {expected.amount:.2f} "
            f"{expected.currency} a month: ({repeat.calls} - {repeat.executions}) x {MONTH_S} s / "
            f"{window_s:.0f} s x {price.amount:f} {price.currency}, less what {price.free_tier_amount} free "
            f"accesses cover; low and high: {doubt:.0%} less and more traffic, high without free accesses"
        ),
        basis=f"calls of this process in {window_s:.0f} s, taken as typical of the month; {price.basis}",
    )


def _difference(price: Price, more: Decimal, fewer: Decimal, *, free_tier: bool) -> Money:
    return price.cost(more, free_tier=free_tier) - price.cost(fewer, free_tier=free_tier)


RULE = Rule(
    id="optimizer/identical-reads",
    title="The same read again and again in one operation",
    severity=Severity.WARNING,
    needs=frozenset({"repeated_calls"}),
    source="https://cloud.google.com/secret-manager/docs/best-practices",
    check=check,
)
