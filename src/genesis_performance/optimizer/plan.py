"""The optimization plan: which recommendations to carry out within so many hours, and why not the others.

What is best, in this order: no critical recommendation left out that fits; then the highest sum of expected
savings; then the more severe and, when quick wins are wanted, the more quick wins. The three never trade
against one another: no amount of quick wins outweighs a cent.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import TypedDict

from ..errors import InvalidInputError
from ..model.advice import OptimizationRecommendation, Severity
from .selection import Candidate, Selection, choose

MICRO = 1_000_000  # savings and hours are compared in millionths
LARGEST = 10**15  # millionths of a dollar a month; more is counted as this much
_POINTS = {Severity.CRITICAL: 4, Severity.WARNING: 2, Severity.INFO: 0}

CURRENCY = "USD"


class PlanSummary(TypedDict):
    """Sums over the selected recommendations; money in USD a month."""

    recommendation_count: int
    quick_win_count: int
    total_implementation_hours: float
    total_monthly_savings: Decimal  # expected
    total_monthly_savings_low: Decimal
    total_monthly_savings_high: Decimal
    without_saving_count: int  # selected although no money can be put on them honestly


class NotSelected(TypedDict):
    """A recommendation that is not in the plan."""

    recommendation: OptimizationRecommendation
    reason: str


class OptimizationPlan(TypedDict):
    """What ``generate_optimization_plan`` returns."""

    selected_recommendations: list[OptimizationRecommendation]
    summary: PlanSummary
    not_selected: list[NotSelected]
    optimality_gap: float  # 0.0: no better plan exists
    notes: list[str]


def make_plan(
    recommendations: Sequence[OptimizationRecommendation],
    *,
    max_recommendations: int,
    max_total_effort_hours: float,
    prioritize_quick_wins: bool,
    done: Iterable[str] = (),
) -> OptimizationPlan:
    """The best plan within the limits.

    Args:
        done: ids that are carried out already; whoever requires one of them need not wait for it.

    Raises:
        InvalidInputError: a limit makes no sense.
    """
    _check_limits(max_recommendations, max_total_effort_hours)
    candidates = [
        _candidate(r, frozenset(done), prioritize_quick_wins, recommendations) for r in recommendations
    ]
    max_effort = int(Decimal(str(max_total_effort_hours)) * MICRO)
    selection = choose(candidates, max_count=max_recommendations, max_effort=max_effort)
    chosen = _in_order([r for r in recommendations if r.id in selection.ids], prioritize_quick_wins)
    limits = f"{max_recommendations} recommendations and {max_total_effort_hours:g} hours"
    return OptimizationPlan(
        selected_recommendations=chosen,
        summary=_summary(chosen),
        not_selected=[
            NotSelected(
                recommendation=r, reason=_reason(r, chosen, candidates, max_recommendations, max_effort)
            )
            for r in recommendations
            if r.id not in selection.ids
        ],
        optimality_gap=selection.gap,
        notes=_notes(recommendations, selection, limits),
    )


def _check_limits(count: int, hours: float) -> None:
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise InvalidInputError(f"max_recommendations is {count!r}; it must be a whole number of at least 1")
    is_number = isinstance(hours, int | float | Decimal) and not isinstance(hours, bool)
    if not is_number or not math.isfinite(hours) or hours <= 0:
        raise InvalidInputError(f"max_total_effort_hours is {hours!r}; it must be a number above 0")


def _candidate(
    r: OptimizationRecommendation,
    done: frozenset[str],
    quick_wins: bool,
    everything: Sequence[OptimizationRecommendation],
) -> Candidate:
    room = 16 * len(everything)  # more than all points together
    points = 2 * _POINTS[r.severity] + (1 if quick_wins and r.is_quick_win else 0) + 1
    money = max(-LARGEST, min(LARGEST, int(_expected(r) * MICRO)))
    critical = LARGEST * 2 * len(everything) if r.severity is Severity.CRITICAL else 0
    return Candidate(
        id=r.id,
        value=(critical + money) * room + points,
        effort=int(Decimal(str(r.effort_hours)) * MICRO),
        requires=frozenset(r.requires) - done,
        conflicts_with=frozenset(r.conflicts_with),
    )


def _expected(r: OptimizationRecommendation) -> Decimal:
    counts = r.saving is not None and r.saving.expected.currency == CURRENCY
    return r.saving.expected.amount if r.saving is not None and counts else Decimal(0)


def _in_order(
    chosen: Sequence[OptimizationRecommendation], quick_wins: bool
) -> list[OptimizationRecommendation]:
    """Prerequisites first, then critical ones, then quick wins where wanted, then by savings an hour."""

    def rank(r: OptimizationRecommendation) -> tuple[bool, bool, Decimal, str]:
        an_hour = _expected(r) / Decimal(str(r.effort_hours)) if r.effort_hours else _expected(r)
        return r.severity is not Severity.CRITICAL, quick_wins and not r.is_quick_win, -an_hour, r.id

    waiting = sorted(chosen, key=rank)
    ordered: list[OptimizationRecommendation] = []
    while waiting:
        open_ids = {r.id for r in waiting}
        ready = next((r for r in waiting if not open_ids & set(r.requires)), waiting[0])  # a circle: any
        waiting.remove(ready)
        ordered.append(ready)
    return ordered


def _summary(chosen: Sequence[OptimizationRecommendation]) -> PlanSummary:
    savings = [r.saving for r in chosen if r.saving is not None and r.saving.expected.currency == CURRENCY]
    return PlanSummary(
        recommendation_count=len(chosen),
        quick_win_count=sum(r.is_quick_win for r in chosen),
        total_implementation_hours=float(sum((Decimal(str(r.effort_hours)) for r in chosen), Decimal(0))),
        total_monthly_savings=sum((s.expected.amount for s in savings), Decimal(0)),
        total_monthly_savings_low=sum((s.low.amount for s in savings), Decimal(0)),
        total_monthly_savings_high=sum((s.high.amount for s in savings), Decimal(0)),
        without_saving_count=len(chosen) - len(savings),
    )


def _reason(
    r: OptimizationRecommendation,
    chosen: Sequence[OptimizationRecommendation],
    candidates: Sequence[Candidate],
    max_count: int,
    max_effort: int,
) -> str:
    """The first thing that keeps it out of this plan."""
    by_id = {c.id: c for c in candidates}
    own, ids = by_id[r.id], {c.id for c in chosen}
    missing = sorted(own.requires - by_id.keys())
    if missing:
        return f"requires {', '.join(missing)}, which is not known here"
    against = sorted(c.id for c in chosen if c.id in own.conflicts_with or r.id in c.conflicts_with)
    if against:
        return f"excluded by {', '.join(against)}, which is selected"
    if own.effort > max_effort:
        return f"takes {r.effort_hours:g} hours, more than the plan has"
    waits_for = sorted(own.requires - ids)
    if waits_for:
        return f"requires {', '.join(waits_for)}, which is not selected"
    return _outweighed(r, own, max_effort - sum(by_id[i].effort for i in ids), len(ids), max_count)


def _outweighed(
    r: OptimizationRecommendation, own: Candidate, left: int, selected_count: int, max_count: int
) -> str:
    if selected_count < max_count and own.effort <= left:
        return "saves less than it costs" if own.value <= 0 else "not found better within the search limit"
    if own.effort > left:
        return f"takes {r.effort_hours:g} hours; {left / MICRO:g} are left beside better ones"
    return f"{max_count} better ones are selected"


def _notes(
    recommendations: Sequence[OptimizationRecommendation], selection: Selection, limits: str
) -> list[str]:
    foreign = {
        r.saving.expected.currency
        for r in recommendations
        if r.saving is not None and r.saving.expected.currency != CURRENCY
    }
    notes = (
        [f"savings in {', '.join(sorted(foreign))} are not counted: no conversion rate"] if foreign else []
    )
    if selection.gap > 0:
        notes.append(f"the best plan within {limits} may be up to {selection.gap:.1%} better")
    return notes
