"""Secrets that nobody reads any more are destroyed.

Each of their active versions is billed, 0.06 USD a month and location. Looked at where all of a project's
secrets were listed and reads were measured for a day at least.

The saving is the bill of the enabled versions less the bill without those secrets. Low is nothing: whoever
reads them without this package is not seen.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...model.advice import Evidence, OptimizationRecommendation, Risk, Severity
from ...rules import Rule
from ..access import AccessFacts
from ..inventory import KeptSecret
from ..savings import LONG_ENOUGH_S, SOURCE, advice, command, saving_of_versions


def check(facts: AccessFacts) -> Iterator[OptimizationRecommendation]:
    if not facts.lists_project or facts.observed_s < LONG_ENOUGH_S:
        return
    kept = facts.kept or ()
    unread = [secret for secret in never_read(facts) if secret.enabled]
    enabled = sum(len(secret.enabled) * secret.locations for secret in kept)
    versions = sum(len(secret.enabled) * secret.locations for secret in unread)
    saving = saving_of_versions(kept, enabled, versions, is_certain=False)
    if saving is None:
        return
    yield advice(
        RULE.id,
        [secret.resource for secret in unread],
        title=f"Look whether {len(unread)} of {len(kept)} secrets are still needed",
        reason=f"{len(unread)} secrets were not read in {facts.observed_s:.0f} s",
        consequence="Others may read them, which only the Data Access audit log shows.",
        evidence=(
            Evidence(name="secrets_not_read", value=len(unread), source=facts.measured_in),
            Evidence(
                name="their_versions", value=versions, unit="version x location", source="list of versions"
            ),
        ),
        steps=(
            "Look for other readers in the Data Access audit log of secretmanager.googleapis.com.",
            "Disable their versions; that can be taken back.",
            "Delete the secrets when nobody missed them for a month.",
        ),
        commands=tuple(
            command("disable", number, secret.resource) for secret in unread for number in secret.enabled
        ),
        saving=saving,
        risk=Risk.HIGH,
        effort_hours=1.0,
    )


def never_read(facts: AccessFacts) -> list[KeptSecret]:
    """Kept secrets that no measured process read."""
    read = {access.parent for access in facts.secrets if access.reads}
    return [secret for secret in facts.kept or () if secret.resource not in read]


RULE = Rule[AccessFacts](
    id="secrets/never-read",
    title="Secrets are kept that nobody reads",
    severity=Severity.INFO,
    check=check,
    needs=frozenset({"kept"}),
    source=SOURCE,
)
