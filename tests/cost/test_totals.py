"""Totals equal an independent sum of the rows to the last digit, in every shape an export comes in."""

from __future__ import annotations

import csv
import json
import tempfile
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genesis_performance.cost import CostOptimizationMonitor
from genesis_performance.model.cost import CostAnalysis
from genesis_performance.model.money import Money

from .conftest import SHARED, WRITERS, row

SAMPLE = SHARED / "gcp_detailed_export_google_synth_dev.csv"
NINE = Decimal("1e-9")

needs_sample = pytest.mark.skipif(not SAMPLE.is_file(), reason="Google's sample export is not here")


def _sample(month: str) -> list[dict[str, str]]:
    with SAMPLE.open(newline="", encoding="utf-8") as file:
        return [one for one in csv.DictReader(file) if one["invoice_month"] == month]


def _credits(one: dict[str, str]) -> Decimal:
    return sum(
        (Decimal(str(c["amount"])) for c in json.loads(one["credits"], parse_float=Decimal)), Decimal(0)
    )


@needs_sample
@pytest.mark.parametrize("month", ["202603", "202604", "202605"])
def test_googles_sample_adds_up_to_the_last_digit(month: str) -> None:
    rows = _sample(month)
    analysis = CostOptimizationMonitor(billing_export=str(SAMPLE)).analyze_monthly_costs_sync(month)
    with localcontext() as context:
        context.prec = 60
        nets = [(one, Decimal(one["cost"]) + _credits(one)) for one in rows]
        total = sum((net / Decimal(one["currency_conversion_rate"]) for one, net in nets), Decimal(0))
        assert analysis.total_cost == total.quantize(NINE)
        for currency in ("USD", "EUR", "GBP", "AUD"):
            billed = sum((net for one, net in nets if one["currency"] == currency), Decimal(0))
            assert analysis.by_currency[currency] == Money(billed, currency)
        for line in analysis.by_service:
            own = [(one, net) for one, net in nets if one["service_description"] == line.key]
            expected = sum((net / Decimal(one["currency_conversion_rate"]) for one, net in own), Decimal(0))
            assert line.net.amount == expected.quantize(NINE)
    assert analysis.row_count == len(rows)


@needs_sample
async def test_the_newest_month_is_the_default_and_what_is_odd_is_reported() -> None:
    analysis = await CostOptimizationMonitor(billing_export=str(SAMPLE)).analyze_monthly_costs()
    assert analysis.invoice_month == "202605"
    rows = _sample("202605")
    odd = sum(one["cost_type"] == "roundoff" for one in rows)
    assert any(
        note.startswith(f"{odd} rows have the unknown cost type 'roundoff'") for note in analysis.notes
    )
    odd = sum(one["credits_type"] == "COMMITTED_USE_DISCOUNT" for one in rows)
    assert any(f"{odd} credits have the unknown type 'COMMITTED_USE_DISC" in note for note in analysis.notes)
    assert any("is tax" in note for note in analysis.notes)
    assert f"{analysis.total_cost:.2f}" == f"{analysis.total:.2f}"


@pytest.mark.parametrize("folder", sorted(SHARED.glob("cud_attribution/test_*")), ids=lambda path: path.name)
def test_exports_of_commitment_cases_add_up(folder: Path) -> None:
    text = (folder / "export.json").read_text(encoding="utf-8").strip()
    decoder, rows, at = json.JSONDecoder(parse_float=Decimal), [], 0
    while at < len(text):
        one, at = decoder.raw_decode(text, at)
        rows.append(one)
        at += len(text[at:]) - len(text[at:].lstrip())
    for month in {one["invoice"]["month"] for one in rows}:
        analysis = CostOptimizationMonitor(
            billing_export=str(folder / "export.json")
        ).analyze_monthly_costs_sync(month)
        expected = sum(
            Decimal(str(one["cost"]))
            + sum((Decimal(str(c["amount"])) for c in one.get("credits", ())), Decimal(0))
            for one in rows
            if one["invoice"]["month"] == month
        )
        assert analysis.total_cost == expected


_amounts = st.decimals(-(10**6), 10**6, places=6).map(str)
_credit_lists = st.lists(
    st.tuples(st.sampled_from([None, "PROMOTION", "FREE_TIER"]), st.decimals(-1000, 0, places=6).map(str)),
    max_size=3,
)
_rows = st.builds(
    lambda cost, credited, currency, service, month: row(
        cost, credited, currency=currency[0], rate=currency[1], service=service, month=month
    ),
    _amounts,
    _credit_lists,
    st.sampled_from([("USD", "1.0"), ("EUR", "0.92"), ("JPY", "151.25")]),
    st.sampled_from(["Cloud Run", "O'Reilly; DROP TABLE cost_fact", 'Größe "5", ü']),
    st.sampled_from(["202609", "202610"]),
)


def _analysed(rows: list[dict[str, Any]], kind: str) -> CostAnalysis:
    with tempfile.TemporaryDirectory() as folder:
        named = WRITERS[kind](Path(folder) / f"export.{kind}", rows)
        return CostOptimizationMonitor(billing_export=named).analyze_monthly_costs_sync()


@settings(max_examples=15, deadline=None)
@given(rows=st.lists(_rows, min_size=1, max_size=8))
@pytest.mark.parametrize("kind", sorted(WRITERS))
def test_every_shape_of_export_gives_the_sum_of_its_rows(kind: str, rows: list[dict[str, Any]]) -> None:
    analysis = _analysed(rows, kind)
    month = max(one["invoice"]["month"] for one in rows)
    own = [one for one in rows if one["invoice"]["month"] == month]
    with localcontext() as context:
        context.prec = 60
        nets = [
            (Decimal(one["cost"]) + sum((Decimal(c["amount"]) for c in one["credits"]), Decimal(0)))
            / Decimal(one["currency_conversion_rate"])
            for one in own
        ]
        assert analysis.total_cost == sum(nets, Decimal(0)).quantize(NINE)
        for lines in (analysis.by_service, analysis.by_project, analysis.by_sku):
            assert abs(sum((line.net.amount for line in lines), Decimal(0)) - analysis.total_cost) <= NINE * 4
    assert analysis.row_count == len(own)
    assert analysis.total.amount == pytest.approx(
        analysis.gross.amount + analysis.credits.amount, abs=NINE * 2
    )


@pytest.mark.parametrize("cost", ["999999.123456789", "1000000.12345678", "87654321.1234567", "-2e-9"])
def test_a_floating_point_cost_keeps_the_digits_it_prints(tmp_path: Path, cost: str) -> None:
    named = WRITERS["parquet"](tmp_path / "e.parquet", [row(cost, [("PROMOTION", f"-{cost.strip('-')}")])])
    analysis = CostOptimizationMonitor(billing_export=named).analyze_monthly_costs_sync()
    assert analysis.gross.amount == Decimal(cost)
    assert analysis.credits.amount == -abs(Decimal(cost))


def test_a_number_keeps_its_digits_in_a_json_export(tmp_path: Path) -> None:
    one = row()
    (tmp_path / "e.json").write_text(json.dumps(one).replace('"1.5"', "0.1000000010"), encoding="utf-8")
    analysis = CostOptimizationMonitor(billing_export=str(tmp_path / "e.json")).analyze_monthly_costs_sync()
    assert analysis.total_cost == Decimal("0.100000001")


def test_a_json_array_and_a_compressed_file_are_read(tmp_path: Path) -> None:
    import gzip

    (tmp_path / "a.json").write_text(json.dumps([row("1"), row("2")]), encoding="utf-8")
    with gzip.open(tmp_path / "b.jsonl.gz", "wt", encoding="utf-8") as file:
        file.write(json.dumps(row("4")))
    analysis = CostOptimizationMonitor(billing_export=f"{tmp_path}/*.json*").analyze_monthly_costs_sync()
    assert analysis.total_cost == 7
    assert analysis.source.endswith("(2 files)")


def test_files_of_different_formats_are_one_export(tmp_path: Path) -> None:
    for kind, writer in WRITERS.items():
        writer(tmp_path / f"part.{kind}", [row("1.25")])
    analysis = CostOptimizationMonitor(billing_export=f"{tmp_path}/part.*").analyze_monthly_costs_sync()
    assert analysis.total_cost == Decimal("3.75")
