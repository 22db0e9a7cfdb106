"""Settings of the Secret Manager client."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from .section import NotNegative, Positive, PositiveInt, Section


class CacheStrategy(StrEnum):
    """Which entries stay when the cache is full, and when they are read again."""

    TTL = "ttl"
    LRU = "lru"
    LFU = "lfu"
    ADAPTIVE = "adaptive"


class SecretManagerSection(Section, frozen=True, kw_only=True):
    """How secret versions are cached.

    Args:
        cache_strategy: see CacheStrategy.
        cache_size: entries.
        cache_ttl_s: a value is served for at most this many seconds after its last successful check.
            0 reads each time.
        stale_if_error_s: seconds beyond that in which a transient error of Secret Manager still
            serves the value.
        background_optimization: refresh used entries before they run out.
        max_concurrency: calls in flight of one batch.
        timeout_s: deadline of one read, retries included.
    """

    NAME: ClassVar[str] = "secret_manager"

    cache_strategy: CacheStrategy = CacheStrategy.ADAPTIVE
    cache_size: PositiveInt = 1000
    cache_ttl_s: NotNegative = 300.0
    stale_if_error_s: NotNegative = 0.0
    background_optimization: bool = True
    max_concurrency: PositiveInt = 16
    timeout_s: Positive = 10.0
