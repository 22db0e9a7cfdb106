"""A process leaves room on the cores that it may use.

Near all of them requests queue, and a burst has nowhere to go. The mean is over time: a sample counts for as
long as it covers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...model.advice import Evidence, Finding, Severity
from ...model.profile import ResourceSample
from ...rules import Rule
from ._looking import SessionFacts
from ._stacks import counted, heaviest, place

MIN_SAMPLES = 3
"""Fewer cover so little time that the start of the session decides."""


def check(facts: SessionFacts) -> Iterator[Finding]:
    config, report = facts.config, facts.report
    resources = report.resources
    if not config.enable_cpu_profiling or len(resources) < MIN_SAMPLES or report.cpu_count <= 0:
        return
    mean = _mean_over_time(resources, report.start_unix_ns)
    used = mean / report.cpu_count
    if used <= config.cpu_threshold_percent:
        return
    source = f"{len(resources)} resource samples"
    evidence = [
        Evidence(name="cpu_percent", value=mean, unit="% of one core", source=source),
        Evidence(name="cpu_count", value=report.cpu_count, unit="cores", source="affinity and cgroup limits"),
    ]
    reason = (
        f"{used:.3g} % of {report.cpu_count:g} cores on average, threshold {config.cpu_threshold_percent:g} %"
    )
    top = report.stacks and heaviest(report.stacks, ((e, e.cpu_ns) for e in counted(report.stacks)))
    frame = None
    if top:
        frame, cpu_ns = top
        reason += f"; most of it, {cpu_ns / 1e9:.2f} s, at {place(frame)}"
        evidence.append(Evidence(name="cpu_s", value=cpu_ns / 1e9, unit="s", source=place(frame)))
    yield Finding(
        rule=RULE.id,
        severity=RULE.severity,
        resource="process",
        title="The process uses most of its CPU",
        reason=reason,
        file=frame.file if frame else None,
        line=frame.line if frame else None,
        evidence=tuple(evidence),
    )


def _mean_over_time(resources: Sequence[ResourceSample], start_unix_ns: int) -> float:
    total = covered = 0.0
    previous = start_unix_ns
    for sample in resources:
        length = max(sample.at_unix_ns - previous, 0)  # the wall clock may be set back
        total += sample.cpu_percent * length
        covered += length
        previous = sample.at_unix_ns
    return total / covered if covered else 0.0


RULE = Rule(
    id="profiler/cpu",
    title="The process uses most of its CPU",
    severity=Severity.WARNING,
    needs=frozenset({"resources"}),
    check=check,
)
