"""The flame graph: one HTML file with a profile, its table and everything needed to look into it.

The page loads nothing: style, script and data are inside, and its content security policy allows no other
script than the one whose hash it names. Names of functions, files, operations and threads are data to it,
never markup. Without JavaScript the table of the heaviest functions remains.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from importlib.resources import files
from string import Template

from ..model.advice import Finding, Severity
from ..model.profile import ProfileReport
from ..model.stacks import StackProfile, ValueType
from .flame_graph_data import FunctionRow, PageData, common_types
from .text import at, escaped, milliseconds

MOST_ROWS = 50
"""Functions in the table that is there without JavaScript."""

MOST_NOTES = 200

_SCRIPTS = ("flame_graph_tree.js", "flame_graph.js", "flame_graph_table.js")
_PREFERRED = ("cpu", "wall", "alloc")
_FIGURES = ("Self", "Share", "Total", "Share")
_LOOK = {Severity.CRITICAL: "bad", Severity.WARNING: "warn", Severity.INFO: "good"}


def flame_graph(
    profile: StackProfile,
    *,
    title: str = "Profile",
    report: ProfileReport | None = None,
    difference: StackProfile | None = None,
    clock: str = "",
) -> str:
    """The page as text; write it with ``encoding="utf-8"``.

    Args:
        profile: what is shown.
        title: of the page.
        report: the session that the profile is of; the page says what it measured, noted and found.
        difference: an earlier profile: frames are coloured by what they gained or lost since.
        clock: name of the value type shown first; CPU time where there is any, if the profile has it not.

    Raises:
        InvalidInputError: a record names a frame or value that its profile has not, or the two profiles
            have no value type in common.
    """
    types = profile.value_types if difference is None else common_types(profile, difference)
    data = PageData(types, compared=difference is not None)
    data.add(profile)
    if difference is not None:
        data.add(difference)
    totals = data.totals()
    column = _first_shown(data, totals, clock)
    rows = data.heaviest(column, MOST_ROWS) if types else []
    style = "\n" + _part("report.css") + _part("flame_graph.css")
    script = "\n" + "\n".join(_part(name) for name in _SCRIPTS)
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    facts = _facts(profile, report, data, totals)
    if difference is not None:
        facts.append(("Before", _seconds(difference.duration_s), f"{len(difference.records):,} stacks"))
    return Template(_part("flame_graph.html")).substitute(
        policy=policy,
        title=escaped(title) or "Profile",
        style=style,
        header=_header(facts, empty=not any(totals)),
        findings=_findings(report.findings if report else ()),
        table=_table(rows, data, column, totals),
        notes=_notes([*(report.notes if report else ()), *_lost(profile), *data.notes]),
        data=data.json(column),
        script=script,
    )


def _part(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """Source expression of Content Security Policy 3, https://www.w3.org/TR/CSP3/#grammardef-hash-source."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


def _first_shown(data: PageData, totals: list[int], clock: str) -> int:
    counted = [index for index, total in enumerate(totals) if total]
    for name in (clock, *_PREFERRED):
        for index in counted:
            if data.types[index].name == name:
                return index
    return counted[0] if counted else 0


def _facts(
    profile: StackProfile, report: ProfileReport | None, data: PageData, totals: list[int]
) -> list[tuple[str, str, str]]:
    """Label, value and where the value comes from."""
    facts = []
    begin = profile.start_unix_ns or (report.start_unix_ns if report else 0)
    duration = profile.duration_s or (report.duration_s if report else 0.0)
    if duration:
        facts.append(("Duration", _seconds(duration), f"from {at(begin, date=True)}" if begin else ""))
    sampler = report.sampler if report else None
    if sampler:
        facts += [
            ("Samples", f"{sampler.samples:,}", f"{len(profile.records):,} different stacks"),
            ("Rate", f"{sampler.rate_hz:.1f} Hz", f"asked for {sampler.asked_hz:g} Hz"),
            (
                "Overhead",
                f"{sampler.overhead_percent:.2f} %",
                f"of one core, measured: {milliseconds(sampler.cpu_s * 1e3)} of CPU time",
            ),
            (
                "Lateness",
                milliseconds(sampler.late_ns / 1e6),
                f"mean; worst {milliseconds(sampler.worst_late_ns / 1e6)}; fidelity {sampler.fidelity}",
            ),
        ]
    else:
        facts.append(("Stacks", f"{len(profile.records):,}", "different ones"))
        if profile.period_ns > 0:
            facts.append(("Rate", f"{1e9 / profile.period_ns:.1f} Hz", "from the mean period"))
    for kind, total in zip(data.types, totals, strict=True):
        if not (sampler and kind.name == "samples"):
            facts.append((_TITLES.get(kind.name, kind.name), amount(total, kind.unit), "over all stacks"))
    if report:
        facts.append(("Cores", f"{report.cpu_count:g}", "that the process may use"))
    facts.append(("Lost", f"{sum(profile.lost.values()):,}", "see the notes" if profile.lost else "nothing"))
    return facts


_TITLES = {"cpu": "CPU time", "wall": "Wall time", "samples": "Samples", "alloc": "Allocated"}


def amount(value: int, unit: str) -> str:
    """A weight in the unit that reads best; the page's script writes its figures alike."""
    if unit == "nanoseconds":
        return milliseconds(value / 1e6)
    if unit == "bytes":
        size, name = float(value), "B"
        for larger in ("KiB", "MiB", "GiB", "TiB"):
            if size < 1024:
                break
            size, name = size / 1024, larger
        return f"{size:.0f} B" if name == "B" else f"{size:.1f} {name}"
    return f"{value:,}" if unit == "count" else f"{value:,} {unit}"


def _seconds(value: float) -> str:
    return milliseconds(value * 1e3) if value else "not known"


def _header(facts: Iterable[tuple[str, str, str]], *, empty: bool) -> str:
    items = "".join(
        f"<div><dt>{escaped(label)}</dt><dd>{escaped(value)}</dd><dd>{escaped(source)}</dd></div>"
        for label, value, source in facts
    )
    nothing = (
        '<p class="notice" role="note">No stack was sampled: there is nothing to draw.</p>' if empty else ""
    )
    return f'{nothing}<dl class="facts">{items}</dl>'


def _findings(findings: Iterable[Finding]) -> str:
    items = "".join(
        f'<li><span class="tag {_LOOK[finding.severity]}">{escaped(finding.severity.value)}</span>'
        f"<div><h3>{escaped(finding.title)}</h3><p>{escaped(finding.reason, 1000)}</p>"
        f'<p class="soft">{_place(finding)}</p></div></li>'
        for finding in list(findings)[:MOST_NOTES]
    )
    return f'<section><h2>Findings</h2><ul class="findings">{items}</ul></section>' if items else ""


def _place(finding: Finding) -> str:
    line = f":{finding.line}" if finding.line else ""
    place = f"<code>{escaped(finding.file)}{line}</code> · " if finding.file else ""
    return f"{place}{escaped(finding.resource)} · {escaped(finding.rule)}"


def _lost(profile: StackProfile) -> list[str]:
    return [f"Lost: {count:,} × {words}" for words, count in profile.lost.items()]


def _notes(notes: list[str]) -> str:
    items = "".join(f"<li>{escaped(note, 1000)}</li>" for note in notes[:MOST_NOTES])
    more = f"<li>{len(notes) - MOST_NOTES:,} more.</li>" if len(notes) > MOST_NOTES else ""
    return f"<section><h2>Notes</h2><ul>{items}{more}</ul></section>" if items else ""


def _table(rows: list[FunctionRow], data: PageData, column: int, totals: list[int]) -> str:
    body = "".join(_row(row, data.types[column], totals[column]) for row in rows)
    body = body or '<tr><td colspan="7">Nothing.</td></tr>'
    about = "Nothing was counted."
    if rows:
        name = data.types[column].name
        about = (
            f"The {len(rows):,} with the most of their own; values are {escaped(_TITLES.get(name, name))}. "
            "Self is without what a function called, total with it."
        )
    head = "".join(f'<th scope="col">{words}</th>' for words in ("Function", "Where", "Code"))
    head += "".join(f'<th scope="col" class="n">{words}</th>' for words in _FIGURES)
    return (
        f'<p class="soft" id="functions-about">{about}</p>'
        '<div class="scroll" role="region" tabindex="0" aria-label="Table of functions">'
        '<table id="functions" aria-label="Functions" aria-describedby="functions-about">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _row(row: FunctionRow, kind: ValueType, whole: int) -> str:
    figures = "".join(
        f'<td class="n">{escaped(amount(value, kind.unit))}</td><td class="n">{_share(value, whole)}</td>'
        for value in (row.own, row.total)
    )
    return (
        f'<tr><th scope="row"><code>{escaped(row.name)}</code></th><td>{escaped(row.place)}</td>'
        f"<td>{'library' if row.library else 'own'}</td>{figures}</tr>"
    )


def _share(value: int, whole: int) -> str:
    return f"{100 * value / whole:.1f} %" if whole else ""
