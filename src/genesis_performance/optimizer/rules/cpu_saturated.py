"""A service that answers too late has CPU to spare.

Cloud Run adds instances at 60 % CPU over a minute. A service that stays far above that is at its instance
limit, or its load comes faster than instances start; requests then queue for CPU.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...model.advice import OptimizationRecommendation, Risk, Severity
from ...rules import Rule
from ..facts import ServiceFacts
from ._advice import advise, found, measured

SATURATED = 0.8  # mean over the window; the autoscaler aims at 0.6


def check(facts: ServiceFacts) -> Iterator[OptimizationRecommendation]:
    p95, target, cpu = facts.p95_latency_ms, facts.target_latency_ms, facts.cpu_utilization
    if p95 is None or target is None or cpu is None or p95 <= target or cpu < SATURATED:
        return
    finding = found(
        RULE,
        facts,
        f"The 95th percentile is {p95:g} ms against an objective of {target:g} ms at {cpu:.0%} CPU; "
        "the autoscaler aims at 60 %.",
        measured(facts, "p95_latency_ms", "target_latency_ms", "cpu_utilization", "instance_count"),
    )
    yield advise(
        finding,
        facts,
        effort_hours=6,
        risk=Risk.MEDIUM,
        steps=(
            "Check whether the service runs at its maximum number of instances, and raise it if it does.",
            "Profile by CPU time and make the hottest function cheaper.",
            "Lower the concurrency if single requests are heavy.",
        ),
        excludes=("optimizer/idle-cpu", "optimizer/concurrency-limit"),
    )


RULE = Rule(
    id="optimizer/cpu-saturated",
    title="Slow answers for want of CPU",
    severity=Severity.CRITICAL,
    needs=frozenset({"p95_latency_ms", "target_latency_ms", "cpu_utilization"}),
    source="https://cloud.google.com/run/docs/about-instance-autoscaling",
    check=check,
)
