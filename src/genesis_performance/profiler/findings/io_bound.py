"""An operation computes more than it waits.

An operation whose wall time is mostly waiting gets no faster by faster code: its calls have to be batched,
made at the same time, cached or moved out of the request. The line that it waits at is named.

Counted is what the operation waits itself: a wait within a nested operation is the nested one's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ...model.advice import Evidence, Finding, Severity
from ...model.stacks import StackProfile
from ...rules import Rule
from ._contention import wanting
from ._looking import SessionFacts
from ._stacks import Counted, awaited_at, counted, heaviest, place

MAX_CPU_RATIO = 0.2
"""CPU per wall time, of the operation and of a stack that waits: at most a fifth is computing."""

MIN_EXECUTIONS = 5
"""Once may be a cold cache or a connection being made."""

MIN_SAMPLES = 20
"""Of stacks that wait: fewer do not tell at which line."""

MIN_MEAN_NS = 5_000_000
"""An operation quicker than this is no reason to change how it waits."""

MIN_OWN = 0.5
"""Of the operation's wall time, seen waiting in its own stacks: else it is another's wait."""


def check(facts: SessionFacts) -> Iterator[Finding]:
    stacks = facts.stacks
    # Threads that wait for the GIL or a core use little CPU per wall time too, at lines that only compute.
    if stacks is None or wanting(facts) is not None:
        return
    names = sorted({operation.name for operation in facts.report.operations})
    for name in names:
        same = [operation for operation in facts.report.operations if operation.name == name]
        count = sum(operation.count for operation in same)
        wall_ns = sum(operation.sum_ns for operation in same)
        if count < MIN_EXECUTIONS or wall_ns < MIN_MEAN_NS * count:
            continue
        entries = list(counted(stacks, name))
        # An operation may span an await: then only the stacks know its CPU time.
        known = [operation.cpu_ns for operation in same if operation.cpu_ns is not None]
        cpu_ns = sum(known) if len(known) == len(same) else sum(entry.cpu_ns for entry in entries)
        if cpu_ns <= MAX_CPU_RATIO * wall_ns:
            yield from _waiting(stacks, entries, _Total(name, count, wall_ns, cpu_ns))


@dataclass(frozen=True, slots=True)
class _Total:
    """All executions of an operation."""

    name: str
    count: int
    wall_ns: int
    cpu_ns: int


def _waiting(stacks: StackProfile, entries: list[Counted], total: _Total) -> Iterator[Finding]:
    name, count, wall_ns, cpu_ns = total.name, total.count, total.wall_ns, total.cpu_ns
    waiting = [entry for entry in entries if entry.cpu_ns <= MAX_CPU_RATIO * entry.wall_ns]
    waited_ns = sum(entry.waited_ns for entry in waiting)
    if sum(entry.samples for entry in waiting) < MIN_SAMPLES or waited_ns < MIN_OWN * wall_ns:
        return
    top = heaviest(stacks, ((entry, entry.waited_ns) for entry in waiting))
    if top is None:
        return
    frame, at_ns = top
    awaited = _awaited(stacks, waiting)
    source = f"operation {name}"
    yield Finding(
        rule=RULE.id,
        severity=RULE.severity,
        resource=name,
        title=f"{name} mostly waits" + (f" for {awaited}" if awaited else ""),
        reason=f"{cpu_ns / count / 1e6:.2f} ms CPU in {wall_ns / count / 1e6:.2f} ms wall time an execution; "
        f"{at_ns / waited_ns:.0%} of the waiting is at {place(frame)}",
        file=frame.file,
        line=frame.line,
        evidence=(
            Evidence(name="wall_ms", value=wall_ns / count / 1e6, unit="ms", source=source),
            Evidence(name="cpu_ms", value=cpu_ns / count / 1e6, unit="ms", source=source),
            Evidence(name="count", value=count, source=source),
            Evidence(name="waited_s", value=at_ns / 1e9, unit="s", source=place(frame)),
        ),
    )


def _awaited(stacks: StackProfile, waiting: list[Counted]) -> str:
    """What most of the waiting is for, as far as the standard library's frames tell; else ``""``."""
    sums: dict[str, int] = {}
    for entry in waiting:
        what = awaited_at(stacks, entry.record)
        sums[what] = sums.get(what, 0) + entry.waited_ns
    return max(sums, key=lambda what: (sums[what], what))


RULE = Rule(
    id="profiler/io-bound",
    title="An operation mostly waits",
    severity=Severity.INFO,
    needs=frozenset({"stacks"}),
    check=check,
)
