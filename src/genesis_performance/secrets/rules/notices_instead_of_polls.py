"""Secrets that hardly ever change are not polled: Secret Manager says when they do.

A secret with a topic publishes each change, and a process that hears them reads at once and needs to look for
itself only once an hour. That is fewer accesses and a sooner sight of a rotation, so it goes before a longer
lifetime. Pinning a version saves nothing here: a pinned one is checked as often, so that it stops being
served when it is disabled.

The saving is the bill at the measured rate less the bill at one access an hour and secret. What Pub/Sub
carries for that is far within its free 10 GiB a month.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...model.advice import Evidence, OptimizationRecommendation, Risk, Severity
from ...rules import Rule
from ..access import AccessFacts
from ..savings import MIN_OBSERVED_S, MONTH_S, advice, saving_of_calls

SAFETY_POLL_S = 3600.0
LEAST_TTL_S = 300.0  # below that a longer lifetime is the simpler advice
RARELY = 0.01  # of the accesses brought another version


def check(facts: AccessFacts) -> Iterator[OptimizationRecommendation]:
    if facts.hears_notices or facts.observed_s < MIN_OBSERVED_S:
        return
    if not LEAST_TTL_S <= facts.cache_ttl_s < SAFETY_POLL_S:
        return
    polled = [one for one in facts.secrets if one.calls and one.version_changes <= RARELY * one.calls]
    if not polled:
        return
    months = facts.observed_s / MONTH_S
    calls = sum(facts.usual_calls(secret) for secret in polled)
    changes = sum(secret.version_changes for secret in polled)
    then = sum(min(facts.usual_calls(secret) / months, MONTH_S / SAFETY_POLL_S) for secret in polled)
    saving = saving_of_calls(facts, calls, then)
    if saving is None:
        return
    yield advice(
        RULE.id,
        [secret.resource for secret in polled],
        title=f"Hear of changes instead of asking every {facts.cache_ttl_s:g} s",
        reason=f"{calls} accesses in {facts.observed_s:.0f} s found {changes} changes",
        consequence="A rotation is seen within seconds; when notices fail, the lifetime is the bound again.",
        evidence=(
            Evidence(name="accesses", value=calls, source=facts.measured_in),
            Evidence(name="version_changes", value=changes, source=facts.measured_in),
            Evidence(name="cache_ttl", value=facts.cache_ttl_s, unit="s", source="setting"),
        ),
        steps=(
            "Create a topic, and let Secret Manager's service agent publish to it.",
            "Add the topic to every secret that is read.",
            "Set secret_manager.notices_subscription to the topic, projects/P/topics/T.",
            f"Set secret_manager.safety_poll_s to {SAFETY_POLL_S:g}.",
        ),
        commands=("gcloud secrets update SECRET --add-topics=projects/P/topics/T",),
        saving=saving,
        risk=Risk.MEDIUM,  # a secret without the topic is seen an hour late
        effort_hours=2.0,
    )


RULE = Rule[AccessFacts](
    id="secrets/notices-instead-of-polls",
    title="Secrets that hardly ever change are polled",
    severity=Severity.INFO,
    check=check,
    source="https://cloud.google.com/secret-manager/docs/event-notifications",
)
