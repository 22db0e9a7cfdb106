"""Reserved machines are used.

The export marks usage that a reservation was billed for while no machine ran in it
(``compute.googleapis.com/is_unused_reservation``). All of it is paid for nothing.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from ...model.advice import OptimizationRecommendation, Risk, Severity
from ...rules import Rule
from ..bill import Bill, BillLine
from ._advice import advise, found, net_saving


def check(bill: Bill) -> Iterator[OptimizationRecommendation]:
    projects: dict[str, list[BillLine]] = {}
    for line in bill.lines:
        if line.is_unused_reservation and line.net.amount > 0:
            projects.setdefault(line.project, []).append(line)
    for project, lines in sorted(projects.items()):
        saving = net_saving(bill, lines)
        finding = found(
            RULE, bill, project, f"Unused reservations cost {saving.expected} in {project}.", lines
        )
        yield advise(
            finding,
            project=project,
            effort_hours=2,
            risk=Risk.MEDIUM,
            saving=saving,
            description="Reservations tied to a commitment stay billed until it ends.",
            steps=(
                "Compare each reservation's size with the machines that run in it.",
                "Shrink or delete those that nobody counts on.",
            ),
            commands=(f"gcloud compute reservations list --project={shlex.quote(project)}",),
        )


RULE = Rule(
    id="cost/unused-reservations",
    title="Reservations paid for and not used",
    severity=Severity.WARNING,
    source="https://cloud.google.com/compute/docs/instances/reservations-overview",
    check=check,
)
