"""An instance serves as many requests at once as its CPU allows.

A low concurrency limit makes Cloud Run start instances that mostly wait, and all of their time is billed. How
much is saved depends on how requests arrive, which these metrics do not tell: no amount is promised. The
bound in the description is that of perfect packing.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...model.advice import OptimizationRecommendation, Risk, Severity
from ...rules import Rule
from ..facts import ServiceFacts
from ._advice import advise, found, measured

CPU_TARGET = 0.6  # the autoscaler's
DEFAULT = 80  # Cloud Run's concurrency limit unless told otherwise
WORTH = 2  # at least twice the limit


def check(facts: ServiceFacts) -> Iterator[OptimizationRecommendation]:
    limit, cpu = facts.concurrency, facts.cpu_utilization
    if limit is None or cpu is None or facts.vcpu is None or facts.vcpu < 1 or limit >= DEFAULT:
        return
    possible = DEFAULT if cpu == 0 else min(DEFAULT, int(limit * CPU_TARGET / cpu))
    if possible < limit * WORTH:
        return
    finding = found(
        RULE,
        facts,
        f"At most {limit:g} requests at once keep an instance at {cpu:.0%} CPU; "
        f"about {possible} would reach the autoscaler's target of 60 %.",
        measured(facts, "concurrency", "cpu_utilization", "vcpu", "instance_count"),
    )
    yield advise(
        finding,
        facts,
        effort_hours=3,
        risk=Risk.MEDIUM,
        update=f"--concurrency={possible}",
        description=(
            f"With requests packed perfectly, the billed instance time would be to {limit / possible:.0%}, "
            "the real figure lies between that and no change."
        ),
        steps=(
            "Check that the code is safe with several requests at once: globals, connections, files.",
            f"Raise the limit in steps, to at most {possible}, and watch latency and memory.",
        ),
        excludes=("optimizer/idle-cpu", "optimizer/cpu-saturated"),
    )


RULE = Rule(
    id="optimizer/concurrency-limit",
    title="Instances that serve few requests at once",
    severity=Severity.WARNING,
    needs=frozenset({"concurrency", "cpu_utilization", "vcpu"}),
    source="https://cloud.google.com/run/docs/about-concurrency",
    check=check,
)
