"""One list price: how much a unit costs, from which amount on, and what is free."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Context, Decimal, localcontext

from ..errors import InvalidInputError
from ..model.money import Money

MAX_AGE_DAYS = 90  # a list price older than this may have changed

EXACT = Context(prec=60)
"""Wide enough that amounts times prices never round."""


@dataclass(frozen=True, slots=True)
class PriceTier:
    """Price of one unit from ``start`` units a month on."""

    start: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """The list price of one thing.

    Args:
        amount: money for ONE unit of the first tier, whatever lot size the price list prints.
        free_tier_amount: units a month that cost nothing; 0 means none.
        free_tier_spend: set where the free tier is a discount in money (Cloud Run: at tier 1 prices).
    """

    key: str
    amount: Decimal
    unit: str
    currency: str
    service: str
    source: str
    as_of: date
    region: str | None = None
    free_tier_amount: Decimal = Decimal(0)
    free_tier_scope: str = ""
    free_tier_spend: Decimal | None = None
    tiers: tuple[PriceTier, ...] = ()  # the first starts at 0
    note: str = ""

    @property
    def basis(self) -> str:
        """The price with its source and date, as a saving quotes it."""
        where = f" in {self.region}" if self.region else ""
        return (
            f"{self.key} {plain(self.amount)} {self.currency} per {self.unit}{where}, "
            f"{self.source}, as of {self.as_of.isoformat()}"
        )

    def notes(self, today: date | None = None) -> tuple[str, ...]:
        """What a reader must know before trusting the price."""
        age_days = ((today or datetime.now(UTC).date()) - self.as_of).days
        notes = [f"{self.key}: {self.note}"] if self.note else []
        if age_days > MAX_AGE_DAYS:
            notes.append(f"{self.key}: the price is {age_days} days old ({self.as_of.isoformat()})")
        return tuple(notes)

    def cost(self, amount: Decimal | float, *, free_tier: bool = True) -> Money:
        """Cost of ``amount`` units in one month.

        Args:
            free_tier: False where the account's free tier is used up by something else.

        Raises:
            InvalidInputError: the amount is negative or not a finite number.
        """
        units = exact(amount, f"amount of {self.key}")
        if units < 0:
            raise InvalidInputError(f"amount of {self.key} is {units}; it must not be negative")
        with localcontext(EXACT):
            if self.free_tier_spend is not None and free_tier:
                gross = self._between(Decimal(0), units)
                return Money(max(Decimal(0), gross - self.free_tier_spend), self.currency)
            free = self.free_tier_amount if free_tier else Decimal(0)
            return Money(self._between(min(free, units), units), self.currency)

    def _between(self, low: Decimal, high: Decimal) -> Decimal:
        """Price of the units from ``low`` to ``high``, tier by tier."""
        total = Decimal(0)
        ends = [tier.start for tier in self.tiers[1:]] + [high]
        for tier, end in zip(self.tiers, ends, strict=True):
            total += tier.amount * max(Decimal(0), min(end, high) - max(tier.start, low))
        return total


def exact(value: Decimal | float, what: str) -> Decimal:
    """A finite decimal; a float is taken as it prints."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise InvalidInputError(f"{what} is {value!r}; it must be a number")
    number = value if isinstance(value, Decimal) else Decimal(str(value))
    if not number.is_finite():
        raise InvalidInputError(f"{what} is {value!r}; it must be a finite number")
    return number


def plain(amount: Decimal) -> str:
    """Without exponent and without trailing zeros: ``0.000003``."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
