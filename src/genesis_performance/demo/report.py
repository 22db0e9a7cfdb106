"""The demonstration's report, made from what the store and the emulator hold."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from ..model.advice import OptimizationRecommendation
from ..model.alert import PerformanceIncident
from ..model.change import RegressionResult
from ..render.report import Report, render_report
from ..storage import Kind, from_body
from . import cloud, records
from .stage import Stage

T = TypeVar("T")

NOTES = (
    "Simulated: who sends the requests, how many, and how far away Secret Manager is.",
    "Measured: every duration, count, probability and point in time on this page.",
    "Savings are list prices for this traffic, taken as that of a whole month.",
)


def write_report(
    stage: Stage,
    path: Path,
    *,
    title: str,
    notice: str,
    headline: str,
    threshold_ms: float | None = None,
    regressions: tuple[RegressionResult, ...] = (),
) -> None:
    """Write the page to ``path``, with the folders that it needs."""
    found = records.intervals(stage.store, stage.service)
    latency: dict[str, list[tuple[int, float]]] = {}
    for one in found:
        latency.setdefault(one.snapshot.name, []).append((one.end_unix_ns, one.p95_ms))
    report = Report(
        title=title,
        notice=notice,
        headline=headline,
        events=tuple((event.at_unix_ns, event.kind.lower(), event.text) for event in stage.screen.events),
        latency={name: tuple(points) for name, points in latency.items()},
        threshold_ms=threshold_ms,
        operations=tuple(records.merged(found)),
        regressions=regressions,
        incidents=tuple(_kept(stage, Kind.INCIDENT, PerformanceIncident)),
        recommendations=tuple(_kept(stage, Kind.RECOMMENDATION, OptimizationRecommendation)),
        repeated_calls=tuple(records.repeated_calls(stage.store, stage.service)),
        facts=_facts(stage),
        notes=NOTES,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render_report(report), encoding="utf-8")


def _kept(stage: Stage, kind: Kind, cls: type[T]) -> list[T]:
    return [from_body(cls, record.body) for record in stage.store.list(kind, newest_first=False)]


def _facts(stage: Stage) -> tuple[tuple[str, str, str], ...]:
    calls = cloud.calls(stage.emulator.http)
    facts = [
        (method.rpartition("/")[2], f"{count} call{'s' * (count != 1)}", "call counts of the emulator")
        for method, count in sorted(calls.items())
        if not method.endswith("(control)")
    ]
    if stage.traffic is not None:
        facts.insert(0, ("Requests answered", str(stage.traffic.answered), "the traffic's own count"))
        facts.insert(1, ("Requests failed", str(stage.traffic.failed), "the traffic's own count"))
    return tuple(facts)
