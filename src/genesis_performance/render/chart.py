"""Latency over time as inline SVG: a line an operation, numbered events, incidents, the threshold.

Colours come from the page's style sheet. Lines also differ by dash, so that the chart does not rest on
colour alone; the numbers in it are explained by the list beside it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .text import at, escaped, milliseconds

WIDTH, HEIGHT = 960, 360
LEFT, RIGHT, TOP, BOTTOM = 66, 18, 62, 40
MOST_LINES = 6
"""More can not be told apart by colour and dash."""

_DASHES = ("", "7 4", "2 3", "11 4 2 4", "4 2", "14 5")
_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 43200, 86400, 604800)
_MARKER_ROWS = 3
_MARKER_WIDTH = 21


@dataclass(frozen=True, slots=True)
class Line:
    """One operation's points, oldest first."""

    name: str
    points: tuple[tuple[int, float], ...]

    @property
    def peak(self) -> float:
        return max((value for _, value in self.points if math.isfinite(value)), default=0.0)


@dataclass(frozen=True, slots=True)
class Scale:
    """From moments and milliseconds to places in the picture."""

    begin: int
    end: int
    top: float

    def x(self, moment: int) -> float:
        share = (moment - self.begin) / (self.end - self.begin)
        return round(LEFT + min(1.0, max(0.0, share)) * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        return round(HEIGHT - BOTTOM - min(1.0, max(0.0, value / self.top)) * (HEIGHT - TOP - BOTTOM), 1)


def chosen_lines(latency: Mapping[str, Sequence[tuple[int, float]]]) -> tuple[Line, ...]:
    """The operations with the highest peaks, each with its points in order of time."""
    lines = [Line(name, tuple(sorted(points))) for name, points in latency.items() if points]
    return tuple(sorted(lines, key=lambda line: (-line.peak, line.name))[:MOST_LINES])


def latency_chart(
    lines: Sequence[Line],
    events: Sequence[tuple[int, str, str]],
    bands: Sequence[tuple[int, int | None]],
    threshold_ms: float | None,
) -> str:
    """The picture, or nothing where there is no point to draw.

    Args:
        events: numbered from 1 in the order given.
        bands: beginning and end of each incident; None is still open.
    """
    moments = [moment for line in lines for moment, value in line.points if math.isfinite(value)]
    if not moments:
        return ""
    moments += [moment for moment, _, _ in events]
    begin, end = min(moments), max(moments)
    if begin == end:
        begin, end = begin - 500_000_000, end + 500_000_000
    limit = threshold_ms if threshold_ms is not None and math.isfinite(threshold_ms) else None
    step = _step(max([line.peak for line in lines] + [(limit or 0.0) * 1.15]))
    highest = max([line.peak for line in lines] + [(limit or 0.0) * 1.15])
    scale = Scale(begin, end, max(step, math.ceil(highest / step) * step))
    parts = [*_bands(scale, bands), *_grid(scale, step), *_times(scale)]
    if limit is not None:
        y = scale.y(limit)
        parts.append(f'<line class="threshold" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text class="limit" x="{LEFT + 6}" y="{y - 6}">threshold {milliseconds(limit)}</text>')
    parts += [_path(scale, line, place) for place, line in enumerate(lines)]
    parts += _markers(scale, events)
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="chart-title chart-text">'
        f'<title id="chart-title">95th percentile of the duration over time</title>'
        f'<desc id="chart-text">{_described(lines, scale)}</desc>{"".join(parts)}</svg>'
    )


def legend(lines: Sequence[Line], *, has_band: bool, has_threshold: bool) -> str:
    """What each line and shade stands for."""
    items = [
        f'<li><svg class="key" viewBox="0 0 34 10" aria-hidden="true"><line class="line c{place}" '
        f'x1="1" x2="33" y1="5" y2="5" stroke-dasharray="{_DASHES[place]}"/></svg>'
        f"{escaped(line.name, 80)}</li>"
        for place, line in enumerate(lines)
    ]
    if has_threshold:
        items.append(
            '<li><svg class="key" viewBox="0 0 34 10" aria-hidden="true">'
            '<line class="threshold" x1="1" x2="33" y1="5" y2="5"/></svg>alert threshold</li>'
        )
    if has_band:
        items.append(
            '<li><svg class="key" viewBox="0 0 34 10" aria-hidden="true">'
            '<rect class="band" width="34" height="10"/></svg>incident open</li>'
        )
    return f'<ul class="legend">{"".join(items)}</ul>'


def _step(highest: float) -> float:
    """A round distance between grid lines that gives three to six of them."""
    if highest <= 0 or not math.isfinite(highest):
        return 1.0
    power = 10.0 ** math.floor(math.log10(highest / 5))
    return next(power * factor for factor in (1, 2, 5, 10) if highest / (power * factor) <= 6)


def _grid(scale: Scale, step: float) -> list[str]:
    parts = []
    for place in range(round(scale.top / step) + 1):
        y = scale.y(place * step)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        unit = " ms" if place == round(scale.top / step) else ""
        label = f"{place * step:g}{unit}"
        parts.append(f'<text x="{LEFT - 9}" y="{y + 4}" text-anchor="end">{label}</text>')
    return parts


def _times(scale: Scale) -> list[str]:
    seconds = (scale.end - scale.begin) / 1e9
    step = next((step for step in _STEPS_S if seconds / step <= 7), _STEPS_S[-1])
    if seconds / step > 7:
        step = math.ceil(seconds / 7)
    parts = []
    first = math.ceil(scale.begin / 1e9 / step) * step
    for place in range(9):
        moment = (first + place * step) * 1_000_000_000
        if moment > scale.end:
            break
        x = scale.x(moment)
        label = at(moment, date=True)[5:16] if step >= 3600 else at(moment)
        anchor = "end" if x > WIDTH - RIGHT - 40 else "middle"
        parts.append(
            f'<line class="tick" x1="{x}" x2="{x}" y1="{HEIGHT - BOTTOM}" y2="{HEIGHT - BOTTOM + 5}"/>'
            f'<text x="{x}" y="{HEIGHT - BOTTOM + 20}" text-anchor="{anchor}">{label}</text>'
        )
    return parts


def _bands(scale: Scale, bands: Sequence[tuple[int, int | None]]) -> list[str]:
    parts = []
    for begin, end in bands:
        left, right = scale.x(begin), scale.x(scale.end if end is None else end)
        width = max(2.0, round(right - left, 1))
        parts.append(
            f'<rect class="band" x="{left}" y="{TOP}" width="{width}" height="{HEIGHT - TOP - BOTTOM}"/>'
        )
    return parts


def _path(scale: Scale, line: Line, place: int) -> str:
    """The line; where a value is not a number it has a gap instead of a guess."""
    steps: list[str] = []
    drawing = False
    for moment, value in line.points:
        if not math.isfinite(value):
            drawing = False
            continue
        steps.append(f"{'L' if drawing else 'M'}{scale.x(moment)} {scale.y(value)}")
        drawing = True
    dots = ""
    if len(steps) == 1:
        x, y = steps[0][1:].split()
        dots = f'<circle class="dot c{place}" cx="{x}" cy="{y}" r="3"/>'
    dash = f' stroke-dasharray="{_DASHES[place]}"' if _DASHES[place] else ""
    return f'<path class="line c{place}" d="{"".join(steps)}"{dash}/>{dots}'


def _markers(scale: Scale, events: Sequence[tuple[int, str, str]]) -> list[str]:
    """Numbered pins; those that would cover one another stand in rows."""
    parts = []
    ends = [-math.inf] * _MARKER_ROWS
    for number, (moment, kind, _) in sorted(enumerate(events, 1), key=lambda each: each[1][0]):
        x = scale.x(moment)
        row = next((row for row, end in enumerate(ends) if x - end >= _MARKER_WIDTH), None)
        if row is None:  # all rows are taken here: the head stands as near as there is room
            row = ends.index(min(ends))
        head = round(min(max(x, ends[row] + _MARKER_WIDTH), WIDTH - 10), 1)
        ends[row] = head
        y = 12 + row * 19
        parts.append(
            f'<line class="pin k-{event_class(kind)}" x1="{x}" x2="{x}" y1="{y + 8}" y2="{HEIGHT - BOTTOM}"/>'
            f'<circle class="pin-head k-{event_class(kind)}" cx="{head}" cy="{y}" r="9"/>'
            f'<text class="pin-text" x="{head}" y="{y + 4}" text-anchor="middle">{number}</text>'
        )
    return parts


def event_class(kind: str) -> str:
    """Which of the four looks an event has; an unknown kind has the neutral one."""
    word = kind.lower()
    if any(part in word for part in ("fix", "closed", "recovered", "success")):
        return "good"
    if any(part in word for part in ("incident", "alert", "regression", "fault")):
        return "bad"
    return "deploy" if any(part in word for part in ("deploy", "release")) else "other"


def _described(lines: Sequence[Line], scale: Scale) -> str:
    told = "; ".join(
        f"{escaped(line.name, 80)} at most {milliseconds(line.peak)}" for line in lines if line.points
    )
    return f"From {at(scale.begin, date=True)} to {at(scale.end, date=True)} UTC: {told}."
