"""A service that answers too late is busy while it does so.

Latency far above the objective at little CPU means that requests wait: for a database, another service, a
lock. More CPU or more instances do not help; finding out what they wait for does. CPU utilisation is the mean
over all vCPUs, and one Python thread keeps at most one of them busy: 25 % of 4 vCPUs is one busy thread.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...model.advice import Evidence, OptimizationRecommendation, Severity
from ...model.operation import OperationSnapshot
from ...rules import Rule
from ..facts import ServiceFacts
from ._advice import advise, found, measured

BUSY_VCPUS = 0.5  # below half a vCPU of work even one thread mostly waits
SHOWN = 3


def check(facts: ServiceFacts) -> Iterator[OptimizationRecommendation]:
    p95, target, cpu = facts.p95_latency_ms, facts.target_latency_ms, facts.cpu_utilization
    if p95 is None or target is None or cpu is None or p95 <= target:
        return
    vcpu = facts.vcpu or 1.0
    if cpu * vcpu >= BUSY_VCPUS:
        return
    waiting = _waiting(facts.operations or ())
    finding = found(
        RULE,
        facts,
        f"The 95th percentile is {p95:g} ms against an objective of {target:g} ms, at {cpu:.0%} CPU "
        f"of {vcpu:g} vCPU{'' if facts.vcpu else ' (assumed)'}: requests wait more than they compute.",
        [*measured(facts, "p95_latency_ms", "target_latency_ms", "cpu_utilization", "vcpu"), *waiting],
    )
    yield advise(
        finding,
        facts,
        effort_hours=8,
        steps=(
            "Profile the slowest operations by wall time, awaited time included.",
            "Look for calls that repeat within one execution, run one after the other, or lack an index.",
            "Batch them, run them at the same time, or cache what does not change.",
        ),
    )


def _waiting(operations: tuple[OperationSnapshot, ...]) -> list[Evidence]:
    """The operations that lost most wall time off the CPU, where CPU time is known."""
    lost = [(o.sum_ns - o.cpu_ns, o) for o in operations if o.cpu_ns is not None and o.sum_ns > o.cpu_ns]
    lost.sort(key=lambda pair: -pair[0])
    return [
        Evidence(
            name="off_cpu_ms_per_execution",
            value=round(ns / o.count / 1e6, 3),
            unit="ms",
            source=f"operation {o.name}",
        )
        for ns, o in lost[:SHOWN]
        if o.count
    ]


RULE = Rule(
    id="optimizer/io-bound-latency",
    title="Slow answers from waiting, not from computing",
    severity=Severity.WARNING,
    needs=frozenset({"p95_latency_ms", "target_latency_ms", "cpu_utilization"}),
    source="https://cloud.google.com/run/docs/about-instance-autoscaling",
    check=check,
)
