"""An instance uses most of the CPU that it is given.

CPU is billed by the limit, not by the use. With the 99th percentile of the utilisation known, the limit can
shrink to the smallest size that keeps that peak at the autoscaler's target of 60 %. A mean alone hides the
peaks, so then nothing is advised, only said. Never below 1 vCPU: that forces one request at a time.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...model.advice import Finding, OptimizationRecommendation, Risk, Saving, Severity
from ...rules import Rule
from ..facts import ServiceFacts
from ._advice import advise, found, measured
from ._instance_price import instance_time, resize_saving

IDLE = 0.3  # mean utilisation below which a smaller limit is worth a look; the autoscaler aims at 0.6
PEAK_TARGET = 0.6
SIZES = (1.0, 2.0, 4.0, 6.0, 8.0)  # vCPU limits of Cloud Run from 1 up


def check(facts: ServiceFacts) -> Iterator[Finding | OptimizationRecommendation]:
    cpu, peak, vcpu = facts.cpu_utilization, facts.cpu_utilization_p99, facts.vcpu
    if cpu is None or vcpu is None or vcpu <= SIZES[0] or cpu >= IDLE:
        return
    evidence = measured(facts, "cpu_utilization", "cpu_utilization_p99", "vcpu", "billable_instance_seconds")
    if peak is None:
        yield found(
            RULE,
            facts,
            f"{cpu:.0%} of {vcpu:g} vCPU is used on average; give cpu_utilization_p99 to size by the peaks.",
            evidence,
        )
        return
    size = next(size for size in SIZES if size >= vcpu * peak / PEAK_TARGET or size == SIZES[-1])
    if size >= vcpu:
        return
    finding = found(
        RULE,
        facts,
        f"{cpu:.0%} of {vcpu:g} vCPU is used on average and {peak:.0%} at the 99th percentile: "
        f"{size:g} vCPU keeps that peak at {vcpu * peak / size:.0%}.",
        evidence,
    )
    yield advise(
        finding,
        facts,
        effort_hours=1,
        risk=Risk.MEDIUM,
        update=f"--cpu={size:g}",
        saving=_saving(facts, vcpu, size, cpu),
        steps=(
            f"Deploy a revision with {size:g} vCPU and send it a tenth of the traffic.",
            "Compare latency and billed instance time of both revisions for a day.",
            "Send it all the traffic, or go back.",
        ),
        excludes=("optimizer/concurrency-limit", "optimizer/cpu-saturated"),
    )


def _saving(facts: ServiceFacts, vcpu: float, size: float, cpu: float) -> Saving | None:
    time = instance_time(facts, "cpu")
    if time is None:
        return None
    # Work that ran on all vCPUs at once takes vcpu / size as long; it ran so for at most a share cpu.
    stretch = cpu * (vcpu / size - 1)
    memory = instance_time(facts, "memory")
    cost = None
    if memory is not None and facts.memory_gib is not None:
        units = facts.memory_gib * float(memory.seconds) * stretch
        cost = memory.price.cost(units, free_tier=False)
    return resize_saving(time, vcpu, size, stretch=stretch, stretch_cost=cost)


RULE = Rule(
    id="optimizer/idle-cpu",
    title="More CPU than the service uses",
    severity=Severity.WARNING,
    needs=frozenset({"cpu_utilization", "vcpu"}),
    source="https://cloud.google.com/run/docs/configuring/services/cpu",
    check=check,
)
