"""``genesis-perf profile view`` and ``list``: a session in the terminal, and what the history store has."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...render.profile_text import clip, profile_text
from ...render.text import at, milliseconds
from .sources import (
    STREAM,
    Source,
    clock_option,
    echo_json,
    operation_option,
    read_source,
    source_argument,
    stored_profiles,
    thread_option,
    write_output,
)
from .summary import function_rows, operation_lines, operation_rows, said_lines, sampled

if TYPE_CHECKING:
    from ...model.profile import ProfileReport
    from ...model.stacks import StackProfile

LISTED = 20
DEPTH = 30
ROWS = 15
UNKNOWN_WIDTH = 100
"""Columns where the output goes to no terminal."""


@click.command("view")
@source_argument
@clock_option
@operation_option
@thread_option
@click.option("--depth", type=click.IntRange(0), default=DEPTH, show_default=True, help="Levels of the tree.")
@click.option("--rows", type=click.IntRange(1), default=ROWS, show_default=True, help="Rows of each table.")
@click.option("--html", metavar="OUT", help="Write the flame graph instead, as one HTML file.")
@click.option("--open", "opens", is_flag=True, help="With --html: show it in the browser.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with every function.")
def view(
    source: str,
    *,
    clock: str | None,
    operation: str | None,
    thread: str | None,
    depth: int,
    rows: int,
    html: str | None,
    opens: bool,
    as_json: bool,
) -> None:
    """Show where the time went: functions, paths, operations, threads, findings.

    FILE is a session, a file of another tool (collapsed stacks, speedscope, pprof, pstats), the id of a
    stored profile, or - for standard input.
    """
    given = read_source(source)
    chosen = given.clock(clock)
    stacks = given.of(chosen, operation, thread) if _has_stacks(given, clock) else None
    if html is not None:
        _write_page(given, given.of(chosen, operation, thread), html, opens=opens)
    elif as_json:
        echo_json(_document(given, stacks, chosen))
    else:
        for line in _lines(given, stacks, chosen, rows=rows, depth=depth):
            click.echo(line)


@click.command("list")
@click.option(
    "--limit", type=click.IntRange(1), default=LISTED, show_default=True, help="The newest so many."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(limit: int, as_json: bool) -> None:
    """List the profiles in the history store, newest first; "profile view ID" shows one."""
    records = stored_profiles(limit)
    rows = [
        {
            "id": record.key,
            "at_unix_ns": record.at_unix_ns,
            "duration_s": record.body.get("duration_s", 0.0),
            "operations": len(record.body.get("operations", ())),
            "findings": len(record.body.get("findings", ())),
            "has_stacks": record.body.get("stacks") is not None,
        }
        for record in records
    ]
    if as_json:
        echo_json({"profiles": rows})
        return
    if not rows:
        click.echo("no profiles yet: start_profiling() and stop_profiling() keep them")
        return
    width = max(2, *(len(str(row["id"])) for row in rows))
    click.echo(f"{'id':<{width}}  {'end (UTC)':<19}  {'duration':>9}  operations  findings  stacks")
    for row in rows:
        click.echo(
            f"{row['id']:<{width}}  {at(row['at_unix_ns'], date=True):<19}  "
            f"{milliseconds(row['duration_s'] * 1e3):>9}  {row['operations']:>10}  {row['findings']:>8}  "
            f"{'yes' if row['has_stacks'] else 'no'}"
        )


def _has_stacks(given: Source, clock: str | None) -> bool:
    """A session without stacks still has operations and findings, which are worth a view."""
    return given.stacks is not None or given.report is None or clock == "alloc"


def _lines(given: Source, stacks: StackProfile | None, clock: str, *, rows: int, depth: int) -> Iterator[str]:
    width = shutil.get_terminal_size((UNKNOWN_WIDTH, 24)).columns
    if given.report is not None:
        yield from (clip(line, width) for line in _about(given.report))
    if stacks is not None:
        text = profile_text(
            stacks, clock=clock, width=width, rows=rows, depth=depth, colour=sys.stdout.isatty()
        )
        yield text.rstrip("\n")
    if given.report is None:
        return
    operations = list(operation_lines(given.report, rows))
    if operations:
        yield ""
        yield from (clip(line, width) for line in operations)
    yield from _said(given.report)


def _about(report: ProfileReport) -> Iterator[str]:
    labels = ", ".join(f"{name} {value}" for name, value in report.labels.items())
    yield f"{report.profile_id}: {at(report.start_unix_ns, date=True)} UTC" + (
        f", {labels}" if labels else ""
    )
    yield (
        f"CPU {report.avg_cpu_percent:.0f} % of one core ({report.cpu_count:g} usable), "
        f"memory {report.max_memory_bytes / 2**20:,.0f} MiB at most"
    )
    if report.sampler is not None:
        yield sampled(report.sampler)
    if report.gc is not None and report.gc.pause_ns:
        yield (
            f"garbage collection: {sum(report.gc.collections):,} times, "
            f"{milliseconds(report.gc.pause_ns / 1e6)}, longest {milliseconds(report.gc.longest_ns / 1e6)}"
        )


def _said(report: ProfileReport) -> Iterator[str]:
    lines = list(said_lines(report))
    if lines:
        yield ""
        yield from lines


def _document(given: Source, stacks: StackProfile | None, clock: str) -> dict[str, Any]:
    from ...frames import operation_weights, thread_weights

    document: dict[str, Any] = {"source": given.name, "clock": clock}
    if stacks is not None:
        kinds = [kind._asdict() for kind in stacks.value_types]
        document |= {
            "duration_s": stacks.duration_s,
            "value_types": kinds,
            "functions": function_rows(stacks, clock, None),
            "operation_weights": operation_weights(stacks),
            "thread_weights": thread_weights(stacks),
            "lost": dict(stacks.lost),
        }
    if given.report is not None:
        from ...storage import to_body

        document |= {
            "profile_id": given.report.profile_id,
            "duration_s": given.report.duration_s,
            "operations": operation_rows(given.report, None),
            "findings": [to_body(finding) for finding in given.report.findings],
            "notes": list(given.report.notes),
        }
    return document


def _write_page(given: Source, stacks: StackProfile, output: str, *, opens: bool) -> None:
    from ...render.flame_graph import flame_graph

    write_output(output, flame_graph(stacks, title=given.name, report=given.report))
    if output == STREAM:
        return
    click.echo(f"written to {output}")
    if opens:
        click.launch(Path(output).absolute().as_uri())
