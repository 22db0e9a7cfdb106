"""``genesis-perf doctor``: does the set-up work, what is sent, and which IAM roles it takes."""

from __future__ import annotations

import dataclasses
import importlib.util
import textwrap
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import click

from ..config import settings
from ..errors import CloudPermissionError, GenesisPerformanceError

if TYPE_CHECKING:
    from ..monitor.published_health import ProcessesHealth

PROBE_TIMEOUT_S = 5.0
INDENT = " " * 20
"""What is said of a check begins here."""

ROLES = (
    ("send metrics", "roles/monitoring.metricWriter", "the running service"),
    (
        "send metrics with sink otlp",
        "roles/telemetry.metricsWriter and roles/serviceusage.serviceUsageConsumer",
        "the running service",
    ),
    ("tell a topic of incidents", "roles/pubsub.publisher", "the running service, on the topic"),
    ("read secrets", "roles/secretmanager.secretAccessor", "the running service, on each secret"),
    ("see incidents of Cloud Monitoring", "roles/monitoring.viewer", "the running service, with apply='api'"),
    ("upload profiles", "roles/cloudprofiler.agent", "the running service, with profiler.cloud_profiler"),
    ("make alert policies", "roles/monitoring.alertPolicyEditor", "set-up"),
    ("make notification channels", "roles/monitoring.notificationChannelEditor", "set-up"),
    ("make dashboards", "roles/monitoring.dashboardEditor", "set-up"),
    ("make budgets", "roles/billing.costsManager", "finops, on the billing account"),
    ("read the billing export", "roles/bigquery.dataViewer and roles/bigquery.jobUser", "finops"),
    ("read recommendations", "roles/recommender.viewer", "finops"),
)
"""Feature, role, and whose identity needs it. Source: https://cloud.google.com/iam/docs/understanding-roles"""


@dataclasses.dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. ``ok`` is None where there is nothing to look at."""

    name: str
    ok: bool | None
    text: str
    remedy: str = ""


@click.command("doctor", help="Check the set-up. Exits 1 if something does not work.")
@click.option("--project", help="Project; that of the settings by default.")
@click.option("--cost", "only_cost", is_flag=True, help="What our own metrics and alerts cost a month.")
@click.option("--operations", type=click.IntRange(0), default=20, show_default=True, help="With --cost.")
@click.option("--instances", type=click.IntRange(1), default=1, show_default=True, help="With --cost.")
@click.option(
    "--buckets",
    type=click.IntRange(0, 200),
    default=26,
    show_default=True,
    help="With --cost: of a histogram that are not empty; 26 are durations from 10 to 100 ms.",
)
@click.option("--metrics", type=click.IntRange(0), default=0, help="With --cost: series that you record.")
@click.option(
    "--conditions",
    type=click.IntRange(0),
    help="With --cost: of policies in Cloud Monitoring; by default those of the store's alerts.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def command(
    context: click.Context, /, project: str | None, only_cost: bool, as_json: bool, **service: int | None
) -> None:
    if only_cost:
        from ._own_cost import print_own_cost

        print_own_cost(as_json=as_json, **service)
        return
    checks = list(_checks(project))
    exported = list(_exported(project))
    running = _running()
    if as_json:
        from ._monitor_output import as_json_text

        shown = {
            "checks": [dataclasses.asdict(one) for one in checks],
            "exported": [dataclasses.asdict(one) for one in exported],
            "processes": [dataclasses.asdict(one) | {"failure": one.failure} for one in running],
            "roles": [dict(zip(("feature", "role", "identity"), row, strict=True)) for row in ROLES],
        }
        click.echo(as_json_text(shown))
    else:
        for one in checks:
            _say(one)
        click.echo("\nWhat leaves this machine")
        for one in exported:
            _say(one)
        _say_running(running)
        click.echo("\nIAM roles")
        for feature, role, identity in ROLES:
            click.echo(f"  {feature} ({identity})\n      {role}")
    is_fine = all(one.ok is not False for one in (*checks, *exported))
    context.exit(0 if is_fine and not any(one.failure for one in running) else 1)


def _running() -> list[ProcessesHealth]:
    """None with wrong settings, which a check has said already."""
    from ._doctor_processes import processes

    try:
        return processes()
    except GenesisPerformanceError:
        return []


def _say_running(running: list[ProcessesHealth]) -> None:
    from ._doctor_processes import SHOWN, lines

    click.echo("\nServices on this machine, within a day")
    if not running:
        click.echo("-     none")
    for one in running[:SHOWN]:
        first, *others = lines(one)
        ok = False if one.failure else True if one.writer_pid is not None else None
        _say(Check(one.service, ok, first, one.failure))
        for line in others:
            _say_below(line)
    if len(running) > SHOWN:
        click.echo(f"      and {len(running) - SHOWN} more; --json has all")


def _say(one: Check) -> None:
    mark = {True: "ok  ", False: "FAIL", None: "-   "}[one.ok]
    _say_below(f"{mark}  {one.name:<13} {one.text}", "")
    if one.remedy:
        _say_below(one.remedy)


def _say_below(text: str, indent: str = INDENT) -> None:
    """A line, folded where a terminal is narrower."""
    from ._monitor_output import terminal_width

    room = terminal_width()
    if room is not None and room >= 2 * len(INDENT):
        text = textwrap.fill(text, room, initial_indent=indent, subsequent_indent=INDENT)
    else:
        text = indent + text
    click.echo(text)


def _checks(project: str | None) -> Iterator[Check]:
    try:
        current = settings()
    except GenesisPerformanceError as error:
        yield Check("settings", False, str(error))
        return
    changed = ", ".join(f"{path} ({origin})" for path, origin in current.origins.items())
    yield Check("settings", True, changed or "all at their defaults")
    yield _packages()
    place = _found_project(project)
    if place is None:
        text = "none: local mode, nothing is sent"
        yield Check("project", None, text, "set GOOGLE_CLOUD_PROJECT to send metrics and make policies")
    else:
        yield Check("project", True, place)
    yield _attempt("credentials", _credentials)
    if place is not None:
        yield _attempt("monitoring", lambda: _reach_monitoring(place))
    yield _attempt("store", _store)


def _packages() -> Check:
    try:
        found = importlib.util.find_spec("google.cloud.monitoring_v3") is not None
    except ModuleNotFoundError:
        found = False
    if found:
        return Check("packages", True, "google-cloud-monitoring is installed")
    return Check(
        "packages", None, "google-cloud-monitoring is not installed", "pip install 'genesis-performance[gcp]'"
    )


def _found_project(project: str | None) -> str | None:
    from ..gcp import resolve_project

    return resolve_project(project)


def _attempt(name: str, work: Callable[[], Check]) -> Check:
    try:
        return work()
    except CloudPermissionError as error:
        return Check(name, False, str(error), "see the roles below")
    except GenesisPerformanceError as error:
        return Check(name, False, str(error))


def _credentials() -> Check:
    from ..gcp import credentials_available

    if settings().gcp.emulator:
        return Check(
            "credentials", None, f"not needed: everything goes to the emulator at {settings().gcp.emulator}"
        )
    if credentials_available():
        return Check("credentials", True, "application default credentials")
    return Check(
        "credentials",
        None,
        "none",
        "run `gcloud auth application-default login` or attach a service account to send anything",
    )


def _reach_monitoring(project: str) -> Check:
    from ..gcp import call

    where = settings().gcp.emulator
    request = {"name": f"projects/{project}", "page_size": 1}
    call("metrics", "list_metric_descriptors", request, timeout_s=PROBE_TIMEOUT_S)
    return Check(
        "monitoring", True, f"answers (emulator at {where})" if where else "Cloud Monitoring answers"
    )


def _store() -> Check:
    from ..storage import open_store

    with open_store() as store:
        store.put("note", "doctor", {"checked": True})
        store.delete("note", "doctor")
    return Check("store", True, f"{settings().storage.url} can be written")


def _exported(project: str | None) -> Iterator[Check]:
    """What leaves this machine; what does not, and why."""
    try:
        current = settings()
    except GenesisPerformanceError:
        return
    section = current.monitoring
    place = _found_project(project)
    try:
        where, why = _destination(place)
        yield Check("metrics", True if where else None, where or f"nowhere: {why}")
    except GenesisPerformanceError as error:
        where = ""
        yield Check("metrics", False, f"nowhere: {error}")
    if where:
        yield Check("names, labels", True, "ids, e-mail addresses, tokens and query strings are redacted")
        yield Check("series", True, f"at most {section.max_series} a process, the rest as __other__")
        if section.max_monthly_cost:
            text = f"at most {section.max_monthly_cost:g} USD a month for each process that sends"
            yield Check("cost", True, f"{text}, the operations that run least are left out beyond it")
    mode = section.apply_alerts or ("api" if place else "local")
    alerts = {
        "api": "policies are made in Cloud Monitoring",
        "plan": "policies are returned as Terraform, evaluated here",
        "local": "evaluated here",
    }
    yield Check("alerts", True if mode == "api" else None, alerts[mode])
    yield _attempt("incidents", _told)
    uploads = current.profiler.cloud_profiler
    yield Check(
        "profiles",
        True if uploads else None,
        "uploaded to Cloud Profiler" if uploads else "nowhere: profiler.cloud_profiler is off",
    )
    yield Check("the rest", None, "secret payloads, exception messages and query strings stay here")


def _destination(project: str | None) -> tuple[str, str]:
    """Where metrics go, or why they go nowhere.

    Raises:
        ConfigurationError: the settings name no endpoint that can be.
    """
    current = settings()
    section = current.monitoring
    every = f"every {section.write_interval_s:g} s"
    own = current.otlp.metrics_endpoint or current.otlp.endpoint
    if section.sink not in {"auto", "cloud_monitoring", "otlp"}:
        return "", f"monitoring.sink is {section.sink}"
    if section.sink == "otlp" and current.otlp.disabled:
        return "", "otlp.disabled is set (OTEL_SDK_DISABLED)"
    if project is None and not (section.sink == "otlp" and own):
        return "", "there is no project"
    if section.sink == "otlp":
        from ..export.otlp_target import target_url

        emulator = "" if own or not current.gcp.emulator_http else "the emulator at "
        return f"over OTLP to {emulator}{_without_secrets(target_url())} {every}", ""
    emulator = f" (emulator at {current.gcp.emulator})" if current.gcp.emulator else ""
    return f"to Cloud Monitoring{emulator}, custom.googleapis.com/{section.metric_prefix}/… {every}", ""


def _told() -> Check:
    """Whom our own channels tell of incidents."""
    from ..monitor.channels import open_channels

    names = [channel.name for channel in open_channels()]
    if not names:
        return Check("incidents", None, "nobody is told by us: no channel is set (notifications.*)")
    return Check("incidents", True, f"told to {' and '.join(names)}, redacted")


def _without_secrets(url: str) -> str:
    """The host of a URL and its port, if it says one; what comes before or after may hold a key."""
    from urllib.parse import urlsplit

    return urlsplit(url).netloc.rpartition("@")[2] or "an endpoint"
