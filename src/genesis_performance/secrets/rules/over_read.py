"""A secret is asked for about as often as its lifetime makes necessary.

More than twice as many accesses come from code that calls ``invalidate`` with each use, from a cache that is
too small for its secrets, or from notices that change nothing. Only this package's own reads are seen: others
that read the secret without a cache show up in the Data Access audit log alone.

The saving is the bill at the measured rate less the bill at one access each time that the lifetime is over.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...model.advice import Evidence, OptimizationRecommendation, Risk, Severity
from ...rules import Rule
from ..access import AccessFacts, is_over_read, needed_calls
from ..savings import MIN_OBSERVED_S, MONTH_S, SOURCE, advice, saving_of_calls


def check(facts: AccessFacts) -> Iterator[OptimizationRecommendation]:
    if facts.observed_s < MIN_OBSERVED_S:
        return
    for secret in facts.secrets:
        # A change that is seen is a reason to read.
        calls = secret.calls - secret.version_changes
        if not is_over_read(calls, facts.observed_s, facts.interval_s):
            continue
        needed = needed_calls(facts.observed_s, facts.interval_s) + secret.version_changes
        saving = saving_of_calls(facts, secret.calls, needed * MONTH_S / facts.observed_s)
        if saving is None:
            continue
        yield advice(
            RULE.id,
            [secret.resource],
            title=f"Find out why {secret.parent.rpartition('/')[2]} is read past the cache",
            reason=(
                f"{secret.calls} accesses in {facts.observed_s:.0f} s, where {needed:.0f} would do "
                f"with a check every {facts.interval_s:g} s"
            ),
            consequence="No value gets older than it may be now.",
            evidence=(
                Evidence(name="accesses", value=secret.calls, source=facts.measured_in),
                Evidence(name="version_changes", value=secret.version_changes, source=facts.measured_in),
                Evidence(name="reads", value=secret.reads, source=facts.measured_in),
            ),
            steps=(
                "Look for calls of invalidate() without seen_version=, and use with_secret() instead.",
                "Look at evictions in get_performance_report(), and raise PERFORMANCE_CACHE_SIZE.",
            ),
            saving=saving,
            risk=Risk.LOW,
            effort_hours=2.0,
        )


RULE = Rule[AccessFacts](
    id="secrets/over-read",
    title="A secret is read past the cache",
    severity=Severity.INFO,
    check=check,
    source=SOURCE,
)
