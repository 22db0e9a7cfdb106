from __future__ import annotations

import threading
import time

import pytest

from genesis_performance.config.secret_manager import SecretManagerSection
from genesis_performance.errors import CloudPermissionError, CloudUnavailableError
from genesis_performance.secrets.refresh import Refresher

from .conftest import until


@pytest.fixture
def manager(driven):
    return driven()


def test_a_used_secret_is_read_again_before_it_runs_out(manager, vault, clock):
    manager.get_secret_sync("api-key")
    manager.get_secret_sync("api-key")
    vault.put("api-key", "new")
    clock.now = manager.next_refresh_at()
    assert manager.refresh_due() == 1
    assert manager.get_secret_sync("api-key") == "new"
    summary = manager.get_performance_report()["performance_summary"]
    assert (summary["cache_misses"], summary["api_calls"], summary["background_refreshes"]) == (1, 2, 1)


def test_an_idle_secret_is_not_read_again(manager, vault, clock):
    manager.get_secret_sync("api-key")
    clock.advance(295)
    assert manager.refresh_due() == 0
    assert vault.total == 1


def test_a_use_after_the_time_to_refresh_starts_the_read_and_does_not_wait(make, vault, clock):
    release = threading.Event()

    def held(name, timeout_s):
        if vault.total:
            release.wait(60)
        return vault.access(name, timeout_s)

    manager = make(access=held)
    manager.start_optimization()
    manager.get_secret_sync("api-key")
    vault.put("api-key", "new")
    clock.advance(295)
    assert manager.get_secret_sync("api-key") == "k-123"
    release.set()
    manager.stop_optimization()


def test_a_fresh_secret_is_not_read_again(manager, clock):
    manager.get_secret_sync("api-key")
    manager.get_secret_sync("api-key")
    clock.advance(250)
    assert manager.refresh_due() == 0


def test_refreshes_are_spread_over_time(driven, vault):
    chances = iter(i / 10 for i in range(1, 10))
    manager = driven(chance=lambda: next(chances))
    times = set()
    for i in range(5):
        vault.put(f"s{i}", "v")
        manager.get_secret_sync(f"s{i}")
        times.add(manager.next_refresh_at())
    assert len(times) == 5


def test_without_optimization_nothing_is_read_ahead(make, vault, clock):
    manager = make()
    manager.get_secret_sync("api-key")
    manager.get_secret_sync("api-key")
    clock.advance(299)
    assert manager.refresh_due() == 0
    assert manager.get_secret_sync("api-key") == "k-123"
    assert vault.total == 1


def test_what_has_run_out_is_dropped(manager, clock):
    manager.get_secret_sync("api-key")
    clock.advance(300)
    manager.refresh_due()
    assert manager.get_performance_report()["performance_summary"]["entries"] == 0


def test_a_read_on_its_way_is_kept_when_what_it_replaces_is_dropped(make, vault, clock):
    def looked_at(name, timeout_s):
        manager.refresh_due()
        return vault.access(name, timeout_s)

    manager = make(access=looked_at)
    manager.get_secret_sync("api-key")
    clock.advance(300)
    manager.get_secret_sync("api-key")
    manager.get_secret_sync("api-key")
    assert vault.total == 2


def test_before_the_first_read_nothing_is_due(manager):
    assert manager.refresh_due() == 0
    assert manager.next_refresh_at() == float("inf")


def test_a_failed_refresh_leaves_the_value_until_it_runs_out(manager, vault, clock):
    manager.get_secret_sync("api-key")
    manager.get_secret_sync("api-key")
    vault.errors["api-key"] = CloudUnavailableError("down", code="UNAVAILABLE")
    clock.advance(290)
    manager.refresh_due()
    clock.advance(9)
    assert manager.get_secret_sync("api-key") == "k-123"
    clock.advance(1)
    with pytest.raises(CloudUnavailableError):
        manager.get_secret_sync("api-key")


def test_a_failed_refresh_is_tried_again_later_and_later(manager, vault, clock):
    manager.get_secret_sync("api-key")
    manager.get_secret_sync("api-key")
    vault.errors["api-key"] = CloudUnavailableError("down", code="UNAVAILABLE")
    clock.advance(285)
    manager.refresh_due()
    pauses = []
    for _ in range(3):
        pauses.append(manager.next_refresh_at() - clock.now)
        clock.now = manager.next_refresh_at()
        manager.refresh_due()
    assert pauses == [0.5, 1.0, 2.0]


def test_a_refresh_that_is_denied_drops_the_value_at_once(manager, vault, clock):
    manager.get_secret_sync("api-key")
    manager.get_secret_sync("api-key")
    vault.errors["api-key"] = CloudPermissionError("no", code="PERMISSION_DENIED")
    clock.advance(290)
    manager.refresh_due()
    with pytest.raises(CloudPermissionError):
        manager.get_secret_sync("api-key")


def test_the_thread_starts_with_the_first_read_and_stops(make, vault):
    manager = make(clock=time.monotonic, cache_ttl_s=0.2)
    manager.start_optimization()
    assert not manager.get_performance_report()["settings"]["background_optimization"]

    def is_refreshed() -> bool:
        manager.get_secret_sync("api-key")
        return manager.get_performance_report()["performance_summary"]["background_refreshes"] > 0

    until(is_refreshed)
    assert manager.get_performance_report()["settings"]["background_optimization"]
    manager.stop_optimization()
    assert not manager.get_performance_report()["settings"]["background_optimization"]
    assert not [t for t in threading.enumerate() if t.name == "genesis-secrets-refresh"]


def test_the_setting_switches_the_background_off(make):
    manager = make(config=SecretManagerSection(background_optimization=False))
    manager.start_optimization()
    manager.get_secret_sync("api-key")
    assert not manager.get_performance_report()["settings"]["background_optimization"]


def test_starting_and_stopping_twice_is_once(make):
    manager = make()
    manager.get_secret_sync("api-key")
    manager.start_optimization()
    manager.start_optimization()
    assert len([t for t in threading.enumerate() if t.name == "genesis-secrets-refresh"]) == 1
    manager.stop_optimization()
    manager.stop_optimization()


def test_a_failing_look_does_not_end_the_thread(caplog):
    looks = []

    def fail() -> None:
        looks.append(1)
        raise RuntimeError("a defect")

    refresher = Refresher(fail, lambda: 0.1)
    refresher.start()
    until(lambda: len(looks) >= 2)
    refresher.stop()
