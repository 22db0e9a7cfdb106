"""Sections of the report, each a pure function of model values to HTML."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..model.advice import OptimizationRecommendation, Risk, Saving
from ..model.alert import PerformanceIncident
from ..model.change import RegressionResult, Verdict
from ..model.operation import OperationSnapshot, RepeatedCall
from ..stats.histogram import quantile
from .text import at, clipped, escaped, milliseconds, percent, probability, sentences, sure

MOST_ROWS = 200
"""Of a table: a page with more is not read."""


def facts(values: Sequence[tuple[str, str, str]]) -> str:
    items = "".join(
        f"<div><dt>{escaped(label)}</dt><dd>{escaped(value)}</dd><dd>{escaped(source)}</dd></div>"
        for label, value, source in values
    )
    return f'<section><h2>In figures</h2><dl class="facts">{items}</dl></section>' if items else ""


def operations(values: Sequence[OperationSnapshot]) -> str:
    if not values:
        return ""
    ordered = sorted(values, key=lambda each: (-each.sum_ns, each.name))
    rows = "".join(_operation(each) for each in ordered[:MOST_ROWS])
    left_out = len(ordered) - MOST_ROWS
    more = f" {left_out:,} more took less time and are left out." if left_out > 0 else ""
    head = _head("Operation", "Count", "Errors", "p50", "p95", "p99", "CPU share")
    caption = f"Those that took the most time in all come first.{more}"
    return f"<section><h2>Operations</h2>{_table('Operations', caption, head, rows)}</section>"


def _operation(value: OperationSnapshot) -> str:
    counts = value.histogram.counts
    if any(count > 0 for count in counts.values()):
        quantiles = [
            milliseconds(quantile(counts, q, min_ns=value.min_ns, max_ns=value.max_ns) / 1e6)
            for q in (0.5, 0.95, 0.99)
        ]
    else:
        quantiles = ["none"] * 3
    errors = f"{value.errors:,}" + (f" ({percent(value.error_ratio)})" if value.errors else "")
    known = value.cpu_ns is not None and value.sum_ns > 0
    share = percent((value.cpu_ns or 0) / value.sum_ns) if known else "not known"
    labels = " ".join(f"{key}={each}" for key, each in value.labels)
    name = escaped(value.name) + (f' <span class="soft">{escaped(labels)}</span>' if labels else "")
    return _row(name, f"{value.count:,}", errors, *quantiles, share)


def regressions(values: Sequence[RegressionResult]) -> str:
    items = "".join(_regression(each) for each in values[:MOST_ROWS])
    return f"<section><h2>Verdicts against the baseline</h2>{items}</section>" if items else ""


def verdict_words(value: RegressionResult) -> str:
    """The verdict in one sentence with its probability."""
    effect = percent(value.min_effect_ratio)
    score = value.confidence_score
    if value.verdict is Verdict.REGRESSED:
        return f"Slower: {sure(score)} that it is slower by more than {effect} ({probability(score)})."
    if value.verdict is Verdict.PASS:
        return (
            f"Not slower: {sure(1 - score)} that any slowdown is below {effect} ({probability(1 - score)})."
        )
    return (
        f"Can not be told from these measurements: it is {sure(score)} "
        f"that it is slower by more than {effect} ({probability(score)})."
    )


def _regression(value: RegressionResult) -> str:
    look = {Verdict.REGRESSED: "bad", Verdict.PASS: "good", Verdict.INCONCLUSIVE: "warn"}[value.verdict]
    tag = f'<span class="tag {look}">{escaped(value.verdict.value)}</span>'
    size = f" severity {escaped(value.regression_severity.value)}"
    severity = f'<span class="soft">{size}</span>' if value.has_regression else ""
    change = (
        f"{percent(value.change_ratio, sign=True)} "
        f"(95 % interval {percent(value.change_low, sign=True)} to {percent(value.change_high, sign=True)})"
    )
    rows = _terms(
        ("Change", escaped(change)),
        ("Median", f"{milliseconds(value.baseline_median_ms)} → {milliseconds(value.current_median_ms)}"),
        ("p95", f"{milliseconds(value.baseline_p95_ms)} → {milliseconds(value.current_p95_ms)}"),
        ("Measured", f"{value.baseline_count:,} executions before, {value.current_count:,} now"),
        ("Calibration", escaped(value.calibration, 1000)),
    )
    advice = _list("ul", value.recommendations)
    notes = "".join(f'<p class="soft">{escaped(note, 1000)}</p>' for note in value.notes)
    return (
        f"<article><h3>{escaped(value.operation_name)} {tag}{severity}</h3>"
        f"<p>{escaped(verdict_words(value))}</p>{rows}{advice}{notes}</article>"
    )


def incidents(values: Sequence[PerformanceIncident]) -> str:
    items = "".join(_incident(each) for each in values[:MOST_ROWS])
    return f"<section><h2>Incidents</h2>{items}</section>" if items else ""


def _incident(value: PerformanceIncident) -> str:
    look = "bad" if value.is_open else "good"
    closed = value.closed_unix_ns
    lasted = f", lasted {milliseconds((closed - value.opened_unix_ns) / 1e6)}" if closed is not None else ""
    where = sentences((value.service_name, value.operation, f"source {value.source.replace('_', ' ')}"))
    timeline = [(value.opened_unix_ns, "opened"), *([(closed, "closed")] if closed is not None else [])]
    told = "".join(
        f"<li><time>{at(moment, date=True)}</time> {escaped(text)}</li>"
        for moment, text in sorted(value.timeline or timeline)
    )
    measured = (
        f"Threshold {value.threshold:g} {clipped(value.unit, 20)}; worst {value.worst_value:.4g}, "
        f"last {value.current_value:.4g}{lasted}."
    )
    summary = f"<p>{escaped(value.summary, 1000)}</p>" if value.summary else ""
    return (
        f'<article><h3>{escaped(value.alert_name)} <span class="tag {look}">'
        f'{escaped(value.state.value.lower())}</span></h3><p class="soft">{escaped(where)}</p>'
        f"{summary}<p>{escaped(measured)}</p><ol>{told}</ol></article>"
    )


def recommendations(values: Sequence[OptimizationRecommendation]) -> str:
    items = "".join(_recommendation(each) for each in values[:MOST_ROWS])
    return f"<section><h2>Recommendations</h2>{items}</section>" if items else ""


def _recommendation(value: OptimizationRecommendation) -> str:
    risk = {Risk.LOW: "good", Risk.MEDIUM: "warn", Risk.HIGH: "bad"}[value.risk]
    places = dict.fromkeys(
        f"{each.file}:{each.line}" if each.line else each.file for each in value.findings if each.file
    )
    reasons = [each.reason for each in value.findings if each.reason != value.description]
    told = "".join(f"<p>{escaped(reason, 1000)}</p>" for reason in reasons)
    terms = [
        ("About", escaped(value.resource)),
        ("Effort", f"{value.effort_hours:g} hour{'' if value.effort_hours == 1 else 's'}"),
    ]
    if places:
        terms.insert(0, ("Where", " ".join(f"<code>{escaped(place)}</code>" for place in places)))
    if value.latency_gain_ms is not None:
        low, expected, high = (milliseconds(each) for each in value.latency_gain_ms)
        terms.append(("Faster by", f"{expected} a request (low {low}, high {high})"))
    terms += _saving(value.saving)
    commands = f"<pre>{escaped(chr(10).join(value.commands), 4000)}</pre>" if value.commands else ""
    return (
        f"<article><h3>{escaped(value.title)} "
        f'<span class="tag {risk}">{escaped(value.risk.value)} risk</span>'
        f' <span class="soft">{escaped(value.state.value.lower())}</span></h3>'
        f"<p>{escaped(value.description, 2000)}</p>{told}{_terms(*terms)}"
        f"{_list('ol', value.steps)}{commands}"
        f'<p class="soft">Rule {escaped(value.rule)}</p></article>'
    )


def _saving(saving: Saving | None) -> list[tuple[str, str]]:
    if saving is None:
        return [("Saves", "no amount of money can be told from these measurements")]
    return [
        ("Saves", f"{saving.expected} a month (low {saving.low}, high {saving.high})"),
        ("Formula", f"<code>{escaped(saving.formula, 1000)}</code>"),
        ("Basis", escaped(saving.basis, 1000)),
    ]


def repeated_calls(values: Sequence[RepeatedCall]) -> str:
    if not values:
        return ""
    ordered = sorted(values, key=lambda each: -each.duration_ns)
    rows = "".join(
        _row(
            f"{escaped(each.kind)} {escaped(each.key)}",
            escaped(each.operation),
            f"<code>{escaped(each.site)}</code> {escaped(each.function, 80)}",
            f"{each.calls:,} in {each.executions:,}",
            f"{each.most:,}",
            milliseconds(each.duration_ns / 1e6),
            numbers_from=3,
        )
        for each in ordered[:MOST_ROWS]
    )
    head = _head(
        "Call", "In operation", "Called from", "Calls in executions", "Most in one", "Time", numbers_from=3
    )
    caption = "The same call with the same key, more than once within one execution."
    return f"<section><h2>Repeated calls</h2>{_table('Repeated calls', caption, head, rows)}</section>"


def notes(values: Sequence[str]) -> str:
    return f"<section><h2>What is not known</h2>{_list('ul', values)}</section>" if values else ""


def _head(*names: str, numbers_from: int = 1) -> str:
    cells = (
        f'<th scope="col"{_number(place, numbers_from)}>{escaped(name)}</th>'
        for place, name in enumerate(names)
    )
    return f"<tr>{''.join(cells)}</tr>"


def _row(first: str, *cells: str, numbers_from: int = 1) -> str:
    told = (f"<td{_number(place, numbers_from)}>{cell}</td>" for place, cell in enumerate(cells, 1))
    return f'<tr><th scope="row">{first}</th>{"".join(told)}</tr>'


def _number(place: int, numbers_from: int) -> str:
    return ' class="n"' if place >= numbers_from else ""


def _table(label: str, caption: str, head: str, rows: str) -> str:
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escaped(label)}"><table>'
        f"<caption>{escaped(caption)}</caption><thead>{head}</thead><tbody>{rows}</tbody></table></div>"
    )


def _terms(*rows: tuple[str, str]) -> str:
    """Label and HTML; rows without text are left out."""
    items = "".join(f"<dt>{escaped(label)}</dt><dd>{value}</dd>" for label, value in rows if value)
    return f'<dl class="terms">{items}</dl>'


def _list(tag: str, texts: Iterable[str]) -> str:
    items = "".join(f"<li>{escaped(text, 1000)}</li>" for text in texts)
    return f"<{tag}>{items}</{tag}>" if items else ""
