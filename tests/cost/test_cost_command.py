"""``genesis-perf cost`` prints what the analysis says, in a hundred columns or as JSON."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from click.testing import CliRunner

from genesis_performance.cli.cost import command
from genesis_performance.errors import ConfigurationError

from .conftest import Write, row


def run(*arguments: str) -> str:
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_the_tables_fit_a_hundred_columns_and_no_text_of_the_bill_steers_the_terminal(write: Write) -> None:
    rows = (
        row("1234.5", sku="Static Ip Charge " + "x" * 200, service="\x1b[31mred[/] [bold]"),
        row("92", currency="EUR", rate="0.92"),
    )
    output = run("analyze", "--export", write(*rows))
    assert max(map(len, output.splitlines())) <= 100
    assert "\x1b[31m" not in output
    assert "?[31mred[/] [bold]" in output
    assert "2026-10: 1,334.50 USD" in output
    assert "92.00 EUR" in output
    assert "saves 1,234.50 USD a month" in output


def test_json_has_exact_amounts(write: Write) -> None:
    analysis = json.loads(
        run("analyze", "--json", "--month", "2026-10", "--export", write(row("0.000000001")))
    )
    assert Decimal(analysis["total"]["amount"]) == Decimal("1e-9")


def test_long_tables_are_cut_and_can_be_shown_whole(write: Write) -> None:
    named = write(*(row("1", sku=f"SKU {n:02}") for n in range(20)))
    assert "and 8 more" in run("analyze", "--export", named)
    assert "SKU 19" in run("analyze", "--all", "--export", named)


def test_an_error_is_one_of_ours() -> None:
    with pytest.raises(ConfigurationError, match="billing_export"):
        run("analyze")


def test_a_budget_without_a_project_is_local(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENESIS_PERF_EMULATOR", "127.0.0.1:1")
    output = run("budget", "--service", "Cloud Run", "--amount", "10", "--threshold", "50")
    assert "local" in output
    assert "50 %  5.00 USD  (spent: unknown)" in output
    (alert,) = json.loads(
        run("budget", "--service", "Cloud Run", "--amount", "10", "--threshold", "50", "--json")
    )
    assert alert["threshold_amount"] == {"amount": "5.00", "currency": "USD"}
