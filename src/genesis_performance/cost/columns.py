"""How the columns of an export become those of ``cost_fact``, whatever shape the export has.

BigQuery exports nested Parquet and JSON, Google's flattened CSV sample has every struct as JSON text and as
columns of its own (``service_description``). Each fact is looked for in each of these shapes. A cost keeps
the digits that the export printed, floating-point columns included.

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
    "cost_text": ("cost",),  # only for the message when it is no number
}
"""Column of the fact to its path in Google's schema."""

NUMBERS = {
    "cost": (("cost",), 9),
    "usage_amount": (("usage", "amount_in_pricing_units"), 9),
    "rate": (("currency_conversion_rate",), 18),
}
"""Column of the fact to its path and its digits after the point."""

REQUIRED = ("invoice_month", "service", "currency", "cost_text")

FLAT_CREDITS = "credits come flattened: a row with several of them may be in the totals more than once"

_CREDIT = '[{"type": "VARCHAR", "amount": "VARCHAR"}]'
_LABEL = '[{"key": "VARCHAR", "value": "VARCHAR"}]'

TypeOf = Callable[[str], str | None]
"""The type of an expression over the rows that were read, None where it makes no sense."""


@dataclass(frozen=True, slots=True)
class Normaliser:
    """The SELECT that makes facts of rows, and the facts for which the rows have no column."""

    select: str
    missing: tuple[str, ...]
    notes: tuple[str, ...] = ()


def normaliser(relation: str, type_of: TypeOf, *, is_json: bool) -> Normaliser:
    """Look for every fact.

    Args:
        is_json: each row is one JSON object in the column ``json``.
    """
    shape = _Json() if is_json else _Columns(type_of)
    texts = {name: shape.text(path) for name, path in TEXTS.items()}
    missing = tuple(".".join(TEXTS[name]) for name in REQUIRED if texts[name] is None)
    columns = [f"{expression or 'NULL::VARCHAR'} AS {name}" for name, expression in texts.items()]
    columns += [f"{shape.number(path, digits)} AS {name}" for name, (path, digits) in NUMBERS.items()]
    credit_list = shape.credits()
    select = f"""
        WITH read AS (
            SELECT {", ".join(columns)}, {credit_list} AS credit_list,
                COALESCE({shape.unused_reservation()}, FALSE) AS is_unused_reservation
            FROM {relation}
        )
        SELECT
            invoice_month, cost_type, service_id, service, sku, project_id, pricing_unit, cost_text, cost,
            rate, usage_amount, is_unused_reservation,
            upper(currency) AS currency,
            substr(usage_start, 1, 10) AS usage_date,
            credit_list IS NULL AS has_unreadable_credits,
            COALESCE(credit_list, []) AS credits,
            COALESCE(list_sum(list_transform(credit_list, lambda c: c.amount)), 0)::DECIMAL(38, 9)
                AS credit_total
        FROM read"""
    notes = (FLAT_CREDITS,) if "credits_amount" in credit_list else ()
    return Normaliser(select, missing, notes)


class _Json:
    """Rows that are JSON objects, nested or flat."""

    def text(self, path: tuple[str, ...]) -> str | None:
        names = dict.fromkeys((".".join(path), "_".join(path)))
        return _first(f"json->>'$.{name}'" for name in names)

    def number(self, path: tuple[str, ...], digits: int) -> str:
        return _decimal(self.text(path) or "NULL", digits)

    def credits(self) -> str:
        return _credits(_parsed("json->'$.credits'", _CREDIT))

    def unused_reservation(self) -> str:
        return _has_label(_parsed("json->'$.system_labels'", _LABEL))


class _Columns:
    """Rows with columns: structs, JSON text, or flattened."""

    def __init__(self, type_of: TypeOf) -> None:
        self._type_of = type_of

    def text(self, path: tuple[str, ...]) -> str | None:
        found = [f"CAST({column} AS VARCHAR)" for column in self._native(path)]
        root = f'"{path[0]}"'
        if len(path) > 1 and self._type_of(f"json_extract_string({root}, '$')"):
            found.append(f"TRY(json_extract_string({root}, '$.{path[1]}'))")
        return _first(found) if found else None

    def number(self, path: tuple[str, ...], digits: int) -> str:
        native = self._native(path)
        if native and self._type_of(native[0]) in _FLOATS:
            return _decimal_of_float(native[0], digits)
        return _decimal(self.text(path) or "NULL", digits)

    def credits(self) -> str:
        kind = "c.type" if self._type_of('"credits"[1]."type"') else "NULL::VARCHAR"
        amount_type = self._type_of('"credits"[1].amount')
        if amount_type:
            listed = _credits('COALESCE("credits", [])', kind=kind, is_float=amount_type in _FLOATS)
            if self._type_of(listed):
                return listed
        parsed = _credits(_parsed('"credits"', _CREDIT))
        if self._type_of(parsed):
            return parsed
        amount = 'CAST("credits_amount" AS VARCHAR)'
        if self._type_of(amount):
            kind = 'CAST("credits_type" AS VARCHAR)' if self._type_of('"credits_type"') else "NULL::VARCHAR"
            one = f"[{{'type': {kind}, 'amount': {amount}}}]"
            return _credits(f"CASE WHEN NULLIF(trim({amount}), '') IS NULL THEN [] ELSE {one} END")
        return '[]::STRUCT("type" VARCHAR, amount DECIMAL(38, 9))[]'

    def unused_reservation(self) -> str:
        candidates = (
            _has_label('"system_labels"'),
            _has_label(_parsed('"system_labels"', _LABEL)),
            f"\"system_labels_key\" = '{UNUSED_RESERVATION}' AND \"system_labels_value\" = 'true'",
        )
        return next((candidate for candidate in candidates if self._type_of(candidate)), "FALSE")

    def _native(self, path: tuple[str, ...]) -> list[str]:
        """The columns or struct fields that hold it."""
        names = dict.fromkeys(
            (f'"{"_".join(path)}"', f'"{".".join(path)}"', ".".join(f'"{p}"' for p in path))
        )
        return [name for name in names if self._type_of(name)]


_FLOATS = ("DOUBLE", "FLOAT")


def _first(expressions: Iterable[str]) -> str:
    """The first that is neither NULL nor empty."""
    filled = [f"NULLIF(trim({expression}), '')" for expression in expressions]
    return f"COALESCE({', '.join([*filled, 'NULL'])})"


def _decimal(text: str, digits: int) -> str:
    return f"TRY_CAST({text} AS DECIMAL(38, {digits}))"


def _decimal_of_float(number: str, digits: int) -> str:
    """As the number prints. Below a million the direct cast gives the same nine digits, far quicker."""
    printed = _decimal(f"CAST({number} AS VARCHAR)", digits)
    if digits > 9:
        return printed
    return f"CASE WHEN abs({number}) < 1000000 THEN {_decimal(number, digits)} ELSE {printed} END"


def _credits(listed: str, *, kind: str = "c.type", is_float: bool = False) -> str:
    """Credits with decimal amounts. One without an amount is nothing; one that is no number is NULL."""
    amount = "COALESCE(NULLIF(trim(CAST(c.amount AS VARCHAR)), ''), '0')"
    number = _decimal_of_float("COALESCE(c.amount, 0)", 9) if is_float else _decimal(amount, 9)
    return f"list_transform({listed}, lambda c: {{'type': {kind}, 'amount': {number}}})"


def _parsed(text: str, structure: str) -> str:
    """A list of structs out of JSON text; empty where there is none, NULL where it can not be read."""
    plain = f"NULLIF(trim(CAST({text} AS VARCHAR)), '')"
    return (
        f"CASE WHEN {plain} IS NULL OR {plain} = 'null' THEN [] "
        f"ELSE TRY(from_json(CAST({plain} AS JSON), '{structure}')) END"
    )


def _has_label(labels: str) -> str:
    return f"len(list_filter({labels}, lambda l: l.key = '{UNUSED_RESERVATION}' AND l.value = 'true')) > 0"
