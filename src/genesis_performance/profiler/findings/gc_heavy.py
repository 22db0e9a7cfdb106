"""The garbage collector takes little of an operation's time.

A collection stops every thread. An operation that makes many containers, or a large heap that lives long,
turns that into time that requests wait. A pause counts for the innermost operation of the thread it was in.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...model.advice import Evidence, Finding, Severity
from ...model.profile import GcActivity
from ...rules import Rule
from ._looking import SessionFacts
from ._stacks import counted, heaviest, place

MAX_SHARE = 0.1
"""Of an operation's wall time: less is not worth a change of code."""

MIN_PAUSE_NS = 20_000_000
"""In a session: less is within what the system's own scheduling takes."""

MIN_EXECUTIONS = 5
"""One collection may fall on any operation; a few executions show that it falls on this one."""


def check(facts: SessionFacts) -> Iterator[Finding]:
    report = facts.report
    gc = report.gc
    if gc is None:
        return
    for name, pause_ns in sorted(gc.by_operation.items(), key=lambda item: (-item[1], item[0])):
        same = [operation for operation in report.operations if operation.name == name]
        wall_ns = sum(operation.sum_ns for operation in same)
        count = sum(operation.count for operation in same)
        if count >= MIN_EXECUTIONS and _is_heavy(pause_ns, wall_ns):
            yield _finding(facts, name, pause_ns, wall_ns)
    session_ns = int(report.duration_s * 1e9)
    if _is_heavy(gc.pause_ns, session_ns):
        yield _finding(facts, None, gc.pause_ns, session_ns)


def _is_heavy(pause_ns: int, wall_ns: int) -> bool:
    return pause_ns >= MIN_PAUSE_NS and pause_ns > MAX_SHARE * wall_ns > 0


def _finding(facts: SessionFacts, operation: str | None, pause_ns: int, wall_ns: int) -> Finding:
    source = f"operation {operation}" if operation else "process"
    gc = facts.gc or GcActivity()
    reason = (
        f"{pause_ns / 1e6:.0f} ms of {wall_ns / 1e6:.0f} ms ({pause_ns / wall_ns:.0%}) of "
        f"{operation or 'the session'} were pauses of the garbage collector; the longest in the session took "
        f"{gc.longest_ns / 1e6:.1f} ms"
    )
    stacks = facts.stacks
    top = stacks and heaviest(stacks, ((entry, entry.cpu_ns) for entry in counted(stacks, operation)))
    frame = top[0] if top else None
    if frame:
        reason += f"; most CPU there is used at {place(frame)}"
    return Finding(
        rule=RULE.id,
        severity=RULE.severity,
        resource=operation or "process",
        title=f"{operation or 'The process'} waits for the garbage collector",
        reason=reason,
        file=frame.file if frame else None,
        line=frame.line if frame else None,
        evidence=(
            Evidence(name="gc_pause_ms", value=pause_ns / 1e6, unit="ms", source=source),
            Evidence(name="wall_ms", value=wall_ns / 1e6, unit="ms", source=source),
            Evidence(name="longest_pause_ms", value=gc.longest_ns / 1e6, unit="ms", source="process"),
            Evidence(name="collections", value=sum(gc.collections), source="process"),
        ),
    )


RULE = Rule(
    id="profiler/gc-heavy",
    title="Much time in the garbage collector",
    severity=Severity.WARNING,
    needs=frozenset({"gc"}),
    source="https://docs.python.org/3/library/gc.html#gc.callbacks",
    check=check,
)
