"""No callback holds an event loop for long.

While one task computes or makes a blocking call, every other task of that loop waits, health checks included.
The sampler saw the same step of the loop for longer than ``blocked_loop_threshold_ms``. One block is enough
evidence: it happened. Blocks at the same line are one finding.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...model.advice import Evidence, Finding, Severity
from ...model.profile import LoopBlock
from ...rules import Rule
from ._looking import SessionFacts

MAX_FINDINGS = 10
"""Lines named, those that blocked longest; a list that nobody reads to the end helps nobody."""


def check(facts: SessionFacts) -> Iterator[Finding]:
    places: dict[tuple[str, int, str], list[LoopBlock]] = {}
    for block in facts.report.loop_blocks:
        if block.duration_ns / 1e6 >= facts.config.blocked_loop_threshold_ms:
            places.setdefault((block.file, block.line, block.function), []).append(block)
    ranked = sorted(places.items(), key=lambda item: (-sum(b.duration_ns for b in item[1]), item[0]))
    for (file, line, function), blocks in ranked[:MAX_FINDINGS]:
        worst = max(blocks, key=lambda block: block.duration_ns)
        total_ms = sum(block.duration_ns for block in blocks) / 1e6
        named = sorted({block.operation for block in blocks if block.operation})
        source = f"{function} ({file}:{line})"
        yield Finding(
            rule=RULE.id,
            severity=RULE.severity,
            resource=worst.operation or worst.thread,
            title=f"{function} blocks the event loop",
            reason=f"{source} held the event loop of {worst.thread} "
            f"{len(blocks)} time{'s' if len(blocks) > 1 else ''}, for at least "
            f"{worst.duration_ns / 1e6:.0f} ms at worst and {total_ms:.0f} ms in all"
            + (f", in {', '.join(named[:3])}" if named else "")
            + f"; threshold {facts.config.blocked_loop_threshold_ms:g} ms",
            file=file or None,
            line=line or None,
            evidence=(
                Evidence(name="blocks", value=len(blocks), source=source),
                Evidence(name="longest_ms", value=worst.duration_ns / 1e6, unit="ms", source=source),
                Evidence(name="total_ms", value=total_ms, unit="ms", source=source),
            ),
        )


RULE = Rule(
    id="profiler/blocked-event-loop",
    title="A blocked event loop",
    severity=Severity.WARNING,
    needs=frozenset({"loop_blocks"}),
    source="https://docs.python.org/3/library/asyncio-dev.html#running-blocking-code",
    check=check,
)
