"""Threads that compute do not wait for one another.

Only one thread of an interpreter runs Python code at a time. Where several want to, the others wait for the
global interpreter lock although cores are free, and requests take as much longer. Moving the work to
processes, or into code that releases the lock, helps; more threads do not. ``_contention`` says what counts
as evidence.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...model.advice import Evidence, Finding, Severity
from ...rules import Rule
from ._contention import contention
from ._looking import SessionFacts
from ._stacks import heaviest, place


def check(facts: SessionFacts) -> Iterator[Finding]:
    found = contention(facts)
    stacks = facts.stacks
    if found is None or stacks is None:
        return
    lost = found.wanting
    threads = sorted(lost.threads, key=lambda name: -lost.threads[name][0])
    top = heaviest(stacks, ((entry, entry.cpu_ns) for entry in lost.running))
    frame = top[0] if top else None
    late_us = found.late_ns / 1e3
    reason = (
        f"{len(threads)} threads ({', '.join(name or 'unnamed' for name in threads[:4])}) wanted to run and "
        f"waited {lost.lost_s:.2f} s while the process used one of {facts.report.cpu_count:g} cores for "
        f"{lost.busy_s:.2f} s; threads changed {found.changes_per_s:.0f} times a second and the sampler came "
        f"{late_us:.0f} us late on average, at a switch interval of {found.switch_interval_s * 1e6:.0f} us"
    )
    if frame:
        reason += f". The lock is held most at {place(frame)}"
    source = "resource samples"
    yield Finding(
        rule=RULE.id,
        severity=RULE.severity,
        resource="process",
        title=f"{len(threads)} threads wait for the GIL",
        reason=reason,
        file=frame.file if frame else None,
        line=frame.line if frame else None,
        evidence=(
            Evidence(name="lost_s", value=lost.lost_s, unit="s", source="wall less CPU of running stacks"),
            Evidence(name="one_core_s", value=lost.busy_s, unit="s", source=source),
            Evidence(name="threads", value=len(threads), source="stacks"),
            Evidence(name="context_switches_per_s", value=found.changes_per_s, unit="1/s", source=source),
            Evidence(name="sampler_late_us", value=late_us, unit="us", source="sampler"),
            *(
                Evidence(name="cpu_per_wall", value=cpu / wall, source=f"thread {name}")
                for name, (cpu, wall) in ((name, lost.threads[name]) for name in threads[:4])
                if wall
            ),
        ),
    )


RULE = Rule(
    id="profiler/gil-contention",
    title="Threads wait for the GIL",
    severity=Severity.WARNING,
    needs=frozenset({"resources", "stacks", "sampler"}),
    source="https://docs.python.org/3/glossary.html#term-global-interpreter-lock",
    check=check,
)
