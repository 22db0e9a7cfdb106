"""``genesis-perf optimize``: recommendations for a service from its metrics, and the plan made of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .cost import WIDTH, printable

if TYPE_CHECKING:
    from ..model.advice import OptimizationRecommendation
    from ..optimizer import OptimizationPlan, ServiceAnalysis

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON; amounts are strings, exact.")


@click.group("optimize", help="Find out what to change, and what to change first.")
def command() -> None:
    pass


@command.command("analyze")
@click.option("--service", required=True, help="Name of the service.")
@click.option("--type", "service_type", default="cloud_run", show_default=True, help="Kind of service.")
@click.option(
    "--metrics", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path), required=True,
    metavar="FILE", help="JSON or YAML: metric names and values; - reads standard input.",
)  # fmt: skip
@click.option("--rule", "rules", multiple=True, default=("*",), help="Only rules like 'optimizer/cpu-*'.")
@_JSON
def analyze(service: str, service_type: str, metrics: Path, rules: tuple[str, ...], as_json: bool) -> None:
    """Run the rules over the metrics of one service."""
    from ..optimizer import PerformanceOptimizer

    with PerformanceOptimizer() as optimizer:
        analysis = optimizer.analyze_service_performance_sync(
            service, service_type, _read(metrics), rules=rules
        )
    if as_json:
        click.echo(json.dumps(_body(analysis), indent=2))
    else:
        _print_analysis(service, analysis)


@command.command("plan")
@click.option("--max", "count", type=int, help="Recommendations; optimizer.max_recommendations by default.")
@click.option("--hours", type=float, help="Of work; optimizer.max_total_effort_hours by default.")
@click.option("--quick-wins/--no-quick-wins", default=True, show_default=True, help="Quick wins first.")
@_JSON
def plan(count: int | None, hours: float | None, quick_wins: bool, as_json: bool) -> None:
    """Choose the recommendations that save most within the hours."""
    from ..optimizer import PerformanceOptimizer
    from ..storage import to_body

    with PerformanceOptimizer() as optimizer:
        made = optimizer.generate_optimization_plan(count, hours, quick_wins)
    if as_json:
        click.echo(json.dumps(to_body(made), indent=2))
    else:
        _print_plan(made)


@command.command("mark")
@click.argument("recommendation_id", metavar="ID")
@click.argument("state")
def mark(recommendation_id: str, state: str) -> None:
    """Set a recommendation to CLAIMED, SUCCEEDED, FAILED, DISMISSED or back to ACTIVE."""
    from ..optimizer import PerformanceOptimizer

    with PerformanceOptimizer() as optimizer:
        marked = optimizer.mark_recommendation(recommendation_id, state.upper())
    click.echo(f"{marked.id} is {marked.state}")


def _read(path: Path) -> Mapping[str, Any]:
    """The metrics in a file.

    Raises:
        InvalidInputError: it can not be read, or holds no mapping.
    """
    import yaml

    from ..errors import InvalidInputError

    try:
        with click.open_file(str(path), encoding="utf-8") as file:
            text = file.read()
        values = yaml.safe_load(text)  # JSON is YAML
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InvalidInputError(f"{path} can not be read as metrics: {error}") from error
    if not isinstance(values, dict):
        raise InvalidInputError(f"{path} holds {type(values).__name__}; it must hold metric names and values")
    return values


def _body(analysis: ServiceAnalysis) -> dict[str, Any]:
    from ..storage import to_body

    return to_body(
        {
            "recommendations": list(analysis),
            "findings": analysis.findings,
            "examined": analysis.examined,
            "skipped": analysis.skipped,
            "unknown_metrics": analysis.unknown_metrics,
            "notes": analysis.notes,
        }
    )


def _print_analysis(service: str, analysis: ServiceAnalysis) -> None:
    console = _console()
    for recommendation in analysis:
        _print_recommendation(console, recommendation)
    advised = {finding for recommendation in analysis for finding in recommendation.findings}
    for finding in analysis.findings:
        if finding not in advised:
            console.print(printable(f"{finding.title}: {finding.reason}"))
    if not analysis.findings:
        console.print(printable(f"{service}: nothing found by {len(analysis.examined)} rules"))
    for skipped in analysis.skipped:
        console.print(printable(f"not examined: {skipped.rule} {skipped.reason}"), style="dim")
    for name in analysis.unknown_metrics:
        console.print(printable(f"unknown metric: {name}"), style="yellow")
    for note in analysis.notes:
        console.print(printable(f"note: {note}"))


def _print_recommendation(console: Any, recommendation: OptimizationRecommendation) -> None:
    from rich.text import Text

    title = f"[{recommendation.severity}] {recommendation.title}"
    console.print(Text(printable(title), style="bold"))
    console.print(printable(recommendation.description))
    if recommendation.latency_gain_ms is not None:
        low, expected, high = recommendation.latency_gain_ms
        console.print(f"  gain: {expected:.1f} ms a request ({low:.1f} to {high:.1f})")
    if recommendation.saving is not None:
        saving = recommendation.saving
        console.print(f"  saving: {saving.expected} a month ({saving.low} to {saving.high})")
        console.print(printable(f"  = {saving.formula}"), style="dim")
        console.print(printable(f"  {saving.basis}"), style="dim")
    for line in (*recommendation.steps, *recommendation.commands):
        console.print(printable(f"  - {line}"))
    console.print(f"  {recommendation.effort_hours:g} h, risk {recommendation.risk}, {recommendation.id}")


def _print_plan(made: OptimizationPlan) -> None:
    from rich.table import Table
    from rich.text import Text

    console, summary = _console(), made["summary"]
    table = Table(show_edge=False, pad_edge=False)
    table.add_column("recommendation", max_width=56)
    for name in ("USD a month", "hours", "risk"):
        table.add_column(name, justify="right", no_wrap=True)
    for r in made["selected_recommendations"]:
        money = "" if r.saving is None else f"{r.saving.expected.amount:,.2f}"
        table.add_row(Text(f"{printable(r.title)}\n{r.id}"), money, f"{r.effort_hours:g}", r.risk.value)
    if made["selected_recommendations"]:
        console.print(table)
    console.print(
        f"{summary['recommendation_count']} recommendations, "
        f"{summary['total_implementation_hours']:g} hours, "
        f"{summary['total_monthly_savings']:,.2f} USD a month ({summary['total_monthly_savings_low']:,.2f} "
        f"to {summary['total_monthly_savings_high']:,.2f})"
    )
    for left in made["not_selected"]:
        console.print(
            printable(f"not selected: {left['recommendation'].title}: {left['reason']}"), style="dim"
        )
    for note in made["notes"]:
        console.print(printable(f"note: {note}"))


def _console() -> Any:
    from rich.console import Console

    return Console(width=WIDTH, highlight=False, markup=False)
