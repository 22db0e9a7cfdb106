"""What ``get_performance_report`` and ``get_cost_recommendations`` return, and how it is counted."""

from __future__ import annotations

from typing import TypedDict

from .entry import NOTHING, Slot
from .reading import Reading


class ReadLatency(TypedDict):
    """Of the reads that went to Secret Manager; None before the first. Hits are not timed."""

    p50: float | None
    p95: float | None
    p99: float | None


class PerformanceSummary(TypedDict):
    """Totals since the first read."""

    cache_hit_rate: float  # 0 to 1; 0 before the first read
    reads: int
    cache_hits: int
    cache_misses: int
    joined_reads: int  # of the misses, those that waited for a read already on its way
    api_calls: int
    background_refreshes: int
    failures: int
    stale_served: int
    evictions: int
    entries: int
    observed_s: float
    read_latency_ms: ReadLatency


class SecretReport(TypedDict):
    """One secret version."""

    reads: int
    cache_hits: int
    api_calls: int
    failures: int
    version_changes: int
    version: str | None  # the number behind "latest"
    age_s: float | None  # since the last successful check


class SettingsReport(TypedDict):
    """How the cache was set."""

    strategy: str
    cache_size: int
    cache_ttl_s: float
    stale_if_error_s: float
    background_optimization: bool  # whether the thread runs now


class PerformanceReport(TypedDict):
    """``get_performance_report()``."""

    performance_summary: PerformanceSummary
    secrets: dict[str, SecretReport]  # by resource name
    settings: SettingsReport


def performance_report(
    reading: Reading, *, now: float, observed_s: float, refreshing: bool
) -> PerformanceReport:
    slots = reading.cache.slots()
    hits = reading.cache.evicted_hits + sum(slot.hits for slot in slots)
    misses = reading.cache.evicted_misses + sum(slot.misses for slot in slots)
    quantile_ms = reading.latencies.quantile_ms
    section = reading.section
    return {
        "performance_summary": {
            "cache_hit_rate": hits / (hits + misses) if hits + misses else 0.0,
            "reads": hits + misses,
            "cache_hits": hits,
            "cache_misses": misses,
            "joined_reads": reading.joined,
            "api_calls": reading.calls,
            "background_refreshes": reading.refreshes,
            "failures": reading.failures,
            "stale_served": reading.stale_served,
            "evictions": reading.cache.evictions,
            "entries": sum(slot.entry is not NOTHING for slot in slots),
            "observed_s": observed_s,
            "read_latency_ms": {"p50": quantile_ms(0.5), "p95": quantile_ms(0.95), "p99": quantile_ms(0.99)},
        },
        "secrets": {slot.name.resource: _of_slot(slot, now) for slot in slots},
        "settings": {
            "strategy": section.cache_strategy.value,
            "cache_size": section.cache_size,
            "cache_ttl_s": section.cache_ttl_s,
            "stale_if_error_s": section.stale_if_error_s,
            "background_optimization": refreshing,
        },
    }


def _of_slot(slot: Slot, now: float) -> SecretReport:
    entry = slot.entry
    return {
        "reads": slot.hits + slot.misses,
        "cache_hits": slot.hits,
        "api_calls": slot.calls,
        "failures": slot.failures,
        "version_changes": slot.changes,
        "version": None if entry is NOTHING else entry.version,
        "age_s": None if entry is NOTHING else now - entry.checked_at,
    }
