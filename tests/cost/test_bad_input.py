"""What can not be read is an error in words: it names the file or the setting, and what to do."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from genesis_performance import config
from genesis_performance.cost import CostOptimizationMonitor
from genesis_performance.cost.export import translated
from genesis_performance.errors import (
    ConfigurationError,
    InvalidInputError,
    MissingDependencyError,
    NoDataError,
)
from genesis_performance.model.cost import CostAnalysis

from .conftest import Write, row, write_csv

Analyse = Callable[..., CostAnalysis]


def analyse_file(path: Path | str) -> CostAnalysis:
    return CostOptimizationMonitor(billing_export=str(path)).analyze_monthly_costs_sync()


def test_without_an_export_the_setting_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"set cost_optimization\.billing_export"):
        CostOptimizationMonitor().analyze_monthly_costs_sync()


def test_the_setting_names_the_export(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENESIS_PERF__COST_OPTIMIZATION__BILLING_EXPORT", write(row("3")))
    config.reset()
    assert CostOptimizationMonitor().analyze_monthly_costs_sync().total_cost == 3


def test_a_switched_off_analysis_refuses(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COST_MONITORING_ENABLED", "false")
    config.reset()
    with pytest.raises(ConfigurationError, match="COST_MONITORING_ENABLED"):
        analyse_file(write(row()))


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ("nothing.csv", "there is no such file"),
        ("*.parquet", "no file matches"),
        ("my-project.billing.gcp_billing_export_v1_0", "a BigQuery table: reading it in place comes later"),
        ("gs://bucket/export-*.csv", "only local files"),
        ("a\0b.csv", "NUL"),
        (".", "a folder; name its files"),
        ("   ", "no billing export is named"),
    ],
)
def test_a_name_that_leads_nowhere_says_why(named: str, expected: str) -> None:
    with pytest.raises(ConfigurationError, match=expected):
        analyse_file(named)


def test_an_unknown_format_lists_the_known(tmp_path: Path) -> None:
    (tmp_path / "export.xlsx").write_bytes(b"PK")
    with pytest.raises(ConfigurationError, match=r"\.csv, \.json, \.jsonl"):
        analyse_file(tmp_path / "export.xlsx")


@pytest.mark.parametrize("name", ["e.csv", "e.json", "e.parquet"])
@pytest.mark.parametrize("content", [b"", b"\0\1\2 not an export", b"a,b\n1,2\n"])
def test_a_file_that_is_no_export_is_an_error_of_ours(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises((InvalidInputError, NoDataError), match=r"e\."):
        analyse_file(tmp_path / name)


def test_missing_columns_are_named(tmp_path: Path) -> None:
    (tmp_path / "focus.csv").write_text("BilledCost,ServiceName\n1.0,Cloud Run\n")
    expected = r"no column for invoice\.month, service\.description, currency, cost"
    with pytest.raises(InvalidInputError, match=expected):
        analyse_file(tmp_path / "focus.csv")


def test_an_export_without_rows_says_so(tmp_path: Path) -> None:
    with pytest.raises(NoDataError, match="has no rows"):
        analyse_file(write_csv(tmp_path / "empty.csv", []))


@pytest.mark.parametrize("cost", ["", "abc", "NaN", "inf", "1e40", "1,50"])
def test_a_cost_that_is_no_number_is_an_error_not_a_smaller_total(analyse: Analyse, cost: str) -> None:
    with pytest.raises(InvalidInputError, match="1 rows have a cost that can not be read"):
        analyse(row("1"), row(cost))


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_credit_that_is_no_number_is_an_error(analyse: Analyse, kind: str) -> None:
    with pytest.raises(InvalidInputError, match="1 rows have credits that can not be read"):
        analyse(row("1"), row("2", [("PROMOTION", "free")]), kind=kind)


def test_credits_cut_off_in_the_middle_are_an_error(tmp_path: Path) -> None:
    named = write_csv(tmp_path / "e.csv", [row("2", [("PROMOTION", "-1")])])
    text = Path(named).read_text()
    Path(named).write_text(text.replace('""type"": ""PROMOTION""}]', '""type"": ""PROMO'))
    with pytest.raises(InvalidInputError, match="credits"):
        analyse_file(named)


def test_a_row_without_currency_is_an_error(analyse: Analyse) -> None:
    with pytest.raises(InvalidInputError, match="currency"):
        analyse(row(), row(currency=None))


@pytest.mark.parametrize("month", ["2026", "202613", "2026-1", "Oct 2026", "202610 ", "٢٠٢٦١٠", 202610, ""])
def test_a_month_that_is_none_is_an_error(write: Write, month: Any) -> None:
    with pytest.raises(InvalidInputError, match="must be an invoice month"):
        CostOptimizationMonitor(billing_export=write(row())).analyze_monthly_costs_sync(month)


def test_a_month_that_the_export_does_not_have_lists_those_it_has(analyse: Analyse) -> None:
    with pytest.raises(NoDataError, match="it has 202609, 202610"):
        analyse(row(), row(month="202609"), month="202501")


def test_no_row_with_a_month_is_no_data(analyse: Analyse) -> None:
    with pytest.raises(NoDataError, match="no row with an invoice month"):
        analyse(row(month=None))


def test_huge_amounts_add_up_exactly(analyse: Analyse) -> None:
    analysis = analyse(row("12345678901234567890.123456789"), row("0.000000001"))
    assert analysis.total_cost == Decimal("12345678901234567890.123456790")


def test_amounts_beyond_bigquerys_numeric_are_an_error(analyse: Analyse) -> None:
    most = "9" * 29
    with pytest.raises(InvalidInputError, match=r"export\.jsonl"):
        analyse(*(row(most) for _ in range(3)))


@pytest.mark.parametrize(
    "name", ["it's; DROP TABLE x.csv", "a[1]*?.csv", "{a,b}.csv", "-- x.csv", 'ü "q".csv']
)
def test_a_file_name_is_only_a_name(tmp_path: Path, name: str) -> None:
    (tmp_path / "1.csv").write_text("bait")
    write_csv(tmp_path / name, [row("7")])
    assert analyse_file(tmp_path / name).total_cost == 7


def test_a_month_can_not_carry_sql(write: Write) -> None:
    rows = (row(), row("9", month="202609'); DROP TABLE kept; --"))
    assert analyse_file(write(*rows)).total_cost == Decimal("1.5")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read_is_an_error_of_ours(write: Write) -> None:
    named = Path(write(row()))
    named.chmod(0)
    with pytest.raises(InvalidInputError, match="can not be read"):
        analyse_file(named)


def test_a_damaged_parquet_file_is_an_error_of_ours(write: Write) -> None:
    named = Path(write(row(), kind="parquet"))
    named.write_bytes(named.read_bytes()[:200] + b"PAR1")
    with pytest.raises(InvalidInputError, match=r"export\.parquet can not be read"):
        analyse_file(named)


def test_analysing_leaves_nothing_behind(write: Write, tmp_path: Path) -> None:
    named = write(row())
    before = sorted(tmp_path.iterdir())
    analyse_file(named)
    assert sorted(tmp_path.iterdir()) == before


HEAD = "service_description,usage_start_time,cost,currency,credits_amount,credits_type,invoice_month\n"


def test_flattened_credits_are_read_and_their_trap_is_told(tmp_path: Path) -> None:
    text = HEAD + "Cloud Run,2026-10-31,10,USD,-2,PROMOTION,202610\nCloud Run,2026-10-31,5,USD,,,202610\n"
    (tmp_path / "flat.csv").write_text(text)
    analysis = analyse_file(tmp_path / "flat.csv")
    assert (analysis.gross.amount, analysis.total_cost) == (15, 13)
    assert any("credits come flattened" in note for note in analysis.notes)


@pytest.mark.parametrize(
    "header",
    [
        "service.description,cost,currency,invoice.month",
        "SERVICE_DESCRIPTION,COST,CURRENCY,INVOICE_MONTH",
        "\ufeffservice_description,cost,currency,invoice_month",
    ],
)
def test_columns_are_found_by_any_of_their_spellings(tmp_path: Path, header: str) -> None:
    (tmp_path / "e.csv").write_text(f"{header}\nCloud Run,4,usd,202610\n", encoding="utf-8")
    analysis = analyse_file(tmp_path / "e.csv")
    assert analysis.by_service[0].key == "Cloud Run"
    assert analysis.by_currency["USD"].amount == 4


def test_a_credit_without_an_amount_is_nothing(analyse: Analyse) -> None:
    one = row("4")
    one["credits"] = [{"type": "PROMOTION", "amount": None}]
    assert analyse(one).total_cost == 4


@pytest.mark.parametrize("package", ["duckdb", "sqlglot"])
def test_a_missing_package_is_named_with_its_extra(
    write: Write, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    named = write(row())
    translated.cache_clear()
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingDependencyError, match=rf"{package}.*genesis-performance\[cost\]"):
        analyse_file(named)
