"""Cases of the rule unused-reservations."""

from decimal import Decimal

from genesis_performance.cost.bill import Bill, BillLine
from genesis_performance.model.money import Money


def _bill(*, is_unused: bool) -> Bill:
    line = BillLine(
        service="Compute Engine",
        sku="N1 Predefined Instance Core",
        project="shop",
        gross=Money(Decimal("310.25")),
        credits=Money(Decimal(0)),
        is_unused_reservation=is_unused,
    )
    return Bill(invoice_month="202610", source="export.csv", lines=(line,))


FIRES = _bill(is_unused=True)
QUIET = _bill(is_unused=False)
