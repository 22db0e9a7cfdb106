"""An operation makes each call once.

The same call with the same key again within one execution is an N+1 query or an uncached read: the request
waits for what it has already got.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...model.advice import Evidence, Finding, Severity
from ...rules import Rule
from ._looking import SessionFacts

MIN_REPEAT_NS = 100_000
"""Repeated calls that take less each (a cache hit) are no reason to change code."""


def check(facts: SessionFacts) -> Iterator[Finding]:
    for repeat in facts.report.repeated_calls:
        if not repeat.executions or repeat.duration_ns < MIN_REPEAT_NS * repeat.calls:
            continue
        yield Finding(
            rule=RULE.id,
            severity=RULE.severity,
            resource=repeat.operation,
            title=f"{repeat.operation} makes the same {repeat.kind} again and again",
            reason=f"{repeat.kind} {repeat.key!r}: {repeat.calls / repeat.executions:.1f} times in one "
            f"execution on average, {repeat.most} at most, at {repeat.site} in {repeat.function}",
            file=repeat.file,
            line=repeat.line,
            evidence=(
                Evidence(name="calls", value=repeat.calls, source=repeat.site),
                Evidence(name="executions", value=repeat.executions, source=repeat.site),
                Evidence(name="duration_ms", value=repeat.duration_ns / 1e6, unit="ms", source=repeat.site),
            ),
        )


RULE = Rule(
    id="profiler/identical-calls",
    title="The same call again and again in one operation",
    severity=Severity.WARNING,
    check=check,
)
