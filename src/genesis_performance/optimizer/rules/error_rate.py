"""No more requests fail than the objective allows.

The share must be above the objective beyond chance: three failures among ten requests prove little, so the
lower bound of the share is compared, not the share.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...model.advice import Evidence, OptimizationRecommendation, Severity
from ...rules import Rule
from ..facts import DEFAULT_TARGET_ERROR_RATE, ServiceFacts
from ._advice import advise, at_least, found, measured

SHOWN = 3


def check(facts: ServiceFacts) -> Iterator[OptimizationRecommendation]:
    rate, requests = facts.error_rate, facts.request_count
    if rate is None or requests is None:
        return
    target = DEFAULT_TARGET_ERROR_RATE if facts.target_error_rate is None else facts.target_error_rate
    surely = at_least(rate, requests)
    if surely <= target:
        return
    finding = found(
        RULE,
        facts,
        f"{rate:.2%} of {requests:.0f} requests failed (surely more than {surely:.2%}) "
        f"against an objective of {target:.2%}.",
        [*measured(facts, "error_rate", "request_count", "target_error_rate"), *_failing(facts)],
    )
    yield advise(
        finding,
        facts,
        effort_hours=6,
        steps=(
            "Look at the operations with the most errors and their exception classes.",
            "Compare with the time of the last deployment; roll back if they start together.",
        ),
    )


def _failing(facts: ServiceFacts) -> list[Evidence]:
    failing = sorted((o for o in facts.operations or () if o.errors), key=lambda o: -o.errors)
    return [
        Evidence(name="errors", value=o.errors, unit="executions", source=f"operation {o.name}")
        for o in failing[:SHOWN]
    ]


RULE = Rule(
    id="optimizer/error-rate",
    title="More failing requests than the objective allows",
    severity=Severity.CRITICAL,
    needs=frozenset({"error_rate", "request_count"}),
    source="https://sre.google/sre-book/service-level-objectives/",
    check=check,
)
