"""An instance has memory to spare at its heaviest use.

An instance that exceeds its limit is killed with all the requests that it serves.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...model.advice import OptimizationRecommendation, Severity
from ...rules import Rule
from ..facts import ServiceFacts
from ._advice import advise, found, measured

FULL = 0.9  # share of the limit


def check(facts: ServiceFacts) -> Iterator[OptimizationRecommendation]:
    name = "memory_utilization" if facts.memory_utilization_max is None else "memory_utilization_max"
    used: float = getattr(facts, name)
    if used < FULL:
        return
    kind = "on average" if name == "memory_utilization" else "at most"
    finding = found(
        RULE,
        facts,
        f"{used:.0%} of the memory limit was used {kind}; an instance above 100 % is killed.",
        measured(facts, "memory_utilization", "memory_utilization_max", "memory_gib"),
    )
    yield advise(
        finding,
        facts,
        effort_hours=3,
        steps=(
            "Find what grows with a profiling session that has enable_memory_profiling.",
            "Lower the concurrency or raise the memory limit until it is found.",
        ),
        excludes=("optimizer/idle-memory",),
    )


RULE = Rule(
    id="optimizer/memory-pressure",
    title="Little memory left",
    severity=Severity.CRITICAL,
    needs=frozenset({"memory_utilization"}),
    source="https://cloud.google.com/run/docs/configuring/services/memory-limits",
    check=check,
)
