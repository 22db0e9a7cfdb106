"""The slowest requests are of the same kind as the others.

A 99th percentile of many times the median is a second kind of request: a cold start, a lock, a cache miss, a
retry after a timeout. It is found by looking at those requests, not at the average.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...model.advice import OptimizationRecommendation, Severity
from ...rules import Rule
from ..facts import ServiceFacts
from ._advice import advise, found, measured

FAR = 10.0  # times the median; a queue with exponential service times has 6.6
ENOUGH = 1000.0  # requests: ten of them are above the 99th percentile


def check(facts: ServiceFacts) -> Iterator[OptimizationRecommendation]:
    p50, p99, requests = facts.p50_latency_ms, facts.p99_latency_ms, facts.request_count
    if p50 is None or p99 is None or requests is None or requests < ENOUGH or p50 <= 0 or p99 < FAR * p50:
        return
    finding = found(
        RULE,
        facts,
        f"The 99th percentile is {p99:g} ms, {p99 / p50:.0f} times the median of {p50:g} ms, "
        f"over {requests:.0f} requests.",
        measured(facts, "p50_latency_ms", "p99_latency_ms", "request_count"),
    )
    yield advise(
        finding,
        facts,
        effort_hours=6,
        steps=(
            "Split the latency by operation: one slow operation among fast ones looks like a tail.",
            "Within one operation compare slow and fast executions: cold start, cache miss, lock, retry.",
        ),
    )


RULE = Rule(
    id="optimizer/tail-latency",
    title="A tail far from the median",
    severity=Severity.WARNING,
    needs=frozenset({"p50_latency_ms", "p99_latency_ms", "request_count"}),
    source="https://research.google/pubs/the-tail-at-scale/",
    check=check,
)
