"""What the rules look at: how secrets were read, as it was measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretAccess:
    """One secret version of one process."""

    resource: str
    reads: int  # by the host, cache hits included
    calls: int  # to Secret Manager
    version_changes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessFacts:
    """Everything read by one process since it began."""

    observed_s: float
    cache_ttl_s: float
    secrets: tuple[SecretAccess, ...]
