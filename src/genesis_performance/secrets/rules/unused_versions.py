"""Old versions that nobody reads are disabled, and destroyed after a while.

Each enabled version is billed, 0.06 USD a month and location. Of a secret that is read, the versions older
than all that were read are unused here, but for the one just before, which is what a roll-back needs.

The saving is the bill of the listed versions, the disabled ones left out, less the bill without the unused
ones. Low is nothing: somebody else may read them.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...model.advice import Evidence, OptimizationRecommendation, Risk, Severity
from ...rules import Rule
from ..access import AccessFacts
from ..inventory import KeptSecret
from ..savings import LONG_ENOUGH_S, SOURCE, advice, command, saving_of_versions


def check(facts: AccessFacts) -> Iterator[OptimizationRecommendation]:
    if facts.observed_s < LONG_ENOUGH_S:
        return
    kept = facts.kept or ()
    unused = {secret: numbers for secret in kept if (numbers := unused_versions(secret, facts))}
    versions = sum(map(len, unused.values()))
    enabled = sum(len(secret.enabled) * secret.locations for secret in kept)
    fewer = sum(len(numbers) * secret.locations for secret, numbers in unused.items())
    saving = saving_of_versions(kept, enabled, fewer, is_certain=False)
    if saving is None:
        return
    yield advice(
        RULE.id,
        [secret.resource for secret in unused],
        title=f"Disable {versions} old version{'s' if versions > 1 else ''} that nobody reads here",
        reason=f"{versions} enabled versions are older than all that were read in {facts.observed_s:.0f} s",
        consequence="Others may read them, which only the Data Access audit log shows.",
        evidence=(
            Evidence(name="unused_versions", value=versions, source=facts.measured_in),
            Evidence(
                name="enabled_versions", value=enabled, unit="version x location", source="list of versions"
            ),
        ),
        steps=(
            "Look for other readers in the Data Access audit log of secretmanager.googleapis.com.",
            "Disable them; that can be taken back.",
            "Destroy them when nobody missed them for a week; only then they are free.",
        ),
        commands=tuple(
            command("disable", number, secret.resource)
            for secret, numbers in unused.items()
            for number in numbers
        ),
        saving=saving,
        risk=Risk.MEDIUM,
        effort_hours=1.0,
    )


def unused_versions(secret: KeptSecret, facts: AccessFacts) -> tuple[int, ...]:
    """Enabled ones older than all that were read, without the one before; none of a secret nobody read."""
    read = {
        int(access.version or 0)
        for access in facts.secrets
        if access.reads and access.parent == secret.resource and (access.version or "").isdigit()
    }
    older = [number for number in secret.enabled if read and number < min(read)]
    return tuple(older[1:])  # the newest first


RULE = Rule[AccessFacts](
    id="secrets/unused-versions",
    title="Old versions are kept that nobody reads",
    severity=Severity.INFO,
    check=check,
    needs=frozenset({"kept"}),
    source=SOURCE,
)
