"""Memory levels off once a process is warm.

Memory that keeps growing ends at the limit of the container. What counts is steady growth: the lower end of
the 99 % interval of the drift is above zero, and the later half of the session still grows at least half as
fast as the whole. A cache that fills, a step and a saw tooth are not reported; simulated series that do not
grow raise a false alarm in less than 5 of 100 cases (random walks in 1.1, the others in fewer).
"""

from __future__ import annotations

from collections.abc import Iterator

from ...model.advice import Evidence, Finding, Severity
from ...model.stacks import Frame, StackProfile
from ...rules import Rule
from ._drift import BLOCKS, steady_growth
from ._looking import SessionFacts
from ._stacks import own_frame, place

MIN_DURATION_S = 60.0
"""A shorter session shows how a process starts, not how it lives."""

MIN_SAMPLES = 5 * BLOCKS
"""Five samples make a median that one odd sample does not move."""

MIN_RATIO = 0.02
MIN_BYTES = 2**20
"""Growth in the session, at the lower end of the interval: less is within the allocator's own rounding."""

CRITICAL_HOURS = 24.0
"""At this rate the limit is reached within a day: before the next deployment restarts the process."""


def check(facts: SessionFacts) -> Iterator[Finding]:
    report = facts.report
    levels = [float(sample.memory_bytes) for sample in report.resources]
    if not facts.config.enable_memory_profiling:
        return
    if len(levels) < MIN_SAMPLES or report.duration_s < MIN_DURATION_S:
        return
    grown = steady_growth(levels)
    if grown is None or grown.low * BLOCKS < max(MIN_BYTES, MIN_RATIO * levels[0]):
        return
    low, mean, high = (change * BLOCKS / report.duration_s * 3600 for change in grown)  # bytes an hour
    source = f"{len(levels)} resource samples in {report.duration_s:.0f} s"
    evidence = [
        Evidence(name="growth_bytes_per_hour", value=mean, unit="By/h", source=source),
        Evidence(name="growth_low_bytes_per_hour", value=low, unit="By/h", source="99 % interval"),
        Evidence(name="growth_high_bytes_per_hour", value=high, unit="By/h", source="99 % interval"),
        Evidence(name="memory_bytes", value=int(levels[-1]), unit="By", source="last resource sample"),
    ]
    reason = (
        f"Memory grows by {mean / 2**20:.1f} MiB an hour (99 % interval {low / 2**20:.1f} to "
        f"{high / 2**20:.1f}) and still did in the later half of {report.duration_s:.0f} s"
    )
    severity = RULE.severity
    if report.memory_limit_bytes > levels[-1]:
        hours = (report.memory_limit_bytes - levels[-1]) / mean
        reason += f"; at this rate the limit is reached in {hours:.1f} h"
        evidence.append(Evidence(name="hours_to_limit", value=hours, unit="h", source="at the mean rate"))
        if hours < CRITICAL_HOURS:
            severity = Severity.CRITICAL
    allocations = report.allocations
    top = _largest(allocations) if allocations else None
    frame = None
    if top:
        frame, held = top
        reason += f"; most of what was allocated and still lives is from {place(frame)}"
        evidence.append(Evidence(name="allocated_bytes", value=held, unit="By", source=place(frame)))
    elif allocations is None:
        reason += ". Set profiler.trace_allocations to learn which lines hold it"
    yield Finding(
        rule=RULE.id,
        severity=severity,
        resource="process",
        title="Memory keeps growing",
        reason=reason,
        file=frame.file if frame else None,
        line=frame.line if frame else None,
        evidence=tuple(evidence),
    )


def _largest(allocations: StackProfile) -> tuple[Frame, int] | None:
    """The line of the host's own code that holds most bytes, and how many."""
    column = allocations.column("alloc")
    held: dict[tuple[str, int], int] = {}
    frames: dict[tuple[str, int], Frame] = {}
    for record in allocations.records:
        frame = own_frame(allocations, record)
        if frame is not None:
            key = (frame.file, frame.line)
            held[key] = held.get(key, 0) + record.values[column]
            frames[key] = frame
    if not held:
        return None
    key = max(held, key=lambda each: (held[each], each))
    return frames[key], held[key]


RULE = Rule(
    id="profiler/memory-growth",
    title="Memory keeps growing",
    severity=Severity.WARNING,
    needs=frozenset({"resources"}),
    check=check,
)
