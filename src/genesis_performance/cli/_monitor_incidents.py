"""``genesis-perf monitor incidents``: list them, look at one, say that somebody deals with it, be silent."""

from __future__ import annotations

import dataclasses
import re
import time
from typing import TYPE_CHECKING

import click

from ..errors import InvalidInputError, UnknownNameError
from ._monitor_output import (
    JSON,
    PROJECT,
    STORE,
    as_json_text,
    asked,
    moment,
    number,
    optional_project,
    print_rows,
    records,
    short_id,
)

if TYPE_CHECKING:
    from ..model.alert import PerformanceIncident

_UNITS_S = {"m": 60, "h": 3600, "d": 86_400}


@click.group("incidents", invoke_without_command=True)
@PROJECT
@STORE
@click.option("--all", "closed_too", is_flag=True, help="Closed ones too.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True)
@JSON
@click.pass_context
def incidents(
    context: click.Context,
    project: str | None,
    store: str | None,
    *,
    closed_too: bool,
    limit: int,
    as_json: bool,
) -> None:
    """List incidents: ours and Cloud Monitoring's."""
    if context.invoked_subcommand is not None:
        return
    found = asked(lambda: _all(project, store))
    shown = [one for one in found if closed_too or one.is_open][:limit]
    print_rows(
        shown,
        as_json,
        ("OPENED", "STATE", "ALERT", "OPERATION", "NOW", "THRESHOLD", "SOURCE", "ID"),
        lambda one: (
            moment(one.opened_unix_ns),
            one.state,
            one.alert_name,
            one.operation,
            f"{number(one.current_value)} {one.unit}".strip(),
            f"{number(one.threshold)} {one.unit}".strip(),
            one.source,
            short_id(one.id),
        ),
        "no incident" if closed_too else "no open incident",
    )
    if not as_json:
        for mute in asked(lambda: records(store).mutes()):
            if mute.until_unix_ns > time.time_ns():
                click.echo(f"muted until {moment(mute.until_unix_ns)}: {_muted(mute.alert, mute.service)}")


@incidents.command("show")
@click.argument("incident_id", metavar="ID")
@PROJECT
@STORE
@JSON
def show(incident_id: str, project: str | None, store: str | None, *, as_json: bool) -> None:
    """Show one incident with its evidence.

    Its values, what ran meanwhile, what changed before, its timeline. ID is that of the list, or the whole
    one.
    """
    found = asked(lambda: _one(incident_id, project, store))
    if as_json:
        click.echo(as_json_text(dataclasses.asdict(found)))
        return
    for line in _described(found):
        click.echo(line)


@incidents.command("ack")
@click.argument("incident_id", metavar="ID")
@click.option("--by", "said", default="", metavar="TEXT", help="Who deals with it, or how.")
@PROJECT
@STORE
def acknowledge(incident_id: str, said: str, project: str | None, store: str | None) -> None:
    """Say that somebody deals with an incident.

    It stays open until its values are fine. ID is that of the list, or the whole one.
    """

    def work() -> str:
        found = _one(incident_id, project, store)
        if not found.is_open:
            raise InvalidInputError(f"incident {found.id} is closed; only an open one can be acknowledged")
        records(store).acknowledge(found.id, time.time_ns(), said)
        return found.id

    click.echo(f"acknowledged {asked(work)}")


@incidents.command("mute")
@click.option("--alert", default="", help="Only this alert.")
@click.option("--service", default="", help="Only this service.")
@click.option("--for", "duration", default="1h", show_default=True, metavar="DURATION", help="30m, 2h, 1d.")
@click.option("--off", is_flag=True, help="Tell again what was muted with the same options.")
@STORE
def mute(alert: str, service: str, duration: str, store: str | None, *, off: bool) -> None:
    """Tell our channels of no incident for a while.

    Incidents are kept all the same. Without --alert and --service everything is silent.
    """

    def work() -> str:
        from ..monitor.records import Mute

        now_ns = time.time_ns()
        until_ns = now_ns + _seconds(duration) * 10**9
        kept = records(store)
        mutes = [
            one
            for one in kept.mutes()
            if one.until_unix_ns > now_ns and (one.alert, one.service) != (alert, service)
        ]
        kept.set_mutes(mutes if off else [*mutes, Mute(alert, service, until_ns)])
        what = _muted(alert, service)
        return f"{what} is told again" if off else f"{what} is muted until {moment(until_ns)}"

    click.echo(asked(work))


def _muted(alert: str, service: str) -> str:
    return " ".join(part for part in (alert, service) if part) or "everything"


def _seconds(text: str) -> int:
    match = re.fullmatch(r"(\d{1,6})([mhd])", text.strip())
    if match is None or not int(match[1]):
        raise InvalidInputError(f"--for is {text!r}; write a number and m, h or d, for example 2h")
    return int(match[1]) * _UNITS_S[match[2]]


def _all(project: str | None, store: str | None) -> list[PerformanceIncident]:
    """Every incident, the newest first; what the store knows of one wins over Cloud Monitoring's list."""
    kept = records(store)
    by_id = {one.id: one for one in (*_listed(project), *kept.incidents())}
    return sorted((kept.seen(one) for one in by_id.values()), key=lambda one: -one.opened_unix_ns)


def _one(incident_id: str, project: str | None, store: str | None) -> PerformanceIncident:
    everything = _all(project, store)
    found = [one for one in everything if one.id == incident_id] or [
        one for one in everything if incident_id in {short_id(one.id), one.id.rpartition("/")[2]}
    ]
    if not found:
        raise UnknownNameError(
            f"there is no incident {incident_id!r}; see genesis-perf monitor incidents --all"
        )
    if len(found) > 1:
        ids = ", ".join(short_id(one.id) for one in found)
        raise InvalidInputError(f"{len(found)} incidents have an id that ends so; give one of {ids}")
    return found[0]


def _listed(project: str | None) -> list[PerformanceIncident]:
    place = optional_project(project)
    if place is None:
        return []
    from ..monitor.cloud_incidents import summaries

    return list(summaries(place))


def _described(incident: PerformanceIncident) -> list[str]:
    unit = incident.unit
    lines = [
        incident.summary or incident.alert_name,
        f"  id         {incident.id}",
        f"  state      {incident.state.value}",
        f"  value      {number(incident.current_value)} {unit}",
        f"  at worst   {number(incident.worst_value)} {unit}",
        f"  threshold  {number(incident.threshold)} {unit}",
    ]
    evidence = incident.evidence
    if evidence is not None:
        values = [value for _, value in evidence.series]
        if values:
            lines.append(
                f"  series     {_bars(values)}  {number(min(values))} to {number(max(values))} {unit}"
            )
        lines += [f"  suspected  {change.text}" for change in evidence.changes]
        for one in evidence.operations:
            types = ", ".join(f"{name} {count}" for name, count in one.error_types.items())
            failed = f", {one.errors} failed{f' ({types})' if types else ''}" if one.errors else ""
            lines.append(
                f"  ran        {one.operation}: {one.count} times, p95 {number(one.p95_ms)} ms{failed}"
            )
        lines += [f"  repeated   {text}" for text in evidence.repeated_calls]
        if evidence.profile_key:
            lines.append(f"  profile    {evidence.profile_key}")
    lines += [f"  {moment(at_ns)}  {text}" for at_ns, text in incident.timeline]
    return lines


def _bars(values: list[float]) -> str:
    """The newest values as one line of bars."""
    shown = values[-60:]
    low, high = min(shown), max(shown)
    steps = "▁▂▃▄▅▆▇█"
    width = (high - low) or 1.0
    return "".join(steps[min(int((value - low) / width * len(steps)), len(steps) - 1)] for value in shown)
