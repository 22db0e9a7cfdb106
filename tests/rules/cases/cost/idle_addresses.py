"""Cases of the rule idle-addresses."""

from decimal import Decimal

from genesis_performance.cost.bill import Bill, BillLine
from genesis_performance.model.money import Money


def _bill(sku: str, credits_amount: str = "0") -> Bill:
    line = BillLine(
        service="Compute Engine",
        sku=sku,
        project="shop",
        gross=Money(Decimal("14.60")),
        credits=Money(Decimal(credits_amount)),
        usage_amount=Decimal(1460),
        usage_unit="hour",
    )
    return Bill(invoice_month="202610", source="export.csv", lines=(line,))


FIRES = _bill("Static Ip Charge", "-1.10")
QUIET = _bill("External IP Charge on a Standard VM")
