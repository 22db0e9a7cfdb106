"""Commitments are used up.

A commitment's fee is billed whether it is used or not; use gives it back as credits on the fee
(``FEE_UTILIZATION_OFFSET``). What is left of the fee bought nothing. No saving is promised: the fee is due
until the commitment ends, only the next one can be smaller.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...model.advice import OptimizationRecommendation, Severity
from ...rules import Rule
from ..bill import Bill
from ._advice import advise, found, total

WORTH = 0.05  # of the fee; a little slack is cheaper than usage without a commitment


def check(bill: Bill) -> Iterator[OptimizationRecommendation]:
    fees = [line for line in bill.commitment_lines if line.gross.amount > 0 and line.credits.amount < 0]
    if not fees:
        return  # fees without offsets are the older model, whose credits are on the usage rows
    fee, waste = total([line.gross for line in fees]), total([line.net for line in fees])
    share = float(waste.amount / fee.amount)
    if share < WORTH:
        return
    finding = found(
        RULE,
        bill,
        "commitments",
        f"Of {fee} in commitment fees {waste} ({share:.0%}) were not used in {bill.invoice_month}.",
        fees,
    )
    yield advise(
        finding,
        project="",
        effort_hours=4,
        description="The fee stays due until the commitment ends, so no saving is counted.",
        steps=(
            "Move usage that the commitment covers to where it counts (region, machine family).",
            "Note the end date; commit to less next time, by the usage exceeded in most hours.",
        ),
    )


RULE = Rule(
    id="cost/commitment-waste",
    title="Commitment fees that bought nothing",
    severity=Severity.INFO,
    source="https://cloud.google.com/docs/cuds-multiprice",
    check=check,
)
