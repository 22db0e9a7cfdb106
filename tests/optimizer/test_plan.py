"""The plan: what is selected, in which order, and why the rest is not."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genesis_performance.errors import InvalidInputError
from genesis_performance.model.advice import OptimizationRecommendation, Risk, Saving, Severity
from genesis_performance.model.money import Money
from genesis_performance.optimizer.plan import OptimizationPlan, make_plan


def advice(
    identity: str, dollars: float | None = None, hours: float = 2, **more: Any
) -> OptimizationRecommendation:
    money = Money(Decimal(str(dollars)), more.pop("currency", "USD")) if dollars is not None else None
    saving = Saving(low=money, expected=money, high=money, formula="x = y", basis="b") if money else None
    defaults = {"rule": "test/a", "title": identity, "description": "", "resource": "r"}
    return OptimizationRecommendation(
        id=identity,
        effort_hours=hours,
        saving=saving,
        **(defaults | more),  # type: ignore[arg-type]
    )


def plan(
    *given: OptimizationRecommendation, count: int = 10, hours: float = 40, **more: Any
) -> OptimizationPlan:
    defaults = {"prioritize_quick_wins": True}
    return make_plan(given, max_recommendations=count, max_total_effort_hours=hours, **(defaults | more))


def ids(of: OptimizationPlan) -> list[str]:
    return [r.id for r in of["selected_recommendations"]]


def reasons(of: OptimizationPlan) -> dict[str, str]:
    return {n["recommendation"].id: n["reason"] for n in of["not_selected"]}


def test_the_summary_adds_up_hours_and_money() -> None:
    result = plan(advice("a", 10.10, 1.5), advice("b", 20.20, 2.25), advice("c"))
    assert result["summary"]["total_implementation_hours"] == 5.75
    assert result["summary"]["total_monthly_savings"] == Decimal("30.30")
    assert result["summary"]["without_saving_count"] == 1
    assert result["optimality_gap"] == 0.0


def test_two_small_ones_beat_a_dense_one_that_blocks_them() -> None:
    result = plan(advice("dense", 80, 6), advice("a", 50, 4), advice("b", 50, 4), hours=8)
    assert set(ids(result)) == {"a", "b"}
    assert reasons(result) == {"dense": "takes 6 hours; 0 are left beside better ones"}


def test_of_two_that_exclude_one_another_only_the_better_is_selected() -> None:
    result = plan(advice("resize", 30), advice("delete", 90, conflicts_with=("resize",)))
    assert ids(result) == ["delete"]
    assert result["summary"]["total_monthly_savings"] == 90
    assert reasons(result) == {"resize": "excluded by delete, which is selected"}


def test_a_prerequisite_comes_first_even_if_it_saves_nothing() -> None:
    result = plan(advice("commit", 100, requires=("rightsize",)), advice("rightsize", hours=20))
    assert ids(result) == ["rightsize", "commit"]


def test_a_prerequisite_that_is_done_need_not_be_selected() -> None:
    commit = advice("commit", 100, requires=("rightsize",))
    assert ids(plan(commit, done=["rightsize"])) == ["commit"]
    assert reasons(plan(commit)) == {"commit": "requires rightsize, which is not known here"}


def test_no_saving_displaces_a_critical_recommendation() -> None:
    result = plan(advice("money", 1e9, 8), advice("critical", hours=8, severity=Severity.CRITICAL), hours=10)
    assert ids(result) == ["critical"]


def test_quick_wins_come_first_but_never_displace_a_cent() -> None:
    long, quick = advice("long", 10.01, 8), advice("quick", 10.00, 2)
    assert ids(plan(long, quick)) == ["quick", "long"]
    assert ids(plan(long, quick, hours=9)) == ["long"]
    risky = advice("risky", 50, 2, risk=Risk.HIGH)
    assert ids(plan(risky, quick)) == ["quick", "risky"]
    assert ids(plan(risky, quick, prioritize_quick_wins=False)) == ["risky", "quick"]


def test_of_equal_plans_the_one_with_the_quick_win_is_taken() -> None:
    equal = (advice("a", 10, 2, risk=Risk.HIGH), advice("b", 10, 2))
    assert ids(plan(*equal, count=1)) == ["b"]


def test_every_reason_names_the_limit_that_holds() -> None:
    result = plan(advice("best", 30), advice("next", 20), advice("huge", 500, 99), count=1)
    assert reasons(result) == {
        "next": "1 better ones are selected",
        "huge": "takes 99 hours, more than the plan has",
    }


def test_what_costs_more_than_it_saves_is_not_selected() -> None:
    assert reasons(plan(advice("worse", -5))) == {"worse": "saves less than it costs"}


def test_savings_without_a_conversion_rate_are_said_and_not_added() -> None:
    result = plan(advice("a", 10), advice("b", 99, currency="EUR"))
    assert result["summary"]["total_monthly_savings"] == 10
    assert result["notes"] == ["savings in EUR are not counted: no conversion rate"]


def test_a_circle_of_prerequisites_is_all_or_nothing() -> None:
    circle = (advice("a", 10, requires=("b",)), advice("b", 10, requires=("a",)))
    assert set(ids(plan(*circle))) == {"a", "b"}
    assert ids(plan(*circle, count=1)) == []


def test_nothing_to_choose_from_is_an_empty_plan() -> None:
    result = plan()
    assert result["selected_recommendations"] == []
    assert result["summary"]["total_monthly_savings"] == 0


@pytest.mark.parametrize("count", [0, -1, 1.5, True, None])
def test_a_senseless_count_is_an_error(count: Any) -> None:
    with pytest.raises(InvalidInputError, match="max_recommendations"):
        plan(count=count)


@pytest.mark.parametrize("hours", [0, -1, math.nan, math.inf, "40", True])
def test_senseless_hours_are_an_error(hours: Any) -> None:
    with pytest.raises(InvalidInputError, match="max_total_effort_hours"):
        plan(hours=hours)


@given(
    st.lists(st.tuples(st.integers(0, 500), st.sampled_from([0.1, 0.2, 0.3, 1.0, 7.5])), max_size=9),
    st.integers(1, 5),
    st.sampled_from([0.3, 0.6, 2.0, 9.0]),
)
def test_no_limit_is_ever_exceeded(items: list[tuple[int, float]], count: int, hours: float) -> None:
    result = plan(*(advice(f"r{i}", d, h) for i, (d, h) in enumerate(items)), count=count, hours=hours)
    assert len(result["selected_recommendations"]) <= count
    assert result["summary"]["total_implementation_hours"] <= hours
    assert len(result["selected_recommendations"]) + len(result["not_selected"]) == len(items)
