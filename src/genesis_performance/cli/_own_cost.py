"""``genesis-perf doctor --cost``: what we cost ourselves, before anything is sent."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import click

from ..config import settings
from ..model.money import Money
from ._monitor_output import as_json_text, asked, records

if TYPE_CHECKING:
    from ..monitor.own_cost import OwnBill


def print_own_cost(
    *,
    as_json: bool,
    operations: int | None,
    instances: int | None,
    buckets: int | None,
    metrics: int | None,
    conditions: int | None,
) -> None:
    """Print the bill of a service of that size."""
    from ..monitor.own_cost import assumed_load, conditions_of, own_bill

    def work() -> OwnBill:
        section = settings().monitoring
        known = conditions
        if known is None:
            known = conditions_of(records(None).alerts(), section.metric_prefix)
        load = assumed_load(operations=operations or 0, buckets=buckets or 0, distributions=metrics or 0)
        return own_bill(
            load,
            instances=instances or 1,
            interval_s=section.write_interval_s,
            conditions=known,
            groups=operations or 0,
        )

    bill = asked(work)
    if as_json:
        click.echo(as_json_text(_plain(dataclasses.asdict(bill))))
        return
    click.echo(
        f"{operations} operations, {metrics} recorded series, {buckets} filled buckets a histogram, "
        f"{bill.instances} instance{'s' if bill.instances != 1 else ''}, every {bill.interval_s:g} s, 30 days"
    )
    click.echo(f"{bill.series:,} series, {bill.sinks[0].points:,.0f} points a month\n")
    for one in bill.sinks:
        click.echo(
            f"{one.sink:<18}{one.amount:>16,.1f} {one.unit:<9}{one.cost.amount:>10,.2f} USD a month"
            f"{_free(one.cost, one.cost_after_free_tier)}"
        )
        click.echo(f"  {one.formula}")
        click.echo(f"  {one.basis}")
    click.echo(
        f"{'alerts':<18}{bill.conditions:>16,} conditions, {bill.returned:,.0f} series returned to them"
        f"{bill.alerts.amount:>10,.2f} USD a month"
    )
    click.echo(f"{'API reads':<18}{bill.reads:>16,.0f} series{bill.read_cost.amount:>13,.2f} USD a month")
    click.echo("  while incidents are open, taken as an hour a month")
    section = settings().monitoring
    if section.max_monthly_cost:
        click.echo(
            f"\nmonitoring.max_monthly_cost is {section.max_monthly_cost:g} USD for each process that sends: "
            "beyond it buckets are given up, then operations"
        )
    for note in bill.notes:
        click.echo(f"note: {note}")


def _free(cost: Money, after: Money) -> str:
    return f", {after.amount:,.2f} after the account's free tier" if after != cost else ""


def _plain(value: Any) -> Any:
    """Money as its amount in USD, as a number."""
    if isinstance(value, dict):
        if set(value) == {"amount", "currency"}:
            return float(value["amount"])
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value
