"""``genesis-perf config``: every setting, its value, and where it came from."""

from __future__ import annotations

import json

import click
import msgspec

from ..config import load
from ..config.loading import SECTIONS

KEPT_BACK = frozenset(("otlp.headers", "notifications.webhook_url"))
"""Settings that hold keys: that they are set is shown, what they are is not."""


@click.group("config", help="Show and check the settings.")
def command() -> None:
    pass


@command.command("show")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--changed", is_flag=True, help="Only settings that are not the default.")
def show(as_json: bool, changed: bool) -> None:
    """Print each setting with the place that set it."""
    current = load()
    rows = []
    for section in SECTIONS:
        values = getattr(current, section.NAME)
        for field in msgspec.structs.fields(section):
            path = f"{section.NAME}.{field.name}"
            origin = current.origins.get(path, "default")
            if changed and origin == "default":
                continue
            value = msgspec.to_builtins(getattr(values, field.name))
            if value and path in KEPT_BACK:
                value = "(set, not shown)"
            rows.append({"setting": path, "value": value, "origin": origin})
    if as_json:
        click.echo(json.dumps({"schema_version": 1, "settings": rows}, indent=2))
        return
    if not rows:
        click.echo("every setting is the default")
        return
    width = max(len(row["setting"]) for row in rows)
    for row in rows:
        click.echo(f"{row['setting']:<{width}}  {json.dumps(row['value']):<24}  {row['origin']}")
