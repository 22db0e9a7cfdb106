"""Prices, release v2: food has a reduced rate, and "the tax key must always be fresh".

The planted fault: every line item asks Secret Manager again.
"""

from __future__ import annotations

from collections.abc import Sequence

from genesis_performance.demo.shop.database import Line
from genesis_performance.secrets import OptimizedSecretManager

REDUCED_PERCENT = 7

always_fresh = OptimizedSecretManager(cache_ttl_s=0)


def total_cents(lines: Sequence[Line], secrets: OptimizedSecretManager) -> int:
    return sum(line.net_cents * (100 + tax_percent(line)) // 100 for line in lines)


def tax_percent(line: Line) -> int:
    key = always_fresh.get_secret_sync("tax-key")
    return REDUCED_PERCENT if line.is_food else int(key.rpartition(":")[2])
