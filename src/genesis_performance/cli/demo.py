"""``genesis-perf demo``: the whole loop on a local Google Cloud, watched live."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command("demo", help="Watch the whole loop on a local Google Cloud; no account needed.")
@click.option(
    "--app",
    "app_name",
    type=click.Choice(["shop", "datasette"]),
    default="shop",
    show_default=True,
    help="shop: a planted fault is found and repaired. datasette: an application none of us wrote.",
)
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("demo-out/report.html"),
    show_default=True,
    help="Where the report is written.",
)
@click.option("--plain", is_flag=True, help="Plain lines, and an end, on a terminal too.")
def command(*, app_name: str, report: Path, plain: bool) -> None:
    from ..demo.play import play

    live = sys.stdout.isatty() and not plain
    raise SystemExit(play(app_name, report, live=live))
