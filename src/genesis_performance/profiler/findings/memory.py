"""A process stays clear of its memory limit.

At the limit of its container it is killed without a word, at the machine's everything becomes slow. One
sample is enough: the kernel does not average either.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...model.advice import Evidence, Finding, Severity
from ...rules import Rule
from ._looking import SessionFacts


def check(facts: SessionFacts) -> Iterator[Finding]:
    config, report = facts.config, facts.report
    if not config.enable_memory_profiling or report.memory_limit_bytes <= 0:
        return
    worst = max(report.resources, key=lambda sample: sample.memory_percent)
    if worst.memory_percent > config.memory_threshold_percent:
        yield Finding(
            rule=RULE.id,
            severity=RULE.severity,
            resource="process",
            title=RULE.title,
            reason=f"{worst.memory_bytes / 2**20:.0f} MiB, {worst.memory_percent:.3g} % of the limit of "
            f"{report.memory_limit_bytes / 2**20:.0f} MiB, threshold {config.memory_threshold_percent:g} %",
            evidence=(
                Evidence(name="memory_bytes", value=worst.memory_bytes, unit="By", source="resource samples"),
                Evidence(name="memory_limit_bytes", value=report.memory_limit_bytes, unit="By"),
            ),
        )


RULE = Rule(
    id="profiler/memory",
    title="The process is near its memory limit",
    severity=Severity.CRITICAL,
    needs=frozenset({"resources"}),
    check=check,
)
