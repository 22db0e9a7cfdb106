"""The parts that every recommendation from a bill is made of."""

from __future__ import annotations

from collections.abc import Sequence

from ...model.advice import Evidence, Finding, OptimizationRecommendation, Risk, Saving
from ...model.money import Money
from ...rules import Rule, stable_id
from ..bill import Bill, BillLine


def total(amounts: Sequence[Money]) -> Money:
    added = amounts[0]
    for amount in amounts[1:]:
        added = added + amount
    return added


def source(bill: Bill) -> str:
    return f"billing export {bill.invoice_month}"


def found(rule: Rule[Bill], bill: Bill, resource: str, reason: str, lines: Sequence[BillLine]) -> Finding:
    """What a rule saw in these lines, each of them evidence."""
    return Finding(
        rule=rule.id,
        severity=rule.severity,
        resource=resource,
        title=rule.title,
        reason=reason,
        evidence=tuple(
            Evidence(
                name=f"{line.sku} net",
                value=f"{line.net.amount:f}",
                unit=line.net.currency,
                source=source(bill),
            )
            for line in lines
        ),
    )


def net_saving(bill: Bill, lines: Sequence[BillLine]) -> Saving:
    """Doing without these lines: what they cost net of credits, at most what they cost without them.

    Credits that covered them may cover something else then, or run out; between the two lies the truth.
    """
    net, gross = total([line.net for line in lines]), total([line.gross for line in lines])
    return Saving(
        low=min(net, gross),
        expected=net,
        high=max(net, gross),
        formula=(
            f"gross {gross.amount:f} + credits {(net - gross).amount:f} = {net.amount:f} {net.currency} "
            f"in {bill.invoice_month}; high: without the credits"
        ),
        basis=f"{len(lines)} SKUs as billed in {bill.source}, invoice month {bill.invoice_month}",
    )


def advise(
    finding: Finding,
    *,
    project: str,
    steps: Sequence[str],
    effort_hours: float,
    risk: Risk = Risk.LOW,
    saving: Saving | None = None,
    commands: Sequence[str] = (),
    description: str = "",
) -> OptimizationRecommendation:
    return OptimizationRecommendation(
        id=stable_id(finding.rule, finding.resource, project),
        rule=finding.rule,
        title=f"{finding.title}: {finding.resource}",
        description=f"{finding.reason} {description}".strip(),
        resource=finding.resource,
        severity=finding.severity,
        risk=risk,
        effort_hours=effort_hours,
        steps=tuple(steps),
        commands=tuple(commands),
        findings=(finding,),
        saving=saving,
        attributes={"project": project},
    )
