"""Every query is one statement of BigQuery's dialect, and runs on DuckDB as well."""

from __future__ import annotations

import re

import pytest
import sqlglot
from sqlglot import exp

from genesis_performance.cost.export import QUERIES, BillingExport, translated
from genesis_performance.cost.source import billing_source

from .conftest import Write, row

NAMES = sorted(path.stem for path in QUERIES.glob("*.sql"))
PARAMETERS = {"month": "202610", "previous": "202609", "service": "Cloud Run"}


@pytest.mark.parametrize("name", NAMES)
def test_it_is_one_statement_of_bigquery_over_cost_fact(name: str) -> None:
    text = (QUERIES / f"{name}.sql").read_text(encoding="utf-8")
    statements = sqlglot.parse(text, read="bigquery")
    assert len(statements) == 1
    assert statements[0] is not None
    tables = {table.name for table in statements[0].find_all(exp.Table) if table.name}
    assert tables <= {"cost_fact", "f"}
    assert text.startswith("-- "), "the first line says what it is for"


@pytest.mark.parametrize("name", NAMES)
def test_no_division_and_no_number_of_lower_precision(name: str) -> None:
    text = (QUERIES / f"{name}.sql").read_text(encoding="utf-8")
    code = "\n".join(line for line in text.splitlines() if not line.startswith("--"))
    assert not re.search(r"FLOAT|CAST|ROUND|(?<!')/(?! ')", code)


@pytest.mark.parametrize("name", NAMES)
def test_it_runs_on_duckdb(write: Write, name: str) -> None:
    text = (QUERIES / f"{name}.sql").read_text(encoding="utf-8")
    wanted = {key: value for key, value in PARAMETERS.items() if f"@{key}" in text}
    assert "@" not in translated(name)
    with BillingExport(billing_source(write(row("1", [("PROMOTION", "-1")], sku="Commitment v1")))) as export:
        export.keep(["202610"])
        assert export.query(name, **wanted)
