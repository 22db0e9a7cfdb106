"""Settings of the Secret Manager client."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from ..errors import ConfigurationError
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
        cache_strategy: which values leave when the cache is full; ``adaptive`` also sets how often each
            secret is read again, where ``max_staleness_s`` leaves room for that.
        cache_size: entries.
        cache_bytes: payloads, added up.
        cache_ttl_s: a value is served for at most this many seconds after its last successful check.
            0 reads each time.
        max_staleness_s: the same bound, wider than ``cache_ttl_s``: past that a value is served on while
            it is read again. Not set, ``cache_ttl_s`` is the bound.
        stale_if_error_s: seconds beyond the bound in which a transient error of Secret Manager still
            serves the value.
        safety_poll_s: the bound while notices of changes arrive (``notices_subscription``). Set it only
            where every secret that is read publishes notices; not set, notices do not widen the bound.
        notices_subscription: where Secret Manager's notices arrive: ``projects/P/subscriptions/S``, which all
            who pull from it share, or ``projects/P/topics/T``, of which each process makes a subscription
            of its own.
        background_optimization: refresh used entries before they run out.
        prefetch_groups: when a secret has to be read, read those too that are mostly read along with it.
        max_concurrency: calls in flight of one batch.
        timeout_s: deadline of one read, retries included.
    """

    NAME: ClassVar[str] = "secret_manager"

    cache_strategy: CacheStrategy = CacheStrategy.ADAPTIVE
    cache_size: PositiveInt = 1000
    cache_bytes: PositiveInt = 16 * 1024 * 1024
    cache_ttl_s: NotNegative = 300.0
    max_staleness_s: NotNegative | None = None
    stale_if_error_s: NotNegative = 0.0
    safety_poll_s: Positive | None = None
    notices_subscription: str | None = None
    background_optimization: bool = True
    prefetch_groups: bool = True
    max_concurrency: PositiveInt = 20
    timeout_s: Positive = 10.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("max_staleness_s", "safety_poll_s"):
            widest = getattr(self, name)
            if widest is not None and widest < self.cache_ttl_s:
                raise ConfigurationError(
                    f"secret_manager.{name} is {widest!r}, less than cache_ttl_s ({self.cache_ttl_s!r}); "
                    "it only widens that bound: lower cache_ttl_s as well, or leave it out"
                )
