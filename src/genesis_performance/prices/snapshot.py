"""The dated list prices that ship with the package, one JSON file a service.

Each file says where and when its prices were read. A price list prints lots ("0.03 per 10,000"); the
files repeat that as ``price`` and ``per``, and everything else works with the price of one unit. What
is not in the files has no price: asking for it is an error, never 0.00.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from datetime import date
from decimal import Decimal, localcontext
from functools import cache
from pathlib import Path
from typing import Any

from ..errors import UnknownNameError
from ..model.money import Money
from .price import EXACT, Price, PriceTier

HERE = Path(__file__).parent


def unit_price(key: str, *, region: str | None = None) -> Price:
    """The price called ``key``.

    Args:
        region: for prices that depend on it, for example ``"europe-west3"``; None is the price of
            the cheapest regions (tier 1, ``us-central1``).

    Raises:
        UnknownNameError: no such price, or no price for that region.
    """
    entries = _entries()
    if key not in entries:
        near = difflib.get_close_matches(str(key), entries, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(entries))}"
        raise UnknownNameError(f"no list price is called {key!r}; {hint}")
    document, entry = entries[key]
    return _price(key, document, entry, region)


def cost_of(key: str, amount: Decimal | float, *, free_tier: bool = True, region: str | None = None) -> Money:
    """Cost of ``amount`` units of ``key`` in one month, tiers and free tier applied."""
    return unit_price(key, region=region).cost(amount, free_tier=free_tier)


def known_prices() -> tuple[str, ...]:
    """Every key that ``unit_price`` knows."""
    return tuple(sorted(_entries()))


@cache
def _entries() -> Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]]:
    entries = {}
    for path in sorted(HERE.glob("*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        for key, entry in document["prices"].items():
            entries[key] = (document, entry)
    return entries


def _price(key: str, document: Mapping[str, Any], entry: Mapping[str, Any], region: str | None) -> Price:
    lot = Decimal(entry.get("per", "1"))
    first = Decimal(entry["price"])
    regional = "tier_2_price" in entry
    if regional and region is not None and _region_tier(document, region) == 2:
        first = Decimal(entry["tier_2_price"])
    free = entry.get("free", {})
    with localcontext(EXACT):
        later = [PriceTier(Decimal(t["start"]), Decimal(t["price"]) / lot) for t in entry.get("tiers", ())]
        free_amount = Decimal(free.get("amount", "0"))
        return Price(
            key=key,
            amount=first / lot,
            unit=entry["unit"],
            currency=document["currency"],
            service=document["service"],
            source=document["source"],
            as_of=date.fromisoformat(document["as_of"]),
            region=region if regional else None,
            free_tier_amount=free_amount,
            free_tier_scope=free.get("scope", ""),
            free_tier_spend=free_amount * Decimal(entry["price"]) / lot if free.get("as_spend") else None,
            tiers=(PriceTier(Decimal(0), first / lot), *later),
            note=entry.get("note", ""),
        )


def _region_tier(document: Mapping[str, Any], region: str) -> int:
    tiers: Mapping[str, int] = document["region_tiers"]
    if region not in tiers:
        raise UnknownNameError(
            f"no {document['service']} price is known for region {region!r}; "
            f"known are {', '.join(sorted(tiers))}"
        )
    return tiers[region]
