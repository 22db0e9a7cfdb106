"""An operation answers within the response time that was set for it.

The 95th percentile decides, over at least five executions. Where stacks were sampled, the line that most of
the operation's wall time was spent at is named.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...model.advice import Evidence, Finding, Severity
from ...rules import Rule
from ...stats.histogram import quantile
from ._looking import SessionFacts
from ._stacks import counted, heaviest, place

MIN_EXECUTIONS = 5
"""Below it the 95th percentile is the slowest execution alone, which says little."""

MIN_SAMPLES = 10
"""Fewer samples of an operation do not tell which of its lines is slow."""


def check(facts: SessionFacts) -> Iterator[Finding]:
    threshold_ms = facts.config.response_time_threshold_ms
    for operation in facts.report.operations:
        if operation.count < MIN_EXECUTIONS:
            continue
        p95_ms = quantile(operation.histogram.counts, 0.95, max_ns=operation.max_ns) / 1e6
        if p95_ms <= threshold_ms:
            continue
        source = f"operation {operation.name}"
        evidence = [
            Evidence(name="p95_ms", value=p95_ms, unit="ms", source=source),
            Evidence(name="count", value=operation.count, source=source),
        ]
        reason = f"p95 {p95_ms:.3g} ms over {operation.count} executions, threshold {threshold_ms:g} ms"
        frame = None
        stacks = facts.stacks
        entries = list(counted(stacks, operation.name)) if stacks else []
        if stacks and sum(entry.samples for entry in entries) >= MIN_SAMPLES:
            top = heaviest(stacks, ((entry, entry.wall_ns) for entry in entries))
            if top:
                frame, wall_ns = top
                whole_ns = sum(entry.wall_ns for entry in entries)
                reason += f"; {wall_ns / whole_ns:.0%} of the sampled wall time is at {place(frame)}"
                evidence.append(Evidence(name="wall_s", value=wall_ns / 1e9, unit="s", source=place(frame)))
        yield Finding(
            rule=RULE.id,
            severity=RULE.severity,
            resource=operation.name,
            title=f"{operation.name} is slow",
            reason=reason,
            file=frame.file if frame else None,
            line=frame.line if frame else None,
            evidence=tuple(evidence),
        )


RULE = Rule(
    id="profiler/response-time",
    title="A slow operation",
    severity=Severity.WARNING,
    check=check,
)
