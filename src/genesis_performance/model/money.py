"""Money: an exact amount and its currency; amounts of different currencies never mix."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """An exact amount in one currency.

    Args:
        amount: decimal, never a float: bills add up to the last digit.
        currency: ISO 4217 code, for example ``"USD"``.
    """

    amount: Decimal
    currency: str = "USD"

    def __add__(self, other: Money) -> Money:
        return Money(self.amount + self._same(other).amount, self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.amount - self._same(other).amount, self.currency)

    def __mul__(self, factor: Decimal | int) -> Money:
        return Money(self.amount * factor, self.currency)

    def __neg__(self) -> Money:
        return Money(-self.amount, self.currency)

    def __lt__(self, other: Money) -> bool:
        return self.amount < self._same(other).amount

    def __le__(self, other: Money) -> bool:
        return self.amount <= self._same(other).amount

    def __float__(self) -> float:
        return float(self.amount)

    def __format__(self, spec: str) -> str:
        """``f"{cost:.2f}"`` formats the amount; an empty spec adds the currency."""
        return format(self.amount, spec) if spec else str(self)

    def __str__(self) -> str:
        return f"{self.amount:,.2f} {self.currency}"

    def _same(self, other: Money) -> Money:
        if other.currency != self.currency:
            raise ValueError(f"{self.currency} and {other.currency} do not add up without a conversion rate")
        return other
