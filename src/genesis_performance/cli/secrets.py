"""``genesis-perf secrets``: explain why a secret can not be read, read several once, list what they cost."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import GenesisPerformanceError

if TYPE_CHECKING:
    from ..secrets.access import AccessFacts
    from ..secrets.inventory import KeptSecret
    from ..secrets.recommendations import CostRecommendation

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
    """Read the secrets as one batch and print how long the reads took. Exits 1 if one fails.

    Nothing is kept for another process: it shows what preloading them costs a service at its start.
    """
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
        read = len(set(names)) - len(failures)
        click.echo(f"{_many(read, 'secret')} read in {batch_ms:.0f} ms{_p50(latency['p50'])}")
        for name, text in failures.items():
            click.echo(f"FAIL  {name}: {text}")
    context.exit(1 if failures else 0)


@command.command("report")
@_PROJECT
@click.option("--location", help="Of regional secrets.")
@click.option(
    "--accesses",
    "files",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    multiple=True,
    help="What a process wrote with json.dump(secrets.get_performance_report(), file). "
    "Several times for processes of the same span of time.",
)
@_JSON
@click.pass_context
def report(
    context: click.Context, project: str | None, location: str | None, files: tuple[Path, ...], as_json: bool
) -> None:
    """List a project's secrets: versions, what keeping them costs a month, and what could be saved.

    With --accesses also how often each is read, and which versions nobody reads. Needs the permissions
    secretmanager.secrets.list and secretmanager.versions.list.
    """
    from ..gcp import resolve_project
    from ..secrets.access import facts_of
    from ..secrets.inventory import kept_secrets
    from ..secrets.recommendations import cost_recommendations

    known = resolve_project(project)
    if known is None:
        raise click.UsageError("no project is known; give --project or set GOOGLE_CLOUD_PROJECT")
    try:
        reports = [_measured(path) for path in files]
        kept = sorted(kept_secrets(known, location), key=lambda one: (-one.active, one.resource))
        facts = facts_of(reports, kept, lists_project=True)
        advice = cost_recommendations(facts)
        groups = _groups(reports)
    except GenesisPerformanceError as error:
        _fail(context, error)
    rows = [_row(one, facts, measured=bool(files)) for one in kept]
    total = float(sum((one.monthly_cost.amount for one in kept), start=0))
    if as_json:
        shown = {"secrets": rows, "monthly_cost_usd": total, "groups": groups, "recommendations": advice}
        click.echo(json.dumps(shown, indent=2))
        return
    for row in rows:
        click.echo(f"{row['monthly_cost_usd']:>8.2f} USD  {row['resource']}: {_words(row)}")
    click.echo(
        f"{total:>8.2f} USD a month for {_many(len(kept), 'secret')}, before the account's free tier; "
        "reads not in"
    )
    if files:
        click.echo(f"Reads were {facts.measured_in}; those of others are not seen.")
    for group in groups:
        click.echo(f"Read together: {', '.join(group)}")
    _print_advice(advice)


def _groups(reports: Sequence[Any]) -> list[list[str]]:
    """What is read together in any of the processes, each group once."""
    found = [tuple(group["secrets"]) for report in reports for group in report["groups"]]
    return [list(group) for group in dict.fromkeys(found)]


def _row(kept: KeptSecret, facts: AccessFacts, *, measured: bool) -> dict[str, Any]:
    from ..secrets.rules.unused_versions import unused_versions

    row: dict[str, Any] = {
        "resource": kept.resource,
        "enabled_versions": len(kept.enabled),
        "disabled_versions": len(kept.disabled),
        "locations": kept.locations,
        "monthly_cost_usd": float(kept.monthly_cost),
    }
    if measured:
        read = [one for one in facts.secrets if one.parent == kept.resource]
        row["reads"] = sum(one.reads for one in read)
        row["api_calls"] = sum(one.calls for one in read)
        row["version_changes"] = max((one.version_changes for one in read), default=0)
        row["unused_versions"] = list(unused_versions(kept, facts))
    return row


def _words(row: dict[str, Any]) -> str:
    words = [f"{row['enabled_versions']} enabled"]
    if row["disabled_versions"]:
        words.append(f"{row['disabled_versions']} disabled")
    if "reads" in row:
        words.append(
            f"{_many(row['reads'], 'read')} by {_many(row['api_calls'], 'call')}"
            if row["reads"]
            else "not read"
        )
        if row["unused_versions"]:
            words.append(f"{_many(len(row['unused_versions']), 'old version')} unused")
    return ", ".join(words)


def _print_advice(advice: Sequence[CostRecommendation]) -> None:
    if not advice:
        click.echo("Nothing to save was found.")
    for one in advice:
        click.echo(f"\n{one['estimated_monthly_savings']:>8.2f} USD  {one['title']} ({one['risk']} risk)")
        click.echo(f"{'':14}{one['description']}")
        click.echo(f"{'':14}{one['formula']}")
        click.echo(f"{'':14}{one['basis']}")
        for step in [*one["steps"], *one["commands"]]:
            click.echo(f"{'':14}- {step}")


def _measured(path: Path) -> Any:
    """The report in a file; what is wrong with it is said by ``facts_of``."""
    from ..errors import InvalidInputError

    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidInputError(f"{path} is no JSON file: {error}") from None


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


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}" + ("" if count == 1 else "s")


def _p50(p50_ms: float | None) -> str:
    return "" if p50_ms is None else f", half of the reads within {p50_ms:.0f} ms"


def _fail(context: click.Context, error: GenesisPerformanceError) -> None:
    click.echo(f"genesis-perf secrets: {error}", err=True)
    context.exit(2)
