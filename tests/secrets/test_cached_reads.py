from __future__ import annotations

import asyncio
import threading

import pytest

from genesis_performance.config.secret_manager import CacheStrategy, SecretManagerSection
from genesis_performance.errors import ConfigurationError, InvalidInputError, StateError
from genesis_performance.secrets import OptimizedSecretManager


def test_a_secret_is_read_once_within_its_lifetime(manager, vault, clock):
    assert manager.get_secret_sync("db-password") == "hunter2"
    clock.advance(299.9)
    assert manager.get_secret_sync("db-password") == "hunter2"
    assert vault.total == 1


def test_no_value_is_served_beyond_its_lifetime(manager, vault, clock):
    manager.get_secret_sync("db-password")
    vault.put("db-password", "new")
    clock.advance(300)
    assert manager.get_secret_sync("db-password") == "new"


def test_the_lifetime_counts_from_when_the_read_was_sent(make, vault, clock):
    def slow(name, timeout_s):
        version = vault.access(name, timeout_s)
        clock.advance(4)
        return version

    manager = make(access=slow, cache_ttl_s=10)
    manager.get_secret_sync("db-password")
    clock.advance(6)
    manager.get_secret_sync("db-password")
    assert vault.total == 2


def test_a_lifetime_of_zero_reads_each_time(make, vault):
    manager = make(cache_ttl_s=0)
    for _ in range(3):
        manager.get_secret_sync("db-password")
    assert vault.total == 3


async def test_the_async_form_shares_the_cache_with_the_sync_one(manager, vault):
    assert await manager.get_secret("db-password") == manager.get_secret_sync("db-password") == "hunter2"
    assert vault.total == 1


def test_one_manager_serves_several_event_loops(manager, vault, clock):
    for _ in range(3):
        assert asyncio.run(manager.get_secret("db-password")) == "hunter2"
        clock.advance(300)
    assert vault.total == 3


def test_all_forms_of_a_name_share_one_value(manager, vault):
    for name in (
        "db-password",
        "projects/p/secrets/db-password",
        "projects/p/secrets/db-password/versions/latest",
    ):
        assert manager.get_secret_sync(name) == "hunter2"
    assert vault.total == 1


def test_versions_are_kept_apart(manager, vault):
    vault.put("db-password", "new")
    assert manager.get_secret_sync("db-password", "1") == "hunter2"
    assert manager.get_secret_sync("db-password/versions/2") == "new"
    assert manager.get_secret_sync("db-password", 2) == "new"
    assert vault.total == 2


def test_binary_payloads_come_as_bytes(manager, vault):
    vault.put("der", b"\xff\x00\xfe")
    assert manager.get_secret_bytes_sync("der") == b"\xff\x00\xfe"
    with pytest.raises(InvalidInputError, match="get_secret_bytes"):
        manager.get_secret_sync("der")


async def test_binary_payloads_come_as_bytes_on_a_loop(manager, vault):
    vault.put("der", b"\xff\x00\xfe")
    assert await manager.get_secret_bytes("der") == b"\xff\x00\xfe"
    assert await manager.get_secret_bytes("der") == b"\xff\x00\xfe"
    assert vault.total == 1


@pytest.mark.parametrize("payload", ["", "pässwörd", "日本語 🔑", "a\x00b", "line\nbreak", "x" * 65536])
def test_any_text_comes_back_as_it_was(manager, vault, payload):
    vault.put("odd", payload)
    assert manager.get_secret_sync("odd") == payload
    assert manager.get_secret_sync("odd") == payload


def test_invalidated_secrets_are_read_again_in_every_version(manager, vault):
    manager.get_secret_sync("db-password")
    manager.get_secret_sync("db-password", "1")
    manager.get_secret_sync("api-key")
    manager.invalidate("db-password")
    manager.get_secret_sync("db-password")
    manager.get_secret_sync("db-password", "1")
    manager.get_secret_sync("api-key")
    assert vault.calls == {"db-password": 4, "api-key": 1}


def test_invalidating_before_the_first_read_does_nothing(manager):
    manager.invalidate("db-password")


def test_the_constructor_reads_no_settings_and_starts_nothing(monkeypatch):
    monkeypatch.setenv("SECRET_CACHE_TTL", "not a number")
    manager = OptimizedSecretManager("p")
    with pytest.raises(ConfigurationError, match="SECRET_CACHE_TTL"):
        manager.get_secret_sync("db-password")


def test_the_environment_sets_the_lifetime(make, vault, clock, monkeypatch):
    monkeypatch.setenv("SECRET_CACHE_TTL", "10")
    monkeypatch.setenv("SECRET_CACHE_STRATEGY", "lru")
    manager = make()
    manager.get_secret_sync("db-password")
    clock.advance(10)
    manager.get_secret_sync("db-password")
    assert vault.total == 2
    assert manager.get_performance_report()["settings"]["strategy"] == "lru"


def test_a_section_given_replaces_the_settings(make):
    manager = make(config=SecretManagerSection(cache_ttl_s=7, cache_strategy=CacheStrategy.TTL), cache_size=5)
    assert manager.get_performance_report()["settings"] == {
        "strategy": "ttl",
        "cache_size": 5,
        "cache_ttl_s": 7,
        "bound_s": 7,
        "check_interval_s": 7,
        "stale_if_error_s": 0.0,
        "prefetch_groups": True,
        "background_optimization": False,
    }


@pytest.mark.parametrize(
    "wrong",
    [
        {"strategy": "fifo"},
        {"cache_ttl_s": -1},
        {"cache_size": 0},
        {"cache_ttl_s": float("nan")},
        {"cache_ttl_s": "x"},
    ],
)
def test_wrong_arguments_are_refused_at_once(wrong):
    with pytest.raises(ConfigurationError):
        OptimizedSecretManager("p", **wrong)


def test_two_different_projects_are_refused():
    with pytest.raises(ConfigurationError, match="differ"):
        OptimizedSecretManager("p", gcp_project_id="q")


@pytest.mark.parametrize("project", ["projects/p", "My Project", "p/secrets/x", " "])
def test_what_is_no_project_is_refused_in_words(make, project):
    with pytest.raises(ConfigurationError, match="is not a project's id"):
        make(project_id=project).get_secret_sync("db-password")


def test_without_a_project_a_short_name_is_refused_with_the_variables_named(make, monkeypatch):
    monkeypatch.setattr("genesis_performance.gcp.project.resolve_project", lambda: None)
    manager = make(project_id=None)
    with pytest.raises(ConfigurationError, match="GOOGLE_CLOUD_PROJECT"):
        manager.get_secret_sync("db-password")
    assert manager.get_secret_sync("projects/p/secrets/db-password") == "hunter2"


async def test_the_project_comes_from_the_environment_on_a_loop_too(make, monkeypatch):
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "from-env")
    manager = make(project_id=None)
    await manager.get_secret("db-password")
    assert list(manager.get_performance_report()["secrets"]) == [
        "projects/from-env/secrets/db-password/versions/latest"
    ]


@pytest.mark.parametrize("name", [["db-password"], None, {"a": 1}, 3.5])
def test_what_is_no_text_is_refused_in_words(manager, name):
    with pytest.raises(InvalidInputError, match="is not a secret's name"):
        manager.get_secret_sync(name)


def test_a_closed_manager_says_so(make):
    manager = make()
    manager.get_secret_sync("db-password")
    manager.close()
    manager.close()
    with pytest.raises(StateError, match="closed"):
        manager.get_secret_sync("db-password")


async def test_it_is_a_context_manager_on_a_loop(vault):
    async with OptimizedSecretManager("p", access=vault.access) as manager:
        assert await manager.get_secret("db-password") == "hunter2"
    with pytest.raises(StateError):
        await manager.get_secret("db-password")


async def test_a_hit_takes_no_lock_and_starts_no_thread(manager):
    manager.get_secrets_sync(["db-password", "api-key"])
    reading, refresher, _notices = manager._lifetime._parts
    locks = [reading._lock, reading.cache.lock, reading.latencies.lock, reading._flights._lock]
    locks += [manager._lifetime._lock, refresher._lock]
    threads = threading.active_count()
    for lock in locks:
        lock.acquire()
    try:
        assert manager.get_secret_sync("db-password") == await manager.get_secret("db-password") == "hunter2"
        assert manager.get_secret_bytes_sync("api-key") == await manager.get_secret_bytes("api-key")
        names = ["db-password", "api-key"]
        assert manager.get_secrets_sync(names) == await manager.get_secrets(names)
    finally:
        for lock in locks:
            lock.release()
    assert threading.active_count() == threads


def test_every_hit_is_counted(manager):
    manager.get_secret_sync("api-key")
    for _ in range(3):
        manager.get_secret_sync("api-key")
        manager.get_secret_bytes_sync("api-key")
        manager.get_secrets_sync(["api-key"])
    assert manager.get_performance_report()["performance_summary"]["cache_hits"] == 9
