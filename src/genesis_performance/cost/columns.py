"""How the columns of an export become those of ``cost_fact``, whatever shape the export has.

BigQuery exports nested Parquet and JSON, Google's flattened CSV sample has every struct as JSON text and as
columns of its own (``service_description``). Each fact is looked for in each of these shapes. Numbers go
through text, so that a cost keeps the digits that the export printed.

Source: https://cloud.google.com/billing/docs/how-to/export-data-bigquery-tables/detailed-usage
"""

# ruff: noqa: S608 - the SQL put together here holds names of ours, nothing else
from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

UNUSED_RESERVATION = "compute.googleapis.com/is_unused_reservation"

TEXTS = {
    "invoice_month": ("invoice", "month"),
    "cost_type": ("cost_type",),
    "service_id": ("service", "id"),
    "service": ("service", "description"),
    "sku": ("sku", "description"),
    "project_id": ("project", "id"),
    "pricing_unit": ("usage", "pricing_unit"),
    "currency": ("currency",),
    "usage_start": ("usage_start_time",),
    "usage_text": ("usage", "amount_in_pricing_units"),
    "rate_text": ("currency_conversion_rate",),
    "cost_text": ("cost",),
}
"""Column of the fact to its path in Google's schema."""

REQUIRED = ("invoice_month", "service", "currency", "cost_text")

_CREDIT = '[{"type": "VARCHAR", "amount": "VARCHAR"}]'
_LABEL = '[{"key": "VARCHAR", "value": "VARCHAR"}]'

Binds = Callable[[str], bool]
"""Whether an expression makes sense over the rows that were read."""


@dataclass(frozen=True, slots=True)
class Normaliser:
    """The SELECT that makes facts of rows, and the facts for which the rows have no column."""

    select: str
    missing: tuple[str, ...]


def normaliser(relation: str, binds: Binds, *, is_json: bool) -> Normaliser:
    """Look for every fact.

    Args:
        is_json: each row is one JSON object in the column ``json``.
    """
    shape = _Json() if is_json else _Columns(binds)
    texts = {name: shape.text(path) for name, path in TEXTS.items()}
    missing = tuple(".".join(TEXTS[name]) for name in REQUIRED if texts[name] is None)
    columns = [f"{texts[name] or 'NULL::VARCHAR'} AS {name}" for name in TEXTS]
    credit_list, unused = shape.credits(), shape.unused_reservation()
    select = f"""
        WITH texts AS (
            SELECT {", ".join(columns)}, {credit_list} AS credit_texts, {unused} AS is_unused_reservation
            FROM {relation}
        ), facts AS (
            SELECT
                invoice_month, cost_type, service_id, service, sku, project_id, pricing_unit,
                upper(currency) AS currency, substr(usage_start, 1, 10) AS usage_date,
                COALESCE(is_unused_reservation, FALSE) AS is_unused_reservation,
                TRY_CAST(usage_text AS DECIMAL(38, 9)) AS usage_amount,
                TRY_CAST(rate_text AS DECIMAL(38, 18)) AS rate,
                TRY_CAST(cost_text AS DECIMAL(38, 9)) AS cost, cost_text,
                credit_texts IS NULL AS has_unreadable_credits,
                list_transform(COALESCE(credit_texts, []), lambda c: {{
                    'type': c.type, 'amount': TRY_CAST(c.amount AS DECIMAL(38, 9))
                }}) AS credits
            FROM texts
        )
        SELECT *, COALESCE(list_sum(list_transform(credits, lambda c: c.amount)), 0)::DECIMAL(38, 9)
            AS credit_total
        FROM facts"""
    return Normaliser(select, missing)


class _Json:
    """Rows that are JSON objects, nested or flat."""

    def text(self, path: tuple[str, ...]) -> str | None:
        names = dict.fromkeys((".".join(path), "_".join(path)))
        return _first(f"json->>'$.{name}'" for name in names)

    def credits(self) -> str:
        return _parsed("json->'$.credits'", _CREDIT)

    def unused_reservation(self) -> str:
        return _has_label(_parsed("json->'$.system_labels'", _LABEL))


class _Columns:
    """Rows with columns: structs, JSON text, or flattened."""

    def __init__(self, binds: Binds) -> None:
        self._binds = binds

    def text(self, path: tuple[str, ...]) -> str | None:
        flat, root = f'"{"_".join(path)}"', f'"{path[0]}"'
        found = []
        if self._binds(f"CAST({flat} AS VARCHAR)"):
            found.append(f"CAST({flat} AS VARCHAR)")
        if len(path) > 1:
            nested = f'{root}."{path[1]}"'
            if self._binds(nested):
                found.append(f"CAST({nested} AS VARCHAR)")
            elif self._binds(f"json_extract_string({root}, '$')"):
                found.append(f"TRY(json_extract_string({root}, '$.{path[1]}'))")
        return _first(found) if found else None

    def credits(self) -> str:
        for kind in ("c.type", "NULL::VARCHAR"):
            listed = (
                f"list_transform(COALESCE(\"credits\", []), lambda c: {{'type': {kind}, "
                "'amount': CAST(c.amount AS VARCHAR)})"
            )
            if self._binds(listed):
                return listed
        parsed = _parsed('"credits"', _CREDIT)
        if self._binds(parsed):
            return parsed
        for kind in ('CAST("credits_type" AS VARCHAR)', "NULL::VARCHAR"):
            flat = (
                "CASE WHEN NULLIF(CAST(\"credits_amount\" AS VARCHAR), '') IS NULL THEN [] ELSE "
                f"[{{'type': {kind}, 'amount': CAST(\"credits_amount\" AS VARCHAR)}}] END"
            )
            if self._binds(flat):
                return flat
        return '[]::STRUCT("type" VARCHAR, amount VARCHAR)[]'

    def unused_reservation(self) -> str:
        candidates = (
            _has_label('"system_labels"'),
            _has_label(_parsed('"system_labels"', _LABEL)),
            f"\"system_labels_key\" = '{UNUSED_RESERVATION}' AND \"system_labels_value\" = 'true'",
        )
        return next((c for c in candidates if self._binds(c)), "FALSE")


def _first(expressions: Iterable[str]) -> str:
    """The first that is neither NULL nor empty."""
    filled = [f"NULLIF(trim({expression}), '')" for expression in expressions]
    return f"COALESCE({', '.join([*filled, 'NULL'])})"


def _parsed(text: str, structure: str) -> str:
    """A list of structs out of JSON text; empty where there is none, NULL where it can not be read."""
    plain = f"NULLIF(trim(CAST({text} AS VARCHAR)), '')"
    return (
        f"CASE WHEN {plain} IS NULL OR {plain} = 'null' THEN [] "
        f"ELSE TRY(from_json(CAST({plain} AS JSON), '{structure}')) END"
    )


def _has_label(labels: str) -> str:
    return f"len(list_filter({labels}, lambda l: l.key = '{UNUSED_RESERVATION}' AND l.value = 'true')) > 0"
