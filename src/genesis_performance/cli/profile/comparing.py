"""``genesis-perf profile diff``: which functions explain the difference of two sessions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from ...frames.paths import short_paths
from ...render.profile_text import amount
from ...render.text import clipped, percent
from .sources import clock_option, echo_json, operation_option, read_source, write_output

if TYPE_CHECKING:
    from ...model.stack_difference import FunctionDifference, StackDifference

ROWS = 20


@click.command("diff")
@click.argument("before", metavar="BEFORE")
@click.argument("after", metavar="AFTER")
@clock_option
@operation_option
@click.option(
    "--basis",
    type=click.Choice(["matched", "share", "second", "absolute"]),
    default="matched",
    show_default=True,
    help="How two runs of different length are made comparable.",
)
@click.option("--rows", type=click.IntRange(1), default=ROWS, show_default=True, help="Functions shown.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with every function.")
@click.option("--html", metavar="OUT", help="Also write the flame graph of AFTER, coloured by the change.")
def diff(
    before: str,
    after: str,
    *,
    clock: str | None,
    operation: str | None,
    basis: str,
    rows: int,
    as_json: bool,
    html: str | None,
) -> None:
    """Rank the functions that explain the difference of two sessions, or of two files of other tools."""
    from ...frames import difference

    sides = read_source(before), read_source(after)
    chosen = sides[1].clock(clock)
    old, new = (side.of(chosen, operation) for side in sides)
    found = difference(old, new, column=chosen, basis=basis)
    if html is not None:
        from ...render.flame_graph import flame_graph

        title = f"{sides[0].name} to {sides[1].name}"
        write_output(html, flame_graph(new, title=title, report=sides[1].report, difference=old))
    if as_json:
        from ...storage import to_body

        echo_json(to_body(found))
    else:
        click.echo("\n".join(_lines(found, rows)))


def _lines(found: StackDifference, most: int) -> Iterator[str]:
    whole = (found.total_before, found.total_after)
    names = ("before", "after")
    counts = (found.samples_before, found.samples_after)
    for name, value, samples in zip(names, whole, counts, strict=True):
        known = "" if samples is None else f", {samples:,.0f} samples"
        yield f"{name + ':':<8}{amount(value, found.column)} {found.column.name}{known}"
    yield f"basis {found.basis}" + ("" if found.scale == 1 else f": before times {found.scale:.3g}")
    moved = [row for row in found.rows if row.self_change]  # who only calls them explains nothing
    shown = moved[:most]
    if not shown:
        yield "no function differs"
    else:
        yield f"{'self before':>12} {'self after':>11} {'change':>11} {'explains':>9}     function"
    short = short_paths({row.file for row in shown if row.file})
    for row in shown:
        yield _row(row, found, short)
    if len(moved) > len(shown):
        yield f"and {len(moved) - len(shown):,} more functions (--rows)"
    if any(row.beyond_noise is False for row in shown):
        yield "~ may be sampling noise"
    for note in found.notes:
        yield f"note: {clipped(note)}"


def _row(row: FunctionDifference, found: StackDifference, short: dict[str, str]) -> str:
    change = round(row.self_change)
    signed = ("+" if change > 0 else "") + amount(change, found.column)
    place = f"  {short[row.file]}:{row.line}" if row.file else ""
    return (
        f"{amount(row.self_before, found.column):>12} {amount(row.self_after, found.column):>11} "
        f"{signed:>11} {percent(row.explains):>9}  "
        f"{'~' if row.beyond_noise is False else ' '}  {clipped(row.function, 60)}{clipped(place)}"
    )
