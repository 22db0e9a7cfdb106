"""Prices, release v1: the tax key is read once a checkout, through the process's cache."""

from __future__ import annotations

from collections.abc import Sequence

from genesis_performance.demo.shop.database import Line
from genesis_performance.secrets import OptimizedSecretManager


def total_cents(lines: Sequence[Line], secrets: OptimizedSecretManager) -> int:
    rate = int(secrets.get_secret_sync("tax-key").rpartition(":")[2])
    return sum(line.net_cents * (100 + rate) // 100 for line in lines)
