from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genesis_performance.config.secret_manager import CacheStrategy, SecretManagerSection
from genesis_performance.errors import CloudNotFoundError
from genesis_performance.gcp.secret_version import SecretVersion
from genesis_performance.secrets import OptimizedSecretManager


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
        clock.advance(1)
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
    assert full("lru") == {"old", "recent", "extra"}


@pytest.mark.parametrize("strategy", ["lfu", "adaptive"])
def test_lfu_keeps_what_is_used_often(full, strategy):
    assert "used" in full(strategy)


@pytest.mark.parametrize("strategy", ["lfu", "adaptive"])
def test_old_fame_is_forgotten_as_others_come(make, vault, strategy):
    manager = make(strategy=strategy, cache_size=16)
    for name in ("famous", "today"):
        vault.put(name, name)
    for _ in range(1000):
        manager.get_secret_sync("famous")
    for i in range(16 * 60):
        vault.put(f"s{i}", "v")
        manager.get_secret_sync(f"s{i}")
        manager.get_secret_sync("today")
    assert vault.calls["today"] == 1
    calls = vault.calls["famous"]
    manager.get_secret_sync("famous")
    assert vault.calls["famous"] == calls + 1


@pytest.mark.parametrize("strategy", ["lru", "lfu", "adaptive"])
def test_what_has_run_out_leaves_before_any_value(make, vault, clock, strategy):
    for name in ("famous", "today", "extra"):
        vault.put(name, name)
    manager = make(strategy=strategy, cache_size=2)
    manager.get_secret_sync("today")
    clock.advance(200)
    for _ in range(1000):
        manager.get_secret_sync("famous")
    manager.invalidate("famous")
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


@pytest.mark.parametrize("strategy", ["ttl", "lru", "lfu", "adaptive"])
def test_the_cache_never_holds_more_bytes_than_it_may(make, vault, strategy):
    section = SecretManagerSection(cache_strategy=CacheStrategy(strategy), cache_bytes=100_000)
    manager = make(config=section)
    for i in range(50):
        vault.put(f"s{i}", "x" * (1000 * (i % 20 + 1)))
        manager.get_secret_sync(f"s{i}")
        assert held_bytes(manager) == manager._lifetime.reading().cache.bytes <= 100_000


def test_a_payload_larger_than_the_cache_is_served_and_kept_alone(make, vault):
    manager = make(config=SecretManagerSection(cache_bytes=10))
    manager.get_secret_sync("api-key")
    vault.put("large", "x" * 60_000)
    assert len(manager.get_secret_sync("large")) == 60_000
    assert held_bytes(manager) == 60_000


def test_bytes_come_back_when_values_are_dropped(make, vault, clock):
    manager = make()
    manager.get_secrets_sync(["api-key", "db-password"])
    manager.invalidate("api-key")
    clock.advance(300)
    manager.refresh_due()
    assert manager._lifetime.reading().cache.bytes == 0


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from(["get", "drop", "grow", "wait"]))))
def test_the_count_of_bytes_is_what_is_held(steps):
    sizes, now = dict.fromkeys("abcdefgh", 10), 0.0

    def access(name, timeout_s):
        return SecretVersion(f"{name.parent}/versions/{sizes[name.secret]}", b"x" * sizes[name.secret])

    section = SecretManagerSection(cache_bytes=150, cache_size=5)
    with OptimizedSecretManager("p", access=access, config=section, clock=lambda: now) as manager:
        for name, step in steps:
            if step == "get":
                manager.get_secret_sync(name)
            elif step == "drop":
                manager.invalidate(name)
            elif step == "grow":
                sizes[name] += 30
            else:
                now += 200
                manager.refresh_due()
            assert held_bytes(manager) == manager._lifetime.reading().cache.bytes


def held_bytes(manager) -> int:
    return sum(len(slot.entry.data) for slot in manager._lifetime.reading().cache.slots())
