"""``genesis-perf cost``: what a month cost, by service, project and SKU, and what could be saved."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ..model.cost import CostAnalysis, CostLine

WIDTH = 100
LINES = 12  # of each table, unless --all


@click.group("cost", help="Read the bill from a Cloud Billing export.")
def command() -> None:
    pass


@command.command("analyze")
@click.option("--month", help="Invoice month, 202610 or 2026-10; the newest of the export by default.")
@click.option(
    "--export", "billing_export", metavar="FILE", help="Instead of cost_optimization.billing_export."
)
@click.option("--all", "show_all", is_flag=True, help="Every line of each table.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; amounts are strings, exact.")
def analyze(month: str | None, billing_export: str | None, show_all: bool, as_json: bool) -> None:
    """Analyse one invoice month, net of credits, in US dollars."""
    from ..cost import CostOptimizationMonitor
    from ..storage import to_body

    analysis = CostOptimizationMonitor(billing_export=billing_export).analyze_monthly_costs_sync(month)
    if as_json:
        click.echo(json.dumps(to_body(analysis), indent=2))
    else:
        _print(analysis, len(analysis.by_sku) if show_all else LINES)


@command.command("budget")
@click.option("--service", required=True, help="As the bill calls it, for example 'Cloud Run'.")
@click.option("--amount", type=float, required=True, help="A month, in the currency of the billing account.")
@click.option(
    "--threshold", "thresholds", type=float, multiple=True, default=(50, 80, 100), show_default=True,
    metavar="PERCENT", help="Of the amount; may be given several times.",
)  # fmt: skip
@click.option("--project", help="GOOGLE_CLOUD_PROJECT by default; without one the budget is local.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def budget(
    service: str, amount: float, thresholds: Sequence[float], project: str | None, as_json: bool
) -> None:
    """Create or update the budget of one service."""
    from ..cost import CostOptimizationMonitor
    from ..storage import to_body

    alerts = CostOptimizationMonitor(project).create_budget_alert(service, amount, list(thresholds))
    if as_json:
        click.echo(json.dumps([to_body(alert) for alert in alerts], indent=2))
        return
    resource = alerts[0].budget_resource
    click.echo(resource or "local: compared with the billing export, nothing was created in Cloud Billing")
    for alert in alerts:
        spent = "unknown" if alert.current_spend is None else str(alert.current_spend)
        mark = "  EXCEEDED" if alert.is_exceeded else ""
        click.echo(f"{alert.threshold_percent:>6g} %  {alert.threshold_amount}  (spent: {spent}){mark}")


def _print(analysis: CostAnalysis, lines: int) -> None:
    from rich.console import Console

    console = Console(width=WIDTH, highlight=False)
    month = f"{analysis.invoice_month[:4]}-{analysis.invoice_month[4:]}"
    console.print(
        f"{month}: [bold]{analysis.total}[/] = {analysis.gross} and {analysis.credits} of credits, "
        f"{analysis.row_count:,} rows"
    )
    if len(analysis.by_currency) > 1:
        billed = ", ".join(str(money) for money in analysis.by_currency.values())
        console.print(f"billed as {billed}")
    for title, dimension in (
        ("service", analysis.by_service),
        ("project", analysis.by_project),
        ("SKU", analysis.by_sku),
    ):
        console.print(_table(title, dimension, lines))
    for recommendation in analysis.recommendations:
        saving = recommendation.saving
        worth = f"saves {saving.expected} a month" if saving else "no saving can be computed"
        console.print(printable(f"- {recommendation.title}: {worth}"), markup=False)
        if saving:
            console.print(printable(f"  {saving.formula}; {saving.basis}"), markup=False)
    console.print(f"potential savings: {analysis.total_potential_savings:,.2f} USD a month")
    for note in analysis.notes:
        console.print(printable(f"note: {note}"), markup=False)


def _table(title: str, lines: Sequence[CostLine], count: int) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(show_edge=False, pad_edge=False)
    table.add_column(title, overflow="ellipsis", no_wrap=True, max_width=44)
    for name in ("net USD", "credits", "share", "before"):
        table.add_column(name, justify="right", no_wrap=True)
    for line in lines[:count]:
        previous = "" if line.previous is None else f"{line.previous.amount:,.2f}"
        amounts = (f"{line.net.amount:,.2f}", f"{line.credits.amount:,.2f}", f"{line.share:.1%}", previous)
        table.add_row(Text(printable(line.key)), *amounts)
    if len(lines) > count:
        table.add_row(f"and {len(lines) - count} more")
    return table


def printable(text: str) -> str:
    """Without characters that steer a terminal: names in a bill are other people's text."""
    return "".join(c if c.isprintable() else "?" for c in text)
