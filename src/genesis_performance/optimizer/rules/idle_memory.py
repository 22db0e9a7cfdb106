"""An instance uses most of the memory that it is given.

Memory is billed by the limit. The new limit is the highest use that was measured plus 15 %, because an
instance that runs out of memory is killed; and no less than Cloud Run asks for with that many vCPUs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from ...model.advice import OptimizationRecommendation, Risk, Severity
from ...rules import Rule
from ..facts import ServiceFacts
from ._advice import advise, found, measured
from ._instance_price import instance_time, resize_saving

MARGIN = 1.15  # over the highest use, as Robusta KRR does it
STEP_GIB = 0.125
LOWEST_GIB = 0.5
FLOORS = ((6.0, 4.0), (4.0, 2.0))  # vCPUs from which on so many GiB are the least
WORTH = 0.75  # a limit that shrinks by less than a quarter is not worth a deployment


def check(facts: ServiceFacts) -> Iterator[OptimizationRecommendation]:
    limit, highest = facts.memory_gib, facts.memory_utilization_max
    if limit is None or highest is None:
        return
    floor = next((gib for vcpu, gib in FLOORS if (facts.vcpu or 1.0) >= vcpu), LOWEST_GIB)
    size = max(floor, math.ceil(limit * highest * MARGIN / STEP_GIB) * STEP_GIB)
    if size > limit * WORTH:
        return
    finding = found(
        RULE,
        facts,
        f"At most {highest:.0%} of {limit:g} GiB was used: {size:g} GiB keeps 15 % above that.",
        measured(facts, "memory_utilization_max", "memory_gib", "vcpu", "billable_instance_seconds"),
    )
    time = instance_time(facts, "memory")
    yield advise(
        finding,
        facts,
        effort_hours=1,
        risk=Risk.MEDIUM,
        update=f"--memory={size * 1024:.0f}Mi",
        saving=resize_saving(time, limit, size) if time else None,
        steps=(
            f"Check that the window holds the heaviest work of the service, then deploy with {size:g} GiB.",
            "Watch container/memory/utilizations for a day.",
        ),
        excludes=("optimizer/memory-pressure",),
    )


RULE = Rule(
    id="optimizer/idle-memory",
    title="More memory than the service uses",
    severity=Severity.WARNING,
    needs=frozenset({"memory_utilization_max", "memory_gib"}),
    source="https://cloud.google.com/run/docs/configuring/services/memory-limits",
    check=check,
)
