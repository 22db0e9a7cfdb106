"""The commands of ``genesis-perf profile``."""

from __future__ import annotations

import click

from .comparing import diff
from .converting import export, upload
from .looking import list_, view
from .running import run


@click.group("profile", help="Find out where a program's time goes.")
def command() -> None:
    pass


for _each in (run, view, diff, export, list_, upload):
    command.add_command(_each)
