"""Exports written for one test, in each of the shapes that exports come in."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from genesis_performance import config, gcp
from genesis_performance.config.loading import VARIABLES
from genesis_performance.cost import CostOptimizationMonitor
from genesis_performance.gcp import project

SHARED = (
    Path(os.environ.get("GENESIS_TEST_DATA") or Path(__file__).parents[3] / "shared" / "data")
    / "cost/billing"
)
"""Third-party exports; tests that need them are skipped where they are not."""

Write = Callable[..., str]


@pytest.fixture(autouse=True)
def own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    for variable in (*VARIABLES, "GENESIS_PERF_CONFIG"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)
    config.reset()
    yield
    gcp.close_all()
    project.reset()
    config.reset()


def row(cost: str = "1.5", credited: Sequence[tuple[str | None, str]] = (), **more: Any) -> dict[str, Any]:
    """One row as Google nests it; amounts as text, so that they are exact."""
    values: dict[str, Any] = {
        "billing_account_id": "000000-000000-000000",
        "service": {"id": "152E-C115-5142", "description": more.pop("service", "Cloud Run")},
        "sku": {"id": "S", "description": more.pop("sku", "CPU")},
        "usage_start_time": more.pop("day", "2026-10-31") + " 08:00:00 UTC",
        "project": {"id": more.pop("project", "shop"), "name": "Shop"},
        "system_labels": [{"key": k, "value": v} for k, v in more.pop("system_labels", ())],
        "cost": cost,
        "currency": more.pop("currency", "USD"),
        "currency_conversion_rate": more.pop("rate", "1.0"),
        "usage": {"amount_in_pricing_units": "3", "pricing_unit": "hour"},
        "credits": [{"name": "n", "amount": amount, "type": kind} for kind, amount in credited],
        "invoice": {"month": more.pop("month", "202610")},
        "cost_type": more.pop("cost_type", "regular"),
    }
    assert not more, more
    return values


def write_jsonl(path: Path, rows: Sequence[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")
    return str(path)


def write_csv(path: Path, rows: Sequence[dict[str, Any]]) -> str:
    """As Google's sample: every struct as JSON text, and flattened beside it."""
    flat = [_flattened(one) for one in rows]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(_flattened(row())))
        writer.writeheader()
        writer.writerows(flat)
    return str(path)


def write_parquet(path: Path, rows: Sequence[dict[str, Any]]) -> str:
    """Nested, and with floating-point amounts, as BigQuery extracts it."""
    source = write_jsonl(path.with_suffix(".tmp.jsonl"), rows)
    with duckdb.connect() as db:
        db.execute(
            f"""COPY (
                SELECT service, sku, usage_start_time, project, system_labels, cost::DOUBLE AS cost, currency,
                    currency_conversion_rate::DOUBLE AS currency_conversion_rate, usage, invoice, cost_type,
                    list_transform(credits, lambda c: {{
                        'name': c.name, 'amount': c.amount::DOUBLE, 'type': c.type
                    }}) AS credits
                FROM read_json('{source}', columns = {{
                    service: 'STRUCT(id VARCHAR, description VARCHAR)',
                    sku: 'STRUCT(id VARCHAR, description VARCHAR)', usage_start_time: 'TIMESTAMPTZ',
                    project: 'STRUCT(id VARCHAR, "name" VARCHAR)',
                    system_labels: 'STRUCT("key" VARCHAR, "value" VARCHAR)[]', cost: 'VARCHAR',
                    currency: 'VARCHAR', currency_conversion_rate: 'VARCHAR',
                    usage: 'STRUCT(amount_in_pricing_units DOUBLE, pricing_unit VARCHAR)',
                    invoice: 'STRUCT("month" VARCHAR)', cost_type: 'VARCHAR',
                    credits: 'STRUCT("name" VARCHAR, amount VARCHAR, "type" VARCHAR)[]'
                }})
            ) TO '{path}' (FORMAT parquet)"""
        )
    Path(source).unlink()
    return str(path)


WRITERS: dict[str, Callable[[Path, Sequence[dict[str, Any]]], str]] = {
    "csv": write_csv,
    "jsonl": write_jsonl,
    "parquet": write_parquet,
}


def _flattened(nested: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in nested.items():
        if isinstance(value, dict):
            flat[name] = json.dumps(value)
            flat |= {f"{name}_{key}": inner for key, inner in value.items()}
        elif isinstance(value, list):
            flat[name] = json.dumps(value)
        else:
            flat[name] = value
    return flat


def usd(amount: str, rate: str) -> Decimal:
    return Decimal(amount) / Decimal(rate)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(*rows: dict[str, Any], kind: str = "jsonl", name: str = "export") -> str:
        return WRITERS[kind](tmp_path / f"{name}.{kind}", rows)

    return write


@pytest.fixture
def analyse(write: Write) -> Callable[..., Any]:
    def analyse(*rows: dict[str, Any], month: str | None = None, kind: str = "jsonl") -> Any:
        return CostOptimizationMonitor(billing_export=write(*rows, kind=kind)).analyze_monthly_costs_sync(
            month
        )

    return analyse
