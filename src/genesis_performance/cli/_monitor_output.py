"""What the subcommands of ``genesis-perf monitor`` share: their options, and how rows are printed."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import click

from ..errors import GenesisPerformanceError

T = TypeVar("T")

PROJECT = click.option("--project", help="Project; that of the settings by default.")
PREFIX = click.option("--prefix", help="Metric prefix; monitoring.metric_prefix by default.")
STORE = click.option("--store", help="History store, sqlite:///PATH; storage.url by default.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


class RefusedError(click.ClickException):
    """Said in one line."""

    exit_code = 2  # as for every error of ours


def asked(work: Callable[[], T]) -> T:
    """What ``work`` returns; an error of ours is one line and exit code 2."""
    try:
        return work()
    except GenesisPerformanceError as error:
        raise RefusedError(str(error)) from error


def print_rows(
    rows: Sequence[Any],
    as_json: bool,
    head: Sequence[str],
    cells: Callable[[Any], Iterable[str]],
    nothing: str,
) -> None:
    """A table, or the rows as JSON; ``nothing`` is said in place of an empty table.

    On a terminal that is too narrow for the table each row has lines of its own.
    """
    if as_json:
        click.echo(as_json_text(plain(rows)))
        return
    if not rows:
        click.echo(nothing)
        return
    table = [tuple(head), *(tuple(cells(one)) for one in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(head))]
    room = terminal_width()
    if room is not None and sum(widths) + 2 * (len(head) - 1) > room:
        for row in table[1:]:
            for name, cell in zip(head, row, strict=True):
                if cell:
                    click.echo(f"{name:<12}{cell}")
            click.echo()
        return
    for row in table:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def plain(rows: Sequence[Any]) -> list[Any]:
    """The rows as JSON takes them."""
    return [one if isinstance(one, dict) else dataclasses.asdict(one) for one in rows]


def as_json_text(value: Any, indent: int | None = 2) -> str:
    return json.dumps(_finite(value), indent=indent, default=str)


def terminal_width() -> int | None:
    """Columns; None where nobody's terminal is written to."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def short_id(full: str) -> str:
    """Eight characters that stand for an incident's id, which is long and may hold spaces."""
    return hashlib.blake2b(full.encode(), digest_size=4).hexdigest()


def number(value: float | None) -> str:
    return "-" if value is None or not math.isfinite(value) else f"{value:.4g}"


def moment(unix_ns: int) -> str:
    return datetime.fromtimestamp(unix_ns / 1e9, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def records(store: str | None) -> Any:
    """The monitor's records, whose errors are raised."""
    from ..export.limits import Complaints
    from ..monitor.records import MonitorRecords, log

    return MonitorRecords(store, Complaints(log), raises=True)


def optional_project(project: str | None) -> str | None:
    from ..gcp import resolve_project

    return resolve_project(project)


def _finite(value: Any) -> Any:
    """JSON has no NaN: an unknown value is null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, list | tuple) else value
