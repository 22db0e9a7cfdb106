"""``genesis-perf monitor``: what services have sent, which alerts there are and which incidents are open."""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..config import settings
from ..errors import GenesisPerformanceError

if TYPE_CHECKING:
    from ..model.alert import PerformanceAlert
    from ..monitor.cloud_policies import CloudPolicies

T = TypeVar("T")

_PROJECT = click.option("--project", help="Project; that of the settings by default.")
_PREFIX = click.option("--prefix", help="Metric prefix; monitoring.metric_prefix by default.")
_STORE = click.option("--store", help="History store, sqlite:///PATH; storage.url by default.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group("monitor", help="Look at metrics, alerts and incidents.")
def command() -> None:
    pass


@command.command("metrics")
@_PROJECT
@_PREFIX
@_JSON
def metrics(project: str | None, prefix: str | None, as_json: bool) -> None:
    """List the metrics that Cloud Monitoring holds below the prefix."""
    from ..monitor import remote

    found = _asked(lambda: remote.metrics(_project(project), _prefix(prefix)))
    _print(
        found,
        as_json,
        ("METRIC", "KIND", "TYPE", "UNIT", "LABELS"),
        lambda one: (one.name, one.kind, one.value_type, one.unit, " ".join(one.labels)),
        "nothing has been sent yet",
    )


@command.command("tail")
@_PROJECT
@_PREFIX
@click.option("--service", help="Only this service.")
@click.option(
    "--every", "every_s", type=click.FloatRange(1), default=10.0, show_default=True, metavar="SECONDS"
)
@click.option("--count", type=click.IntRange(1), help="Stop after so many times; without it, at Ctrl+C.")
@_JSON
def tail(
    project: str | None,
    prefix: str | None,
    *,
    service: str | None,
    every_s: float,
    count: int | None,
    as_json: bool,
) -> None:
    """Show what each operation did in the newest minute, again and again."""
    from ..monitor import remote

    place = _asked(lambda: _project(project))
    seen = 0
    while True:
        found = _asked(lambda: remote.operations(place, _prefix(prefix), service))
        if not as_json:
            click.echo(datetime.now().astimezone().strftime("%H:%M:%S"))
        _print(
            found,
            as_json,
            ("SERVICE", "OPERATION", "PER S", "ERRORS", "P50 MS", "P95 MS"),
            lambda one: (
                one.service,
                one.operation,
                f"{one.per_s:.2f}",
                f"{one.error_ratio:.1%}",
                _number(one.p50_ms),
                _number(one.p95_ms),
            ),
            "no operation in the last minutes",
        )
        seen += 1
        if count is not None and seen >= count:
            return
        time.sleep(every_s)


@command.command("alerts")
@_PROJECT
@_PREFIX
@_STORE
@_JSON
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
    """List the alerts that the store knows, and our policies in Cloud Monitoring."""
    if as_terraform or as_policies:
        _export_alerts(_asked(lambda: _records(store).alerts()), _prefix(prefix), as_terraform=as_terraform)
        return
    found = _asked(lambda: [*_stored_alerts(store), *_policies(project)])
    by_name: dict[str, dict[str, Any]] = {}
    for one in found:
        by_name.setdefault(one["name"], {}).update({key: value for key, value in one.items() if value != ""})
    _print(
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
@_PROJECT
@_STORE
def delete_alert(name: str, project: str | None, store: str | None) -> None:
    """Delete an alert of ours: from the store, and its policy in Cloud Monitoring."""
    from ..monitor.policy import label_of

    def delete() -> bool:
        place = _optional_project(project)
        policies = _cloud_policies(place) if place is not None else None
        found = policies.find(label_of(name)) if policies is not None else None
        was_there = found is not None and policies is not None and policies.delete(found.name)
        return _records(store).delete_alert(name) or was_there

    if not _asked(delete):
        raise _RefusedError(f"there is no alert {name!r}; genesis-perf monitor alerts lists them")
    click.echo(f"{name} deleted")


@command.command("dashboard")
@click.argument("service", required=False)
@click.option("--environment", default="production", show_default=True)
@click.option("--slo", metavar="NAME", help="projects/P/services/S/serviceLevelObjectives/O, drawn too.")
@_PROJECT
@_PREFIX
@_STORE
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
    """The dashboard of SERVICE, with the thresholds of the store's alerts.

    Without SERVICE it is that of the only service that has alerts.
    """
    from ..monitor.dashboards import performance_dashboard

    known = _asked(lambda: _records(store).alerts())
    wanted = service or _only_service({one.service_name for one in known})
    made = _asked(
        lambda: performance_dashboard(wanted, environment, prefix=_prefix(prefix), alerts=known, slo=slo)
    )
    if form == "apply":
        applied = _asked(lambda: made.applied(_project(project)))
        click.echo(f"{applied.resource_name}\n{applied.url}")
    else:
        click.echo(made.to_terraform() if form == "terraform" else made.to_json(), nl=form == "json")


@command.command("incidents")
@_PROJECT
@_STORE
@click.option("--all", "closed_too", is_flag=True, help="Closed ones too.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True)
@_JSON
def incidents(project: str | None, store: str | None, *, closed_too: bool, limit: int, as_json: bool) -> None:
    """List the incidents of the store, and those that Cloud Monitoring opened."""
    found = _asked(lambda: [*_stored_incidents(store), *_listed_incidents(project)])
    unique = {one["id"]: one for one in reversed(found)}
    shown = [one for one in unique.values() if closed_too or one["state"] != "CLOSED"]
    shown.sort(key=lambda one: -one["opened_unix_ns"])
    _print(
        shown[:limit],
        as_json,
        ("OPENED", "STATE", "ALERT", "OPERATION", "NOW", "THRESHOLD", "SOURCE"),
        lambda one: (
            _time(one["opened_unix_ns"]),
            one["state"],
            one["alert_name"],
            one["operation"],
            f"{_number(one['current_value'])} {one['unit']}".strip(),
            f"{_number(one['threshold'])} {one['unit']}".strip(),
            one["source"],
        ),
        "no incident" if closed_too else "no open incident",
    )


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
        for one in _records(store).alerts()
    ]


def _policies(project: str | None) -> list[dict[str, Any]]:
    place = _optional_project(project)
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
    if as_terraform:
        click.echo("\n".join(terraform(one, fields) for one, fields in made), nl=False)
    else:
        click.echo(json.dumps([rest(fields) for _, fields in made], indent=2))


def _only_service(services: set[str]) -> str:
    if len(services) != 1:
        known = f"these have alerts: {', '.join(sorted(services))}" if services else "no service has alerts"
        raise click.UsageError(f"name the SERVICE; {known}")
    return next(iter(services))


def _stored_incidents(store: str | None) -> list[dict[str, Any]]:
    return [dataclasses.asdict(one) for one in _records(store).incidents()]


def _listed_incidents(project: str | None) -> list[dict[str, Any]]:
    place = _optional_project(project)
    if place is None:
        return []
    from ..monitor.cloud_incidents import summaries

    return [dataclasses.asdict(one) for one in summaries(place)]


def _records(store: str | None) -> Any:
    from ..export.limits import Complaints
    from ..monitor.records import MonitorRecords, log

    return MonitorRecords(store, Complaints(log), raises=True)


def _optional_project(project: str | None) -> str | None:
    from ..gcp import resolve_project

    return resolve_project(project)


def _project(project: str | None) -> str:
    found = _optional_project(project)
    if not found:
        raise click.UsageError(
            "there is no project: give --project or set GOOGLE_CLOUD_PROJECT. Without one, metrics stay "
            "in the process that records them"
        )
    return found


def _prefix(prefix: str | None) -> str:
    return prefix or settings().monitoring.metric_prefix


class _RefusedError(click.ClickException):
    exit_code = 2  # as for every error of ours


def _asked(work: Callable[[], T]) -> T:
    try:
        return work()
    except GenesisPerformanceError as error:
        raise _RefusedError(str(error)) from error


def _print(
    rows: Sequence[Any],
    as_json: bool,
    head: Sequence[str],
    cells: Callable[[Any], Iterable[str]],
    nothing: str,
) -> None:
    if as_json:
        plain = [one if isinstance(one, dict) else dataclasses.asdict(one) for one in rows]
        click.echo(json.dumps(_finite(plain), indent=2, default=str))
        return
    if not rows:
        click.echo(nothing)
        return
    table = [tuple(head), *(tuple(cells(one)) for one in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(head))]
    for row in table:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _finite(value: Any) -> Any:
    """JSON has no NaN: an unknown value is null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, list | tuple) else value


def _number(value: float | None) -> str:
    return "-" if value is None or not math.isfinite(value) else f"{value:.4g}"


def _time(unix_ns: int) -> str:
    return datetime.fromtimestamp(unix_ns / 1e9, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
