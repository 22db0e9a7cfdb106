"""``genesis-perf secrets``: explain why a secret can not be read, read several once, list what they cost."""

from __future__ import annotations

import dataclasses
import json
import time
from typing import Any

import click

from ..errors import GenesisPerformanceError

_PROJECT = click.option("--project", help="Project of short names; GOOGLE_CLOUD_PROJECT by default.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group("secrets", help="Look at the secrets that a service reads. Payloads are never printed.")
def command() -> None:
    pass


@command.command("check")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@_PROJECT
@_JSON
@click.pass_context
def check(context: click.Context, names: tuple[str, ...], project: str | None, as_json: bool) -> None:
    """Read each secret once and say in words what is wrong. Exits 1 if one can not be read."""
    found = _diagnoses(context, names, project)
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(one) for one in found], indent=2))
    else:
        for one in found:
            click.echo(f"{'ok  ' if one.is_readable else 'FAIL'}  {one.resource}: {one.text}")
            if one.remedy:
                click.echo(f"      {one.remedy}")
    context.exit(0 if all(one.is_readable for one in found) else 1)


@command.command("warm")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@_PROJECT
@_JSON
@click.pass_context
def warm(context: click.Context, names: tuple[str, ...], project: str | None, as_json: bool) -> None:
    """Read the secrets as one batch and print how long the reads took. Exits 1 if one fails."""
    from ..secrets import OptimizedSecretManager, SecretBatchError

    failures: dict[str, str] = {}
    begin_ns = time.perf_counter_ns()
    with OptimizedSecretManager(project) as manager:
        try:
            manager.get_secrets_sync(names)
        except SecretBatchError as error:
            failures = {name: str(failure) for name, failure in error.failures.items()}
        except GenesisPerformanceError as error:
            _fail(context, error)
        batch_ms = (time.perf_counter_ns() - begin_ns) / 1e6
        summary = manager.get_performance_report()["performance_summary"]
    latency = summary["read_latency_ms"]
    if as_json:
        shown = {"batch_ms": batch_ms, "api_calls": summary["api_calls"], "read_latency_ms": latency}
        click.echo(json.dumps({**shown, "failures": failures}, indent=2))
    else:
        read = summary["api_calls"] - len(failures)
        click.echo(f"{read} secrets read in {batch_ms:.0f} ms{_p50(latency['p50'])}")
        for name, text in failures.items():
            click.echo(f"FAIL  {name}: {text}")
    context.exit(1 if failures else 0)


@command.command("report")
@_PROJECT
@click.option("--location", help="Of regional secrets.")
@_JSON
@click.pass_context
def report(context: click.Context, project: str | None, location: str | None, as_json: bool) -> None:
    """List a project's secrets with their active versions and what keeping them costs a month."""
    from ..gcp import resolve_project
    from ..secrets.inventory import kept_secrets

    known = resolve_project(project)
    if known is None:
        raise click.UsageError("no project is known; give --project or set GOOGLE_CLOUD_PROJECT")
    try:
        kept = sorted(kept_secrets(known, location), key=lambda one: one.monthly_cost.amount, reverse=True)
    except GenesisPerformanceError as error:
        _fail(context, error)
    total = sum((one.monthly_cost.amount for one in kept), start=0)
    if as_json:
        rows: list[dict[str, Any]] = [
            {
                "resource": one.resource,
                "enabled_versions": one.enabled,
                "disabled_versions": one.disabled,
                "locations": one.locations,
                "monthly_cost_usd": float(one.monthly_cost),
            }
            for one in kept
        ]
        click.echo(json.dumps({"secrets": rows, "monthly_cost_usd": float(total)}, indent=2))
        return
    for one in kept:
        off = f", {one.disabled} disabled" if one.disabled else ""
        click.echo(f"{one.monthly_cost:>8.2f} USD  {one.resource}: {one.enabled} enabled{off}")
    click.echo(
        f"{total:>8.2f} USD a month for {len(kept)} secrets, before the account's free tier; reads not in"
    )


def _diagnoses(context: click.Context, names: tuple[str, ...], project: str | None) -> list[Any]:
    from ..config import settings
    from ..gcp import resolve_project
    from ..secrets.diagnosis import explained, readable
    from ..secrets.names import parse
    from ..secrets.outside import access_over_grpc

    def known() -> str:
        found = resolve_project(project)
        if found is None:
            raise click.UsageError("no project is known; give --project or set GOOGLE_CLOUD_PROJECT")
        return found

    found = []
    for text in names:
        try:
            name = parse(text, project=known, location=settings().gcp.location)
        except GenesisPerformanceError as error:
            _fail(context, error)
        begin_ns = time.perf_counter_ns()
        try:
            version = access_over_grpc(name, settings().secret_manager.timeout_s).name.rpartition("/")[2]
            found.append(readable(name, version, (time.perf_counter_ns() - begin_ns) / 1e6))
        except GenesisPerformanceError as error:
            found.append(explained(name, error))
    return found


def _p50(p50_ms: float | None) -> str:
    return "" if p50_ms is None else f", half of the reads within {p50_ms:.0f} ms"


def _fail(context: click.Context, error: GenesisPerformanceError) -> None:
    click.echo(f"genesis-perf secrets: {error}", err=True)
    context.exit(2)
