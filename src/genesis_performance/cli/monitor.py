"""``genesis-perf monitor``: what services have sent, which alerts there are and which incidents are open."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from ..config import settings
from ._monitor_incidents import incidents
from ._monitor_output import (
    JSON,
    PREFIX,
    PROJECT,
    STORE,
    RefusedError,
    as_json_text,
    asked,
    number,
    optional_project,
    plain,
    print_rows,
    records,
)

if TYPE_CHECKING:
    from ..model.alert import PerformanceAlert
    from ..monitor.cloud_policies import CloudPolicies
    from ..monitor.remote import OperationNow


@click.group("monitor", help="Look at metrics, alerts and incidents.")
def command() -> None:
    pass


@command.command("metrics")
@PROJECT
@PREFIX
@JSON
def metrics(project: str | None, prefix: str | None, as_json: bool) -> None:
    """List what Cloud Monitoring holds of us."""
    from ..monitor import remote

    found = asked(lambda: remote.metrics(_project(project), _prefix(prefix)))
    print_rows(
        found,
        as_json,
        ("METRIC", "KIND", "TYPE", "UNIT", "LABELS"),
        lambda one: (one.name, one.kind, one.value_type, one.unit, " ".join(one.labels)),
        "nothing has been sent yet",
    )


@command.command("tail")
@PROJECT
@PREFIX
@click.option("--service", help="Only this service.")
@click.option(
    "--every", "every_s", type=click.FloatRange(1), default=10.0, show_default=True, metavar="SECONDS"
)
@click.option("--count", type=click.IntRange(1), help="Stop after so many times; without it, at Ctrl+C.")
@JSON
def tail(
    project: str | None,
    prefix: str | None,
    *,
    service: str | None,
    every_s: float,
    count: int | None,
    as_json: bool,
) -> None:
    """Show what operations do, again and again.

    Rates, errors and quantiles are those of the newest minute. With --json each look is one line.
    """
    from ..monitor import remote

    place = asked(lambda: _project(project))
    seen = 0
    while True:
        found = asked(lambda: remote.operations(place, _prefix(prefix), service))
        if as_json:
            click.echo(as_json_text(plain(found), indent=None))
        else:
            click.echo(datetime.now().astimezone().strftime("%H:%M:%S"))
            _print_operations(found)
        seen += 1
        if count is not None and seen >= count:
            return
        time.sleep(every_s)


def _print_operations(found: Sequence[OperationNow]) -> None:
    print_rows(
        found,
        False,
        ("SERVICE", "OPERATION", "PER S", "ERRORS", "P50 MS", "P95 MS"),
        lambda one: (
            one.service,
            one.operation,
            f"{one.per_s:.2f}",
            f"{one.error_ratio:.1%}",
            number(one.p50_ms),
            number(one.p95_ms),
        ),
        "no operation in the last minutes",
    )


@command.command("alerts")
@PROJECT
@PREFIX
@STORE
@JSON
@click.option("--terraform", "as_terraform", is_flag=True, help="Print the store's alerts as Terraform.")
@click.option("--policies", "as_policies", is_flag=True, help="Print them as policies, in the API's JSON.")
def alerts(
    project: str | None,
    prefix: str | None,
    store: str | None,
    *,
    as_json: bool,
    as_terraform: bool,
    as_policies: bool,
) -> None:
    """List alerts, and our policies in the cloud."""
    if as_terraform or as_policies:
        _export_alerts(asked(lambda: records(store).alerts()), _prefix(prefix), as_terraform=as_terraform)
        return
    found = asked(lambda: [*_stored_alerts(store), *_policies(project)])
    by_name: dict[str, dict[str, Any]] = {}
    for one in found:
        by_name.setdefault(one["name"], {}).update({key: value for key, value in one.items() if value != ""})
    print_rows(
        [by_name[name] for name in sorted(by_name)],
        as_json,
        ("ALERT", "CONDITION", "SEVERITY", "MODE", "POLICY"),
        lambda one: (
            one["name"],
            one["condition"],
            one["severity"],
            one.get("apply", ""),
            one.get("resource_name", ""),
        ),
        "there is no alert",
    )


@command.command("delete-alert")
@click.argument("name")
@PROJECT
@STORE
def delete_alert(name: str, project: str | None, store: str | None) -> None:
    """Delete an alert, its policy too.

    Its open incidents are closed. A process that still makes the alert has it again at its next start.
    """
    from ..monitor.evaluation import closed
    from ..monitor.policy import label_of

    def delete() -> bool:
        place = optional_project(project)
        policies = _cloud_policies(place) if place is not None else None
        found = policies.find(label_of(name)) if policies is not None else None
        was_there = found is not None and policies is not None and policies.delete(found.name)
        kept = records(store)
        for one in kept.incidents():
            if one.alert_name == name and one.is_open and one.source == "local":
                kept.put_incident(closed(one, "closed: the alert was deleted", time.time_ns()))
        return kept.delete_alert(name) or was_there

    if not asked(delete):
        raise RefusedError(f"there is no alert {name!r}; genesis-perf monitor alerts lists them")
    click.echo(f"{name} deleted")


@command.command("dashboard")
@click.argument("service", required=False)
@click.option("--environment", default="production", show_default=True)
@click.option("--slo", metavar="NAME", help="projects/P/services/S/serviceLevelObjectives/O, drawn too.")
@PROJECT
@PREFIX
@STORE
@click.option("--json", "form", flag_value="json", default="json", help="Print it as JSON; the default.")
@click.option("--terraform", "form", flag_value="terraform", help="Print it as Terraform.")
@click.option("--apply", "form", flag_value="apply", help="Create it in Cloud Monitoring, or update it.")
def dashboard(
    service: str | None,
    *,
    environment: str,
    slo: str | None,
    project: str | None,
    prefix: str | None,
    store: str | None,
    form: str,
) -> None:
    """Print or make the dashboard of a service.

    It shows the thresholds of the store's alerts. Without SERVICE it is that of the only service that has
    alerts.
    """
    from ..monitor.dashboards import performance_dashboard

    known = asked(lambda: records(store).alerts())
    wanted = service or _only_service({one.service_name for one in known})
    made = asked(
        lambda: performance_dashboard(wanted, environment, prefix=_prefix(prefix), alerts=known, slo=slo)
    )
    if form == "apply":
        applied = asked(lambda: made.applied(_project(project)))
        click.echo(f"{applied.resource_name}\n{applied.url}")
    else:
        click.echo(made.to_terraform() if form == "terraform" else made.to_json(), nl=form == "json")


command.add_command(incidents)


def _stored_alerts(store: str | None) -> list[dict[str, Any]]:
    from ..monitor.policy import compared

    return [
        {
            "name": one.name,
            "condition": compared(one),
            "severity": one.severity,
            "apply": one.apply.value,
            "resource_name": one.resource_name or "",
        }
        for one in records(store).alerts()
    ]


def _policies(project: str | None) -> list[dict[str, Any]]:
    place = optional_project(project)
    if place is None:
        return []
    from ..monitor.policy import ALERT_LABEL

    return [
        {
            "name": dict(one.user_labels).get(ALERT_LABEL, one.display_name),
            "condition": "; ".join(condition.display_name for condition in one.conditions),
            "severity": one.severity.name,
            "apply": "api",
            "resource_name": one.name,
        }
        for one in _cloud_policies(place).ours()
    ]


def _cloud_policies(project: str) -> CloudPolicies:
    from ..monitor.cloud_policies import CloudPolicies

    return CloudPolicies(project, monotonic=time.monotonic, sleep=time.sleep)


def _export_alerts(found: Sequence[PerformanceAlert], prefix: str, *, as_terraform: bool) -> None:
    from ..monitor.policy import policy, rest, terraform

    made = [(one, policy(one, prefix)) for one in found]
    if as_terraform and not made:
        click.echo("# there is no alert")
    elif as_terraform:
        click.echo("\n".join(terraform(one, fields) for one, fields in made), nl=False)
    else:
        click.echo(json.dumps([rest(fields) for _, fields in made], indent=2))


def _only_service(services: set[str]) -> str:
    if len(services) != 1:
        known = f"these have alerts: {', '.join(sorted(services))}" if services else "no service has alerts"
        raise click.UsageError(f"name the SERVICE; {known}")
    return next(iter(services))


def _project(project: str | None) -> str:
    found = optional_project(project)
    if not found:
        raise click.UsageError(
            "there is no project: give --project or set GOOGLE_CLOUD_PROJECT. Without one, metrics stay "
            "in the process that records them"
        )
    return found


def _prefix(prefix: str | None) -> str:
    return prefix or settings().monitoring.metric_prefix
