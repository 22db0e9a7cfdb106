"""One figure of a part's table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """A measured figure beside its goal. ``holds`` is None where the figure is only printed."""

    figure: str
    value: float
    unit: str
    goal: str
    holds: bool | None


def at_most(figure: str, value: float, unit: str, goal: float) -> Row:
    """A figure that must not exceed its goal."""
    return Row(figure, value, unit, f"<= {goal:g}", value <= goal)


def at_least(figure: str, value: float, unit: str, goal: float) -> Row:
    """A figure that must reach its goal."""
    return Row(figure, value, unit, f">= {goal:g}", value >= goal)


def below(figure: str, value: float, unit: str, goal: float) -> Row:
    """A figure that must stay under its goal."""
    return Row(figure, value, unit, f"< {goal:g}", value < goal)


def printed(figure: str, value: float, unit: str) -> Row:
    """A figure without a goal."""
    return Row(figure, value, unit, "printed", None)
