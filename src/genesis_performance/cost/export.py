"""A billing export as facts: read the files, normalise them once, run queries over them.

Every query is a file in ``queries/`` in BigQuery's dialect over the table ``cost_fact``; sqlglot translates
it for DuckDB. Sums come by currency and conversion rate: amounts of different currencies never meet in SQL.
"""

# ruff: noqa: S608 - the SQL put together here holds names of ours and quoted file names, nothing else
from __future__ import annotations

import glob
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ..errors import InvalidInputError, MissingDependencyError, NoDataError
from .columns import normaliser
from .source import BillingSource

QUERIES = Path(__file__).parent / "queries"

Row = Mapping[str, Any]

_READERS = {
    "csv": "read_csv({files}, all_varchar = true, header = true, delim = ',', union_by_name = true)",
    "json": "read_json_objects({files}, format = 'auto')",
    "parquet": "read_parquet({files}, union_by_name = true)",
}


class BillingExport:
    """One export, opened for one analysis; one connection, used by one thread."""

    def __init__(self, source: BillingSource) -> None:
        self._source = source
        self._open = ExitStack()
        self._db: Any = None
        self.notes: list[str] = []  # what a reader must know of the shape of the export

    def __enter__(self) -> Self:
        duckdb = _duckdb()
        with ExitStack() as opening:  # an error in here closes what is open already
            scratch = opening.enter_context(tempfile.TemporaryDirectory(prefix="genesis-cost-"))
            self._db = opening.enter_context(duckdb.connect())
            self._prepare(scratch)
            self._open = opening.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def __str__(self) -> str:
        return str(self._source)

    def months(self) -> dict[str, int]:
        """Invoice month to number of rows, what is no month included.

        Raises:
            NoDataError: the export has no rows.
        """
        found = {row["invoice_month"] or "(none)": row["row_count"] for row in self.query("months")}
        if not found:
            raise NoDataError(f"{self._source} has no rows")
        return dict(sorted(found.items()))

    def keep(self, months: Iterable[str]) -> None:
        """Read these months into memory; queries then see only them.

        Raises:
            InvalidInputError: a row of theirs has a cost or a credit that is no number.
        """
        listed = ", ".join(_text(month) for month in months)
        wanted = f"FROM every_fact WHERE invoice_month IN ({listed})"
        self._run(f"CREATE TABLE kept AS SELECT * EXCLUDE (cost_text) {wanted}")
        self._run("CREATE OR REPLACE VIEW cost_fact AS SELECT * FROM kept")
        self._check(
            "cost IS NULL", "a cost", f"(SELECT min(COALESCE(cost_text, '')) {wanted} AND cost IS NULL)"
        )
        self._check(
            "has_unreadable_credits OR len(list_filter(credits, lambda c: c.amount IS NULL)) > 0",
            "credits",
            "min(COALESCE(sku, service, ''))",
        )
        self._check("currency IS NULL", "a currency", "min(COALESCE(sku, service, ''))")

    def query(self, name: str, **parameters: str) -> list[dict[str, Any]]:
        """Run ``queries/<name>.sql``."""
        return self._run(translated(name), parameters)

    def _prepare(self, scratch: str) -> None:
        self._run(f"SET temp_directory = {_text(scratch)}")
        self._run("SET TimeZone = 'UTC'")
        parts = [self._normalised(kind, files) for kind, files in self._source.files.items()]
        together = " UNION ALL BY NAME ".join(f"SELECT * FROM ({part})" for part in parts)
        self._run(f"CREATE VIEW every_fact AS {together}")
        self._run("CREATE VIEW cost_fact AS SELECT * FROM every_fact")

    def _normalised(self, kind: str, files: Iterable[Path]) -> str:
        # The names were resolved already; a bracket in one must not become a pattern again.
        listed = ", ".join(_text(glob.escape(str(path))) for path in files)
        relation = f"raw_{kind}"
        self._run(f"CREATE VIEW {relation} AS SELECT * FROM {_READERS[kind].format(files=f'[{listed}]')}")

        def type_of(expression: str) -> str | None:
            try:
                cursor = self._db.execute(f"SELECT {expression} FROM {relation} LIMIT 0")
            except _duckdb().Error:
                return None
            return str(cursor.description[0][1])

        made = normaliser(relation, type_of, is_json=kind == "json")
        if made.missing:
            raise InvalidInputError(
                f"{self._source} is no Cloud Billing export: it has no column for {', '.join(made.missing)}"
            )
        self.notes.extend(made.notes)
        return made.select

    def _check(self, condition: str, what: str, example: str) -> None:
        row = self._run(f"SELECT count(*) AS n, {example} AS example FROM kept WHERE {condition}")[0]
        if row["n"]:
            raise InvalidInputError(
                f"{self._source}: {row['n']} rows have {what} that can not be read, "
                f"for example {row['example']!r}; no total would be right"
            )

    def _run(self, sql: str, parameters: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
        try:
            cursor = self._db.execute(sql, parameters or None)
            names = [column[0] for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        except _duckdb().Error as error:
            reason = str(error).strip().partition("\n")[0]
            raise InvalidInputError(f"{self._source} can not be read: {reason}") from error


@cache
def translated(name: str) -> str:
    """The query called ``name`` in DuckDB's dialect."""
    try:
        import sqlglot
    except ImportError:
        raise _missing("sqlglot") from None
    text = (QUERIES / f"{name}.sql").read_text(encoding="utf-8")
    return str(sqlglot.transpile(text, read="bigquery", write="duckdb")[0])


def _duckdb() -> Any:
    try:
        import duckdb
    except ImportError:
        raise _missing("duckdb") from None
    return duckdb


def _missing(package: str) -> MissingDependencyError:
    return MissingDependencyError(
        f"reading a billing export needs {package}: pip install 'genesis-performance[cost]'"
    )


def _text(value: str) -> str:
    """A string literal of SQL."""
    return "'" + value.replace("'", "''") + "'"
