"""What the rules of the cost part look at: one month of a bill, in dollars."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from ..model.money import Money


@dataclass(frozen=True, slots=True, kw_only=True)
class BillLine:
    """Usage of one SKU in one project."""

    service: str
    sku: str
    project: str
    gross: Money
    credits: Money  # negative or zero
    usage_amount: Decimal | None = None
    usage_unit: str = ""
    is_unused_reservation: bool = False

    @property
    def net(self) -> Money:
        return self.gross + self.credits


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """One invoice month. Only usage: tax, adjustments and rounding are nobody's saving."""

    invoice_month: str
    source: str
    lines: tuple[BillLine, ...]
    commitment_lines: tuple[BillLine, ...] = ()  # fees, and the credits that use gives back on them
