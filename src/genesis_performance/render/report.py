"""The report: what happened to an application's operations, as one HTML file that needs nothing else.

The page has no script and no reference to the outside, so that it opens in an air-gapped network, in a
mail and in ten years. Whatever came from an application (names, labels, texts) is escaped and bounded.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files

from ..model.advice import OptimizationRecommendation
from ..model.alert import PerformanceIncident
from ..model.change import RegressionResult
from ..model.operation import OperationSnapshot, RepeatedCall
from . import report_parts as part
from .chart import Line, chosen_lines, event_class, latency_chart, legend
from .text import at, escaped, milliseconds

MOST_POINTS = 400
"""Rows of the chart's table; above it every n-th moment is listed, and the table says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that the page shows. Whatever is empty is left out.

    Args:
        notice: a line above everything else, for example that the data is a demonstration.
        headline: the state in one sentence.
        events: moment, kind ("deploy", "regression", "incident", "fix", "closed" or your own word), text.
        latency: operation to its 95th percentiles over time, in milliseconds.
        threshold_ms: the alert policy's, drawn into the chart.
        facts: label, value, and where the value comes from.
        notes: what could not be measured, and why.
    """

    title: str
    notice: str = ""
    headline: str = ""
    events: tuple[tuple[int, str, str], ...] = ()
    latency: Mapping[str, tuple[tuple[int, float], ...]] = field(default_factory=dict)
    threshold_ms: float | None = None
    operations: tuple[OperationSnapshot, ...] = ()
    regressions: tuple[RegressionResult, ...] = ()
    incidents: tuple[PerformanceIncident, ...] = ()
    recommendations: tuple[OptimizationRecommendation, ...] = ()
    repeated_calls: tuple[RepeatedCall, ...] = ()
    facts: tuple[tuple[str, str, str], ...] = ()
    notes: tuple[str, ...] = ()


def render_report(report: Report) -> str:
    """The page as text; write it with ``encoding="utf-8"``."""
    events = tuple(sorted(report.events))
    sections = (
        part.facts(report.facts),
        _latency(report, events),
        _happened(events),
        part.regressions(report.regressions),
        part.recommendations(report.recommendations),
        part.repeated_calls(report.repeated_calls),
        part.incidents(report.incidents),
        part.operations(report.operations),
        part.notes(report.notes),
    )
    body = "\n".join(section for section in sections if section)
    if not body:
        body = "<section><p>Nothing was recorded.</p></section>"
    notice = f'<p class="notice" role="note">{escaped(report.notice)}</p>' if report.notice else ""
    lead = f'<p class="lead">{escaped(report.headline, 1000)}</p>' if report.headline else ""
    style = files(__package__).joinpath("report.css").read_text(encoding="utf-8")
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escaped(report.title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
        f"<header>{notice}<h1>{escaped(report.title)}</h1>{lead}</header>\n{body}\n"
        "<footer><p>Made by Genesis Performance. Times are UTC. Durations are wall time; quantiles come from "
        "histograms and are within 1.6 % of the true value.</p></footer>\n</main>\n</body>\n</html>\n"
    )


def _latency(report: Report, events: tuple[tuple[int, str, str], ...]) -> str:
    lines = chosen_lines(report.latency)
    bands = [(incident.opened_unix_ns, incident.closed_unix_ns) for incident in report.incidents]
    picture = latency_chart(lines, events, bands, report.threshold_ms)
    if not picture:
        return ""
    left_out = sum(1 for points in report.latency.values() if points) - len(lines)
    more = (
        f'<p class="soft">{left_out} more operations with lower peaks are not drawn.</p>' if left_out else ""
    )
    key = legend(lines, has_band=bool(bands), has_threshold=report.threshold_ms is not None)
    return (
        "<section><h2>p95 over time</h2>"
        f'<div class="scroll chart" role="region" tabindex="0" aria-label="Chart of the p95 over time">'
        f"{picture}</div>"
        f"{key}{more}{_points(lines)}</section>"
    )


def _points(lines: tuple[Line, ...]) -> str:
    """The chart as a table, for who does not see it and for who wants the figures."""
    values: dict[int, dict[int, float]] = {}
    for place, line in enumerate(lines):
        for moment, value in line.points:
            values.setdefault(moment, {})[place] = value
    moments = sorted(values)
    every = max(1, math.ceil(len(moments) / MOST_POINTS))
    head = "".join(f'<th scope="col" class="n">{escaped(line.name, 80)}</th>' for line in lines)
    rows = "".join(
        f'<tr><th scope="row">{at(moment, date=True)}</th>'
        + "".join(f'<td class="n">{_cell(values[moment].get(place))}</td>' for place in range(len(lines)))
        + "</tr>"
        for moment in moments[::every]
    )
    thinned = f" Every {every}th moment of {len(moments):,} is listed." if every > 1 else ""
    return (
        "<details><summary>The chart as a table</summary>"
        '<div class="scroll" role="region" tabindex="0" aria-label="Table of the p95 over time">'
        f"<table><caption>p95 of each operation, UTC.{thinned}</caption>"
        f'<thead><tr><th scope="col">Time</th>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div></details>"
    )


def _cell(value: float | None) -> str:
    return "" if value is None else milliseconds(value)


def _happened(events: Iterable[tuple[int, str, str]]) -> str:
    items = "".join(
        f'<li><span class="number k-{event_class(kind)}">{number}</span><time>{at(moment)}</time>'
        f'<span class="kind">{escaped(kind, 40)}</span><span>{escaped(text, 1000)}</span></li>'
        for number, (moment, kind, text) in enumerate(events, 1)
    )
    return f'<section><h2>What happened</h2><ol class="events">{items}</ol></section>' if items else ""
