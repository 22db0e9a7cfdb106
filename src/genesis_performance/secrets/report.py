"""What ``get_performance_report`` returns, and how it is counted."""

from __future__ import annotations

from typing import TypedDict

from .access import is_over_read
from .entry import NOTHING, Slot
from .push import NoticesReport
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
    metadata_calls: int  # lists of versions, of a quota of 600 a minute and project
    failures: int
    stale_served: int
    evictions: int
    entries: int
    observed_s: float
    last_check_age_s: float | None  # since the latest successful check of any secret
    oldest_check_age_s: float | None  # of all values that are kept
    read_latency_ms: ReadLatency
    prefetches: int  # reads started because the secret is mostly read along with another
    prefetches_used: int  # of those that are settled: used before the next misses
    prefetches_unused: int
    never_read: list[str]  # resource names that were preloaded and never read
    over_read: list[str]  # resource names


class SecretReport(TypedDict):
    """One secret version."""

    reads: int
    cache_hits: int
    api_calls: int
    failures: int
    version_changes: int
    version: str | None  # the number behind "latest"
    last_version: str | None  # that was read last, kept or not
    age_s: float | None  # since the last successful check
    last_used_s: float  # since the last use
    reads_per_s: float | None  # None in the first second
    peak_reads_per_s: float | None  # of the busiest stretch between two looks, see ``patterns``
    burst: float | None  # how many times the mean that is
    never_read: bool  # preloaded, and then not asked for
    over_read: bool  # more than twice as many calls as its checks need, ten at least


class GroupReport(TypedDict):
    """Secrets that are mostly read together."""

    secrets: list[str]  # resource names
    share: float  # of the times that both had run out: how often they were read together; the weakest pair


class CircuitReport(TypedDict):
    """Whether one project and location is asked."""

    state: str  # "closed": it is; "open": not before ``retry_in_s``
    failures_in_row: int
    retry_in_s: float
    last_error: str | None


class SettingsReport(TypedDict):
    """How the cache was set."""

    strategy: str
    cache_size: int
    cache_ttl_s: float
    bound_s: float  # the greatest age at which a value is served, as things are now
    check_interval_s: float  # a value is checked at most so often by itself; 0: with each use
    stale_if_error_s: float
    prefetch_groups: bool
    background_optimization: bool  # whether the thread runs now


class PerformanceReport(TypedDict):
    """``get_performance_report()``; plain values that JSON can hold."""

    performance_summary: PerformanceSummary
    secrets: dict[str, SecretReport]  # by resource name
    groups: list[GroupReport]
    circuits: dict[str, CircuitReport]  # by project/location
    notices: NoticesReport | None  # None without ``notices_subscription``
    settings: SettingsReport


def performance_report(
    reading: Reading,
    *,
    now: float,
    observed_s: float,
    refreshing: bool,
    notices: NoticesReport | None = None,
) -> PerformanceReport:
    slots = reading.cache.slots()
    secrets = {slot.name.resource: _of_slot(slot, now, reading.freshness.shortest_s) for slot in slots}
    section = reading.section
    return {
        "performance_summary": _summary(reading, slots, secrets, observed_s),
        "secrets": secrets,
        "groups": [
            {"secrets": list(group.resources), "share": group.share} for group in reading.groups.groups()
        ],
        "circuits": {
            place: {
                "state": "open" if circuit.is_open() else "closed",
                "failures_in_row": circuit.failures,
                "retry_in_s": circuit.retry_in_s(now),
                "last_error": circuit.last_error or None,
            }
            for place, circuit in list(reading.circuits.items())
        },
        "notices": notices,
        "settings": {
            "strategy": section.cache_strategy.value,
            "cache_size": section.cache_size,
            "cache_ttl_s": section.cache_ttl_s,
            "bound_s": reading.freshness.bound_s,
            "check_interval_s": reading.freshness.shortest_s,
            "stale_if_error_s": section.stale_if_error_s,
            "prefetch_groups": section.prefetch_groups,
            "background_optimization": refreshing,
        },
    }


def _summary(
    reading: Reading, slots: tuple[Slot, ...], secrets: dict[str, SecretReport], observed_s: float
) -> PerformanceSummary:
    hits = reading.cache.evicted_hits + sum(slot.hits for slot in slots)
    misses = reading.cache.evicted_misses + sum(slot.misses for slot in slots)
    quantile_ms = reading.latencies.quantile_ms
    ages_s = [one["age_s"] for one in secrets.values() if one["age_s"] is not None]
    return {
        "cache_hit_rate": hits / (hits + misses) if hits + misses else 0.0,
        "reads": hits + misses,
        "cache_hits": hits,
        "cache_misses": misses,
        "joined_reads": reading.joined,
        "api_calls": reading.calls,
        "background_refreshes": reading.refreshes,
        "metadata_calls": reading.metadata_calls,
        "failures": reading.failures,
        "stale_served": reading.stale_served,
        "evictions": reading.cache.evictions,
        "entries": sum(slot.entry is not NOTHING for slot in slots),
        "observed_s": observed_s,
        "last_check_age_s": min(ages_s, default=None),
        "oldest_check_age_s": max(ages_s, default=None),
        "read_latency_ms": {"p50": quantile_ms(0.5), "p95": quantile_ms(0.95), "p99": quantile_ms(0.99)},
        "prefetches": reading.groups.ahead,
        "prefetches_used": reading.groups.ahead_used,
        "prefetches_unused": reading.groups.ahead_unused,
        "never_read": [resource for resource, one in secrets.items() if one["never_read"]],
        "over_read": [resource for resource, one in secrets.items() if one["over_read"]],
    }


def _of_slot(slot: Slot, now: float, interval_s: float) -> SecretReport:
    entry, uses = slot.entry, slot.uses
    rates = slot.activity.rates(now, uses)
    return {
        "reads": uses,
        "cache_hits": slot.hits,
        "api_calls": slot.calls,
        "failures": slot.failures,
        "version_changes": slot.changes,
        "version": None if entry is NOTHING else entry.version,
        "last_version": slot.last_version or None,
        "age_s": None if entry is NOTHING else now - entry.checked_at,
        "last_used_s": now - slot.used_at,
        "reads_per_s": None if rates is None else rates.mean_per_s,
        "peak_reads_per_s": None if rates is None else rates.peak_per_s,
        "burst": None if rates is None else rates.burst,
        "never_read": uses <= slot.preloads,
        "over_read": is_over_read(slot.calls, slot.activity.observed_s(now), interval_s),
    }
