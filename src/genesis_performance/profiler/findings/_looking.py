"""Look at a finished session with every rule of this package."""

from __future__ import annotations

from dataclasses import dataclass

from ...config.profiler import ProfilerConfig
from ...model.advice import Finding
from ...model.profile import GcActivity, LoopBlock, ProfileReport, ResourceSample, SamplerActivity
from ...model.stacks import StackProfile


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """What the rules look at; a property is None where the session has nothing to look at."""

    config: ProfilerConfig
    report: ProfileReport

    @property
    def resources(self) -> tuple[ResourceSample, ...] | None:
        return self.report.resources or None

    @property
    def stacks(self) -> StackProfile | None:
        return self.report.stacks

    @property
    def sampler(self) -> SamplerActivity | None:
        return self.report.sampler

    @property
    def gc(self) -> GcActivity | None:
        return self.report.gc

    @property
    def loop_blocks(self) -> tuple[LoopBlock, ...] | None:
        return self.report.loop_blocks or None


def findings(config: ProfilerConfig, report: ProfileReport) -> tuple[Finding, ...]:
    """Every finding of a session, in order of rule; a rule that fails costs only its own findings.

    Args:
        config: the thresholds.
        report: complete but for its findings.
    """
    import logging  # with the rules it is loaded when a session ends: the profiler itself stays light

    from ...rules import discover, run_rules

    facts = SessionFacts(config, report)
    found = run_rules(discover(__package__), facts)
    for skipped in found.skipped:
        if not skipped.reason.startswith("needs "):
            logging.getLogger(__name__).warning(
                "%s could not be looked for: %s", skipped.rule, skipped.reason
            )
    return found.findings
