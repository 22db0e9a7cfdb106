"""No static external address is reserved without being used.

An address that is reserved and not attached to anything is billed under a SKU of its own, so the whole line
is what releasing the addresses saves.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from ...model.advice import OptimizationRecommendation, Severity
from ...rules import Rule
from ..bill import Bill, BillLine
from ._advice import advise, found, net_saving

SKU = "static ip charge"  # billed only while the address is not in use


def check(bill: Bill) -> Iterator[OptimizationRecommendation]:
    projects: dict[str, list[BillLine]] = {}
    for line in bill.lines:
        if line.sku.lower().startswith(SKU) and line.net.amount > 0:
            projects.setdefault(line.project, []).append(line)
    for project, lines in sorted(projects.items()):
        saving = net_saving(bill, lines)
        hours = [line for line in lines if line.usage_amount is not None and line.usage_unit == "hour"]
        used = f" for {sum(line.usage_amount or 0 for line in hours):g} hours" if hours else ""
        finding = found(
            RULE,
            bill,
            project,
            f"Addresses that nothing uses were billed{used} with {saving.expected} in {project}.",
            lines,
        )
        yield advise(
            finding,
            project=project,
            effort_hours=0.5,
            saving=saving,
            steps=("List the reserved addresses without users.", "Release those that nobody needs."),
            commands=(
                f"gcloud compute addresses list --project={shlex.quote(project)} --filter=status=RESERVED",
                f"gcloud compute addresses delete NAME --region=REGION --project={shlex.quote(project)}",
            ),
        )


RULE = Rule(
    id="cost/idle-addresses",
    title="Reserved addresses that nothing uses",
    severity=Severity.WARNING,
    source="https://cloud.google.com/vpc/network-pricing#ipaddress",
    check=check,
)
