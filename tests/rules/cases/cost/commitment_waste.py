"""Cases of the rule commitment-waste."""

from decimal import Decimal

from genesis_performance.cost.bill import Bill, BillLine
from genesis_performance.model.money import Money


def _bill(given_back: str) -> Bill:
    fee = BillLine(
        service="Compute Engine",
        sku="Commitment - dollar based v1: GCE for 1 year",
        project="shop",
        gross=Money(Decimal(1000)),
        credits=Money(Decimal(given_back)),
    )
    return Bill(invoice_month="202610", source="export.csv", lines=(), commitment_lines=(fee,))


FIRES = _bill("-700")
QUIET = _bill("-980")
