from __future__ import annotations

import pytest

from genesis_performance.errors import CloudNotFoundError


@pytest.fixture
def full(make, vault, clock):
    """A cache of three: ``old`` was read first, ``used`` often, ``recent`` last."""

    def fill(strategy: str):
        for name in ("old", "used", "recent", "extra"):
            vault.put(name, name)
        manager = make(strategy=strategy, cache_size=3)
        for name in ("old", "used", "recent"):
            manager.get_secret_sync(name)
            clock.advance(1)
        for _ in range(10):
            manager.get_secret_sync("used")
        manager.get_secret_sync("old")
        clock.advance(1)
        manager.get_secret_sync("recent")
        clock.advance(1)
        manager.get_secret_sync("extra")
        return {name.split("/")[3] for name in manager.get_performance_report()["secrets"]}

    return fill


def test_ttl_evicts_what_was_read_longest_ago(full):
    assert full("ttl") == {"used", "recent", "extra"}


def test_lru_evicts_what_was_used_longest_ago(full):
    kept = full("lru")
    assert "recent" in kept
    assert len(kept) == 3


@pytest.mark.parametrize("strategy", ["lfu", "adaptive"])
def test_lfu_keeps_what_is_used_often(full, strategy):
    assert "used" in full(strategy)


def test_lfu_forgets_old_fame(make, vault, clock):
    for name in ("famous", "today", "extra"):
        vault.put(name, name)
    manager = make(strategy="lfu", cache_size=2, cache_ttl_s=100_000)
    for _ in range(1000):
        manager.get_secret_sync("famous")
    clock.advance(20_000)
    manager.get_secret_sync("today")
    manager.get_secret_sync("today")
    manager.get_secret_sync("extra")
    assert {name.split("/")[3] for name in manager.get_performance_report()["secrets"]} == {"today", "extra"}


def test_names_that_do_not_exist_leave_first(make, vault):
    manager = make(cache_size=4)
    manager.get_secret_sync("api-key")
    for i in range(50):
        with pytest.raises(CloudNotFoundError):
            manager.get_secret_sync(f"guess-{i}")
    calls = vault.calls["api-key"]
    manager.get_secret_sync("api-key")
    assert vault.calls["api-key"] == calls


@pytest.mark.parametrize("strategy", ["ttl", "lru", "lfu", "adaptive"])
def test_the_cache_never_holds_more_than_its_size(make, vault, strategy):
    manager = make(strategy=strategy, cache_size=20)
    for i in range(200):
        vault.put(f"s{i}", "v")
        manager.get_secret_sync(f"s{i}")
        assert len(manager.get_performance_report()["secrets"]) <= 20


def test_totals_outlive_eviction(make, vault):
    manager = make(cache_size=1)
    for i in range(10):
        vault.put(f"s{i}", "v")
        manager.get_secret_sync(f"s{i}")
        manager.get_secret_sync(f"s{i}")
    summary = manager.get_performance_report()["performance_summary"]
    assert (summary["reads"], summary["cache_hits"], summary["evictions"]) == (20, 10, 9)
