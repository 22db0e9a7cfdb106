"""Few requests wait for an instance to start.

A warm instance takes the wait away and costs idle CPU and memory around the clock; both are said, so that the
price of the wait can be weighed. Startup CPU boost and lighter imports come first, they cost nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...errors import UnknownNameError
from ...model.advice import OptimizationRecommendation, Severity
from ...prices import unit_price
from ...rules import Rule
from ..facts import ServiceFacts
from ._advice import advise, at_least, found, measured
from ._instance_price import MONTH_S

OFTEN = 0.01  # more than 1 % reaches the 99th percentile that users see


def check(facts: ServiceFacts) -> Iterator[OptimizationRecommendation]:
    rate, requests = facts.cold_start_rate, facts.request_count
    if rate is None or requests is None:
        return
    surely = at_least(rate, requests)
    if surely <= OFTEN:
        return
    startup = f", {facts.startup_latency_ms:g} ms each" if facts.startup_latency_ms is not None else ""
    finding = found(
        RULE,
        facts,
        f"{rate:.2%} of {requests:.0f} requests (surely more than {surely:.2%}) waited for an instance "
        f"to start{startup}.",
        measured(facts, "cold_start_rate", "request_count", "startup_latency_ms", "min_instances"),
    )
    yield advise(
        finding,
        facts,
        effort_hours=2,
        update="--cpu-boost",
        description=_price_of_a_warm_instance(facts),
        steps=(
            "Turn startup CPU boost on.",
            "Import what only some requests need inside the function that needs it.",
            "If that is not enough, keep one instance warm (--min-instances=1) and pay for it.",
        ),
    )


def _price_of_a_warm_instance(facts: ServiceFacts) -> str:
    if facts.vcpu is None or facts.memory_gib is None:
        return ""
    try:
        cpu = unit_price("run.idle.cpu", region=facts.region)
        memory = unit_price("run.idle.memory", region=facts.region)
    except UnknownNameError:
        return ""
    cost = cpu.cost(facts.vcpu * MONTH_S) + memory.cost(facts.memory_gib * MONTH_S)
    return (
        f"One warm instance costs at most {cost} a month: {MONTH_S} s x ({facts.vcpu:g} vCPU x {cpu.amount} "
        f"+ {facts.memory_gib:g} GiB x {memory.amount}), {cpu.source}, as of {cpu.as_of}."
    )


RULE = Rule(
    id="optimizer/cold-starts",
    title="Requests that wait for a cold start",
    severity=Severity.WARNING,
    needs=frozenset({"cold_start_rate", "request_count"}),
    source="https://cloud.google.com/run/docs/tips/general",
    check=check,
)
