"""One invoice month of an export, analysed."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal, localcontext
from typing import Any

from ..errors import InvalidInputError, NoDataError
from ..model.advice import OptimizationRecommendation
from ..model.cost import CostAnalysis, CostLine
from ..model.money import Money
from ..rules import RuleReport, discover, run_rules
from .bill import Bill, BillLine
from .conversion import EXACT, USD, UsdSum, by_key, in_usd
from .export import BillingExport

COST_TYPES = frozenset({"regular", "tax", "adjustment", "rounding_error"})
CREDIT_TYPES = frozenset(
    {
        "COMMITTED_USAGE_DISCOUNT",
        "COMMITTED_USAGE_DISCOUNT_DOLLAR_BASE",
        "DISCOUNT",
        "FEE_UTILIZATION_OFFSET",
        "FREE_TIER",
        "PROMOTION",
        "RESELLER_MARGIN",
        "SUBSCRIPTION_BENEFIT",
        "SUSTAINED_USAGE_DISCOUNT",
    }
)
"""The types that Google documents; others are counted all the same, and reported.

Source: https://cloud.google.com/billing/docs/how-to/export-data-bigquery-tables/detailed-usage
"""

UNTYPED = "(no type)"

_MONTH = re.compile(r"(\d{4})-?(0[1-9]|1[0-2])")


def checked_month(month: str | None) -> str | None:
    """``YYYYMM`` of ``YYYYMM`` or ``YYYY-MM``.

    Raises:
        InvalidInputError: it is neither.
    """
    if month is None:
        return None
    match = _MONTH.fullmatch(month) if isinstance(month, str) and month.isascii() else None
    if match is None:
        raise InvalidInputError(f"month is {month!r}; it must be an invoice month, as in 202610 or 2026-10")
    return match[1] + match[2]


def chosen_month(export: BillingExport, month: str | None, counts: Mapping[str, int]) -> str:
    """The month asked for, or the newest of the export.

    Raises:
        NoDataError: the export does not have it.
    """
    known = [m for m in counts if _MONTH.fullmatch(m) and len(m) == 6]
    if not known:
        raise NoDataError(f"{export} has no row with an invoice month")
    if month is not None and month not in known:
        raise NoDataError(f"{export} has no rows of invoice month {month}; it has {', '.join(known)}")
    return month or max(known)


def month_before(month: str) -> str:
    year, number = int(month[:4]), int(month[4:])
    return f"{year - 1:04}12" if number == 1 else f"{year:04}{number - 1:02}"


def analyse(export: BillingExport, month: str | None, *, savings_threshold: Decimal) -> CostAnalysis:
    """Totals, lines, credits, recommendations and notes of one month (the newest by default)."""
    counts = export.months()
    month = chosen_month(export, month, counts)
    before = month_before(month)
    export.keep([month, before])
    totals = export.query("totals", month=month)
    total = in_usd(totals)
    bill = _bill(export, month)
    report = run_rules(discover(f"{__package__}.rules"), bill)
    worth, small = _worth_telling(report.recommendations, savings_threshold)
    credit_rows = export.query("credits_by_type", month=month)
    newest = max((row["newest_usage"] for row in totals if row["newest_usage"]), default="")
    previous = before if before in counts else None
    return CostAnalysis(
        invoice_month=month,
        total=total.money("net"),
        gross=total.money("gross"),
        credits=total.money("credits"),
        by_currency=_by_currency(totals),
        by_service=_lines(export, "by_service", month, previous, total=total),
        by_project=_lines(export, "by_project", month, previous, total=total),
        by_sku=_lines(export, "by_sku", month, previous, total=total),
        credits_by_type={
            key or UNTYPED: added.money("credits") for key, added in _sorted_keys(by_key(credit_rows))
        },
        recommendations=worth,
        row_count=sum(row["row_count"] for row in totals),
        newest_usage=newest,
        source=str(export),
        notes=(
            *export.notes,
            *_month_notes(month, newest, counts),
            *_type_notes(export.query("cost_types", month=month), credit_rows),
            *_rate_notes(total),
            *_rule_notes(report, small, savings_threshold),
        ),
    )


def _sorted_keys(sums: Mapping[str | None, UsdSum]) -> list[tuple[str, UsdSum]]:
    return sorted(((key or "", added) for key, added in sums.items()), key=lambda pair: pair[0])


def _by_currency(totals: Iterable[Mapping[str, Any]]) -> dict[str, Money]:
    amounts: dict[str, Decimal] = {}
    for row in totals:
        with localcontext(EXACT):
            amounts[row["currency"]] = (
                amounts.get(row["currency"], Decimal(0)) + row["gross"] + row["credits"]
            )
    return {currency: Money(amounts[currency], currency) for currency in sorted(amounts)}


def _lines(
    export: BillingExport, query: str, month: str, previous: str | None, *, total: UsdSum
) -> tuple[CostLine, ...]:
    """The lines of a dimension, dearest first; what was there a month ago and is gone stays, at zero."""
    rows = export.query(query, month=month, previous=previous or month)
    now = by_key(row for row in rows if row["invoice_month"] == month)
    then = by_key(row for row in rows if row["invoice_month"] == previous)
    net_total = total.net
    lines = []
    for key in now.keys() | then.keys():
        added = now.get(key, UsdSum())
        lines.append(
            CostLine(
                key=key,
                gross=added.money("gross"),
                credits=added.money("credits"),
                net=added.money("net"),
                share=float(added.net / net_total) if net_total else 0.0,
                previous=then.get(key, UsdSum()).money("net") if previous else None,
            )
        )
    return tuple(sorted(lines, key=lambda line: (-line.net.amount, line.key)))


def _bill(export: BillingExport, month: str) -> Bill:
    return Bill(
        invoice_month=month,
        source=str(export),
        lines=_bill_lines(export.query("bill_lines", month=month)),
        commitment_lines=_bill_lines(export.query("commitment_lines", month=month)),
    )


def _bill_lines(rows: Iterable[dict[str, Any]]) -> tuple[BillLine, ...]:
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    names = ("service", "sku", "project_id", "pricing_unit", "is_unused_reservation")
    for row in rows:
        groups.setdefault(tuple(row.get(name) for name in names), []).append(row)
    lines = []
    for (service, sku, project, unit, unused), group in groups.items():
        added = in_usd(group)
        usages = [row["usage_amount"] for row in group if row.get("usage_amount") is not None]
        lines.append(
            BillLine(
                service=service or "",
                sku=sku or "",
                project=project or "(no project)",
                gross=added.money("gross"),
                credits=added.money("credits"),
                usage_amount=sum(usages, Decimal(0)) if usages else None,
                usage_unit=unit or "",
                is_unused_reservation=bool(unused),
            )
        )
    return tuple(sorted(lines, key=lambda line: (line.service, line.sku, line.project)))


def _worth_telling(
    recommendations: Sequence[OptimizationRecommendation], threshold: Decimal
) -> tuple[tuple[OptimizationRecommendation, ...], int]:
    worth = [r for r in recommendations if r.saving is None or r.saving.expected.amount >= threshold]
    worth.sort(key=lambda r: (-r.saving.expected.amount if r.saving else Decimal(0), r.id))
    return tuple(worth), len(recommendations) - len(worth)


def _month_notes(month: str, newest: str, counts: Mapping[str, int]) -> list[str]:
    notes = []
    last = date(int(month[:4]), int(month[4:]), calendar.monthrange(int(month[:4]), int(month[4:]))[1])
    if newest < last.isoformat():
        notes.append(
            f"the newest usage in the export is of {newest or 'no known day'}: the month may not be complete"
        )
    nameless = sum(n for m, n in counts.items() if not (_MONTH.fullmatch(m) and len(m) == 6))
    if nameless:
        notes.append(f"{nameless} rows of the export have no invoice month and are in no total")
    return notes


def _type_notes(
    cost_rows: Iterable[Mapping[str, Any]], credit_rows: Iterable[Mapping[str, Any]]
) -> list[str]:
    notes = []
    cost_rows, credit_rows = list(cost_rows), list(credit_rows)
    for key, added in _sorted_keys(by_key(cost_rows)):
        rows = sum(row["row_count"] for row in cost_rows if (row["key"] or "") == key)
        if key == "tax":
            notes.append(f"{added.money('net')} of the total is tax ({rows} rows)")
        elif key not in COST_TYPES:
            notes.append(
                f"{rows} rows have the unknown cost type {key or UNTYPED!r}; they are in the total with "
                f"{added.money('net')}"
            )
    for key, added in _sorted_keys(by_key(credit_rows)):
        count = sum(row["credit_count"] for row in credit_rows if (row["key"] or "") == key)
        if key not in CREDIT_TYPES:
            notes.append(
                f"{count} credits have the unknown type {key or UNTYPED!r}; they are in the total with "
                f"{added.money('credits')}"
            )
    return notes


def _rate_notes(total: UsdSum) -> list[str]:
    return [
        f"{Money(amount, currency)} have no conversion rate and are in no {USD} total"
        for currency, amount in sorted(total.unconverted.items())
    ]


def _rule_notes(report: RuleReport, small: int, threshold: Decimal) -> list[str]:
    notes = [f"rule {skipped.rule} did not look: {skipped.reason}" for skipped in report.skipped]
    if small:
        notes.append(
            f"{small} recommendations save less than cost_optimization.savings_threshold, {threshold} {USD}"
        )
    return notes
