"""Sums of a bill in US dollars, each by the conversion rate of its own rows.

``currency_conversion_rate`` is units of the billed currency for one dollar. Rows of one currency and rate are
added up exactly first and divided once, so that the result does not depend on the order of the rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Context, Decimal, localcontext
from typing import Any

from ..model.money import Money

USD = "USD"
EXACT = Context(prec=80)
DIGITS = Decimal("1e-9")  # of BigQuery's NUMERIC, in which the bill is kept


@dataclass(slots=True)
class UsdSum:
    """Gross and credits in dollars; what has no rate stays in its currency."""

    gross: Decimal = Decimal(0)
    credits: Decimal = Decimal(0)
    unconverted: dict[str, Decimal] = field(default_factory=dict)

    def add(self, row: Mapping[str, Any]) -> None:
        gross, credited = row.get("gross") or Decimal(0), row.get("credits") or Decimal(0)
        rate, currency = row["rate"], row["currency"]
        if rate is None or rate <= 0:
            if currency != USD:
                self.unconverted[currency] = self.unconverted.get(currency, Decimal(0)) + gross + credited
                return
            rate = Decimal(1)
        with localcontext(EXACT):
            self.gross += gross / rate
            self.credits += credited / rate

    @property
    def net(self) -> Decimal:
        with localcontext(EXACT):
            return self.gross + self.credits

    def money(self, name: str) -> Money:
        """``"gross"``, ``"credits"`` or ``"net"``, to the ninth digit."""
        with localcontext(EXACT):
            return Money(Decimal(getattr(self, name)).quantize(DIGITS), USD)


def in_usd(rows: Iterable[Mapping[str, Any]]) -> UsdSum:
    """The sum of these rows."""
    total = UsdSum()
    for row in rows:
        total.add(row)
    return total


def by_key(rows: Iterable[Mapping[str, Any]], key: str = "key") -> dict[Any, UsdSum]:
    """The sum of the rows of each key."""
    sums: dict[Any, UsdSum] = {}
    for row in rows:
        sums.setdefault(row[key], UsdSum()).add(row)
    return sums
