"""Prices, release v3: the reduced rate of v2, the tax key again once a checkout and through the cache."""

from __future__ import annotations

from collections.abc import Sequence

from genesis_performance.demo.shop.database import Line
from genesis_performance.secrets import OptimizedSecretManager

REDUCED_PERCENT = 7


def total_cents(lines: Sequence[Line], secrets: OptimizedSecretManager) -> int:
    rate = int(secrets.get_secret_sync("tax-key").rpartition(":")[2])
    return sum(line.net_cents * (100 + (REDUCED_PERCENT if line.is_food else rate)) // 100 for line in lines)
