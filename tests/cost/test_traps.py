"""What exports are known to trip over: lost rows, mixed currencies, unknown types, late months."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from genesis_performance.model.cost import CostAnalysis
from genesis_performance.model.money import Money

from .conftest import row

Analyse = Callable[..., CostAnalysis]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_a_row_without_credits_is_not_lost_and_one_with_two_counts_once(analyse: Analyse, kind: str) -> None:
    rows = (row("100"), row("10", [("PROMOTION", "-1"), ("FREE_TIER", "-2")]))
    analysis = analyse(*rows, kind=kind)
    assert analysis.gross.amount == 110  # an inner join with the credits gives 20
    assert analysis.credits.amount == -3
    assert analysis.total_cost == 107


def test_currencies_are_never_added_up_as_they_are(analyse: Analyse) -> None:
    analysis = analyse(row("92", currency="EUR", rate="0.92"), row("100"))
    assert analysis.total == Money(Decimal(200))
    assert analysis.by_currency == {"EUR": Money(Decimal(92), "EUR"), "USD": Money(Decimal(100))}


def test_two_rates_of_one_currency_are_each_used_for_their_own_rows(analyse: Analyse) -> None:
    analysis = analyse(row("90", currency="EUR", rate="0.90"), row("80", currency="EUR", rate="0.80"))
    assert analysis.total_cost == 200


@pytest.mark.parametrize("rate", [None, "0", "-1", ""])
def test_what_has_no_rate_is_said_and_in_no_dollar_total(analyse: Analyse, rate: str | None) -> None:
    analysis = analyse(row("92", currency="EUR", rate=rate), row("100", rate=rate))
    assert analysis.total_cost == 100
    assert analysis.by_currency["EUR"].amount == 92
    assert "92.00 EUR have no conversion rate and are in no USD total" in analysis.notes


def test_unknown_types_are_counted_and_reported(analyse: Analyse) -> None:
    rows = (row("5", cost_type="roundoff"), row("7", [("MYSTERY", "-2"), (None, "-1")]))
    analysis = analyse(*rows)
    assert analysis.total_cost == 9
    notes = " | ".join(analysis.notes)
    assert "1 rows have the unknown cost type 'roundoff'; they are in the total with 5.00 USD" in notes
    assert "1 credits have the unknown type 'MYSTERY'; they are in the total with -2.00 USD" in notes
    assert "1 credits have the unknown type '(no type)'" in notes
    assert analysis.credits_by_type == {"(no type)": Money(Decimal(-1)), "MYSTERY": Money(Decimal(-2))}


def test_documented_types_are_not_called_unknown(analyse: Analyse) -> None:
    types = ("regular", "tax", "adjustment", "rounding_error")
    analysis = analyse(*(row("1", [("FEE_UTILIZATION_OFFSET", "0")], cost_type=t) for t in types))
    assert not any("unknown" in note for note in analysis.notes)
    assert "1.00 USD of the total is tax (1 rows)" in analysis.notes


def test_the_month_is_the_invoices_not_the_usages(analyse: Analyse) -> None:
    rows = (row("1", day="2026-10-31", month="202611"), row("2", day="2026-10-31", month="202610"))
    assert analyse(*rows).invoice_month == "202611"
    assert analyse(*rows).total_cost == 1
    assert analyse(*rows, month="2026-10").total_cost == 2


def test_the_month_before_stands_beside_each_line(analyse: Analyse) -> None:
    analysis = analyse(
        row("8", month="202601"), row("5", month="202512"), row("3", month="202512", service="Pub/Sub")
    )
    lines = {line.key: line for line in analysis.by_service}
    assert lines["Cloud Run"].previous == Money(Decimal(5))
    assert lines["Pub/Sub"].net == Money(Decimal(0))
    assert lines["Pub/Sub"].previous == Money(Decimal(3))


def test_without_a_month_before_nothing_stands_beside(analyse: Analyse) -> None:
    assert analyse(row(), row(month="202608")).by_service[0].previous is None


def test_shares_are_of_the_total_and_zero_where_it_is_zero(analyse: Analyse) -> None:
    assert [line.share for line in analyse(row("3"), row("1", service="B")).by_service] == [0.75, 0.25]
    assert [line.share for line in analyse(row("3"), row("-3", service="B")).by_service] == [0.0, 0.0]


def test_a_month_that_may_still_grow_says_so(analyse: Analyse) -> None:
    assert not any("complete" in note for note in analyse(row(day="2026-10-31")).notes)
    analysis = analyse(row(day="2026-10-12"))
    assert analysis.newest_usage == "2026-10-12"
    assert "the newest usage in the export is of 2026-10-12: the month may not be complete" in analysis.notes


def test_rows_without_an_invoice_month_are_said(analyse: Analyse) -> None:
    analysis = analyse(row("1"), row("2", month="soon"), row("4", month=None))
    assert analysis.total_cost == 1
    assert "2 rows of the export have no invoice month and are in no total" in analysis.notes


def test_a_cost_without_project_or_service_has_a_line(analyse: Analyse) -> None:
    one: dict[str, Any] = row("4", cost_type="tax")
    one["project"] = None
    one["sku"] = {}
    analysis = analyse(one, row("1"))
    assert {line.key: line.net.amount for line in analysis.by_project} == {"(no project)": 4, "shop": 1}
    assert "Cloud Run / (no SKU)" in {line.key for line in analysis.by_sku}


def test_the_same_sku_name_of_two_services_is_two_lines(analyse: Analyse) -> None:
    analysis = analyse(row("1", service="A", sku="CPU"), row("2", service="B", sku="CPU"))
    assert [line.key for line in analysis.by_sku] == ["B / CPU", "A / CPU"]
