"""What a finished run shows at once: the hottest functions, operations, findings, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...frames import clock_column, self_times, totals
from ...frames.paths import short_paths
from ...model.operation import OperationSnapshot
from ...model.profile import ProfileReport, SamplerActivity
from ...model.stacks import StackProfile
from ...profiler.clock_choice import hottest_clock
from ...render.profile_text import clip
from ...render.text import clipped, milliseconds, percent
from ...stats.histogram import quantile

FUNCTIONS = 8
OPERATIONS = 8
WIDTH = 100
REACHED = 0.9
"""Of the rate that was asked for: less is said."""


def summary_text(report: ProfileReport, path: str) -> str:
    """At most some thirty lines."""
    lines = ["", *_head(report)]
    if report.stacks is not None:
        lines += _function_lines(report.stacks, hottest_clock(report))
    lines += operation_lines(report, OPERATIONS)
    lines = [clip(line, WIDTH) for line in lines]
    return "\n".join([*lines, *said_lines(report), f"look into it: genesis-perf profile view {path}"])


def summary_document(report: ProfileReport, path: str) -> dict[str, Any]:
    """The same for other programs."""
    from ...storage import to_body

    document: dict[str, Any] = {
        "schema_version": 1,
        "file": path,
        "duration_s": report.duration_s,
        "findings": [to_body(finding) for finding in report.findings],
        "notes": list(report.notes),
        "operations": operation_rows(report, OPERATIONS),
    }
    if report.sampler is not None:
        document["samples"] = report.sampler.samples
        document["sampler_overhead_percent"] = report.sampler.overhead_percent
    if report.stacks is not None:
        clock = hottest_clock(report)
        document["clock"] = clock
        document["functions"] = function_rows(report.stacks, clock, FUNCTIONS)
        document["lost"] = dict(report.stacks.lost)
    return document


def function_rows(stacks: StackProfile, clock: str, most: int | None) -> list[dict[str, Any]]:
    """Functions by self value, in the unit of the column."""
    kind = stacks.value_types[clock_column(stacks, clock)]
    return [
        {
            "function": row.function,
            "file": row.file,
            "line": row.first_line,
            "hottest_line": row.hottest_line,
            "self": row.self_value,
            "total": row.total_value,
            "unit": kind.unit,
        }
        for row in self_times(stacks, kind.name)[:most]
    ]


def operation_rows(report: ProfileReport, most: int | None) -> list[dict[str, Any]]:
    """Operations by the sum of their durations."""
    return [_operation_row(each) for each in sorted(report.operations, key=lambda each: -each.sum_ns)[:most]]


def operation_lines(report: ProfileReport, most: int) -> Iterator[str]:
    """The table of operations; nothing where there are none."""
    rows = operation_rows(report, most)
    if not rows:
        return
    yield f"{'count':>9} {'errors':>7} {'mean':>9} {'p95':>9} {'CPU':>9}  operation"
    for row in rows:
        cpu = "-" if row["cpu_ms"] is None else milliseconds(row["cpu_ms"])
        yield (
            f"{row['count']:>9,} {row['errors']:>7,} {milliseconds(row['mean_ms']):>9} "
            f"{milliseconds(row['p95_ms']):>9} {cpu:>9}  {clipped(row['name'])}"
        )
    if len(report.operations) > len(rows):
        yield f"and {len(report.operations) - len(rows)} more operations"


def said_lines(report: ProfileReport) -> Iterator[str]:
    """Findings and notes, whole."""
    for each in report.findings:
        yield f"{each.severity}: {clipped(each.title)}: {clipped(each.reason, 400)}"
    for note in report.notes:
        yield f"note: {clipped(note, 400)}"


def sampled(sampler: SamplerActivity) -> str:
    """How often stacks were taken, and what that cost."""
    asked = f" of {sampler.asked_hz:.0f}" if sampler.rate_hz < REACHED * sampler.asked_hz else ""
    cost = f"that took {sampler.overhead_percent:.2f} % of one core"
    return f"sampled {sampler.rate_hz:.0f}{asked} times a second; {cost}"


def _head(report: ProfileReport) -> Iterator[str]:
    yield (
        f"genesis-perf: {milliseconds(report.duration_s * 1e3)}, {report.avg_cpu_percent:.0f} % CPU of one "
        f"core, {report.max_memory_bytes / 2**20:,.0f} MiB at most"
    )
    if report.sampler is not None:
        count = report.sampler.samples
        yield f"{count:,} sample{'' if count == 1 else 's'}, {sampled(report.sampler)}"
    if report.stacks is not None:
        for what, count in report.stacks.lost.items():
            yield f"lost: {what}: {count:,}"


def _function_lines(stacks: StackProfile, clock: str) -> Iterator[str]:
    column = clock_column(stacks, clock)
    whole = totals(stacks)[column]
    rows = [row for row in self_times(stacks, stacks.value_types[column].name)[:FUNCTIONS] if row.self_value]
    if not rows or not whole:
        yield "no stack was sampled: the program was too short"
        return
    short = short_paths({row.file for row in rows if row.file})
    yield f"{clock + ' self':>9} {'with calls':>10}  function"
    for row in rows:
        place = f"  {short[row.file]}:{row.hottest_line or row.first_line}" if row.file else ""
        yield (
            f"{percent(row.self_value / whole):>9} {percent(row.total_value / whole):>10}  "
            f"{clipped(row.function)}{place}"
        )


def _operation_row(each: OperationSnapshot) -> dict[str, Any]:
    return {
        "name": each.name,
        "labels": dict(each.labels),
        "count": each.count,
        "errors": each.errors,
        "mean_ms": each.mean_ms,
        "p95_ms": quantile(each.histogram.counts, 0.95, max_ns=each.max_ns) / 1e6 if each.count else 0.0,
        "cpu_ms": None if each.cpu_ns is None or not each.count else each.cpu_ns / each.count / 1e6,
    }
