"""Savings come from the rows of the bill, once each, and are kept for the plan."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from genesis_performance import config
from genesis_performance.cost import CostOptimizationMonitor
from genesis_performance.model.cost import CostAnalysis
from genesis_performance.storage import Kind, open_store

from .conftest import Write, row

Analyse = Callable[..., CostAnalysis]

UNUSED = [("compute.googleapis.com/is_unused_reservation", "true")]
IDLE_IP = "Static Ip Charge in Frankfurt"


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_what_is_paid_for_nothing_is_what_is_saved(analyse: Analyse, kind: str) -> None:
    analysis = analyse(
        row("50"),
        row("7.30", sku=IDLE_IP, credited=[("FREE_TIER", "-0.30")]),
        row("100", sku="N1 Core", system_labels=UNUSED, currency="EUR", rate="0.5"),
        row("11", sku="N1 Core"),
        kind=kind,
    )
    savings = {r.rule: r.saving for r in analysis.recommendations}
    reservation, address = savings["cost/unused-reservations"], savings["cost/idle-addresses"]
    assert reservation is not None
    assert reservation.expected.amount == 200
    assert address is not None
    assert (address.low.amount, address.expected.amount, address.high.amount) == (
        Decimal("7.00"),
        Decimal("7.00"),
        Decimal("7.30"),
    )
    assert analysis.total_potential_savings == Decimal(207)
    assert "invoice month 202610" in address.basis


def test_a_bill_without_waste_has_no_recommendation(analyse: Analyse) -> None:
    analysis = analyse(row("50"), row("3", sku="External IP Charge on a Standard VM"))
    assert analysis.recommendations == ()
    assert analysis.total_potential_savings == 0


def test_what_credits_cover_saves_nothing(analyse: Analyse) -> None:
    assert analyse(row("7", [("PROMOTION", "-7")], sku=IDLE_IP)).recommendations == ()


def test_tax_on_waste_is_no_saving(analyse: Analyse) -> None:
    assert analyse(row("7", sku=IDLE_IP, cost_type="tax")).recommendations == ()


def test_the_waste_of_a_commitment_is_told_without_a_saving(analyse: Analyse) -> None:
    fee = "Commitment - dollar based v1: Cloud Run for 1 year"
    analysis = analyse(row("1000", sku=fee), row("0", [("FEE_UTILIZATION_OFFSET", "-700")], sku=fee))
    assert [(r.rule, r.saving) for r in analysis.recommendations] == [("cost/commitment-waste", None)]
    assert "300.00 USD (30%)" in analysis.recommendations[0].description


def test_the_older_commitments_whose_credits_are_on_usage_are_not_called_waste(analyse: Analyse) -> None:
    fee = row("1000", sku="Commitment v1: Cpu in Americas for 1 Year")
    assert analyse(fee, row("900", [("COMMITTED_USAGE_DISCOUNT", "-900")])).recommendations == ()


def test_small_savings_are_left_out_and_counted(analyse: Analyse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENESIS_PERF__COST_OPTIMIZATION__SAVINGS_THRESHOLD", "100")
    config.reset()
    analysis = analyse(row("7", sku=IDLE_IP))
    assert analysis.recommendations == ()
    assert any("1 recommendations save less than" in note for note in analysis.notes)


def test_two_projects_are_two_recommendations_with_ids_that_stay(analyse: Analyse) -> None:
    rows = (row("7", sku=IDLE_IP), row("9", sku=IDLE_IP, project="till"))
    first, second = analyse(*rows).recommendations, analyse(*rows).recommendations
    assert [r.resource for r in first] == ["till", "shop"]
    assert [r.id for r in first] == [r.id for r in second]


def test_recommendations_are_stored_and_keep_their_state(write: Write, tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/h.db") as store:
        monitor = CostOptimizationMonitor(billing_export=write(row("7", sku=IDLE_IP)), store=store)
        identity = monitor.analyze_monthly_costs_sync().recommendations[0].id
        body = store.get(Kind.RECOMMENDATION, identity)
        assert body is not None
        store.put(Kind.RECOMMENDATION, identity, {**body, "state": "DISMISSED"})
        monitor.analyze_monthly_costs_sync()
        assert (store.get(Kind.RECOMMENDATION, identity) or {})["state"] == "DISMISSED"


def test_a_store_that_can_not_be_written_costs_no_analysis(write: Write, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = open_store(f"sqlite:///{tmp_path}/file/h.db")
    monitor = CostOptimizationMonitor(billing_export=write(row("7", sku=IDLE_IP)), store=store)
    assert len(monitor.analyze_monthly_costs_sync().recommendations) == 1
