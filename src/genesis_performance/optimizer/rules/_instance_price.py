"""What CPU or memory of a Cloud Run service costs a month: metered instance time times the list price."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from ...errors import UnknownNameError
from ...model.advice import Saving
from ...model.money import Money
from ...prices import Price, unit_price
from ..facts import ServiceFacts

MONTH_S = 730 * 3600
"""Seconds of the month that Google's price pages reckon with."""


@dataclass(frozen=True, slots=True)
class InstanceTime:
    """The instance time of a month, and the price of what is shrunk."""

    seconds: Decimal  # billed instance seconds a month
    price: Price
    measured: str  # how the seconds were measured


def instance_time(facts: ServiceFacts, resource: str) -> InstanceTime | None:
    """None where an input is missing, or no price is known: then no money is put on the advice.

    Args:
        resource: ``"cpu"`` or ``"memory"``.
    """
    if facts.billable_instance_seconds is None or facts.window_s is None:
        return None
    mode = facts.billing_mode or "request"  # Cloud Run's default
    try:
        price = unit_price(f"run.{mode}.{resource}", region=facts.region)
    except UnknownNameError:
        return None
    seconds = Decimal(str(facts.billable_instance_seconds)) * MONTH_S / Decimal(str(facts.window_s))
    measured = (
        f"{facts.billable_instance_seconds:.0f} billed instance seconds in {facts.window_s:.0f} s, "
        f"extrapolated to a month of {MONTH_S} s"
    )
    return InstanceTime(seconds, price, measured)


def resize_saving(
    time: InstanceTime, old: float, new: float, *, stretch: float = 0.0, stretch_cost: Money | None = None
) -> Saving:
    """Saving of running the same instance time with ``new`` instead of ``old`` units.

    Low: the billed time grows by ``stretch``, because what used the freed units takes longer, which costs
    ``stretch_cost`` of something else. Expected: it stays. Both: the free tier applies to this service.
    High: other services use the free tier up.
    """
    before, after = Decimal(str(old)) * time.seconds, Decimal(str(new)) * time.seconds
    longer = after * (1 + Decimal(str(stretch)))
    cost = time.price.cost
    low = cost(before) - cost(longer)
    if stretch_cost is not None:
        low = low - stretch_cost
    expected = cost(before) - cost(after)
    high = cost(before, free_tier=False) - cost(after, free_tier=False)
    unit = time.price.unit.removesuffix("-second")
    return Saving(
        low=min(low, expected),
        expected=expected,
        high=max(high, expected),
        formula=(
            f"cost({old:g} {unit} x {time.seconds:.0f} s) - cost({new:g} {unit} x {time.seconds:.0f} s) "
            f"= {_cents(cost(before))} - {_cents(cost(after))} = {_cents(expected)} a month; "
            f"low: the time grows by {stretch:.1%}; high: no free tier left"
        ),
        basis=f"{time.measured}; {time.price.basis}",
    )


def _cents(money: Money) -> str:
    return f"{money.amount:.2f} {money.currency}"
