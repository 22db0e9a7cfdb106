"""Rates of use, and secrets that are read together: learned from misses, used to read ahead."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genesis_performance.config.secret_manager import SecretManagerSection
from genesis_performance.errors import CloudPermissionError
from genesis_performance.secrets.co_access import MOST_AHEAD, MOST_KNOWN, CoAccess
from genesis_performance.secrets.entry import Slot
from genesis_performance.secrets.names import SecretName
from genesis_performance.secrets.patterns import Activity

from .conftest import Inline

PAIR = ["projects/p/secrets/db-password/versions/latest", "projects/p/secrets/db-user/versions/latest"]


@pytest.fixture
def shop(vault, make):
    """A manager whose reads in the background happen at once."""
    vault.put("db-user", "shop")
    vault.put("tax-key", "t")
    return make(executor=Inline())


def read_pair(manager) -> None:
    manager.get_secret_sync("db-user")
    manager.get_secret_sync("db-password")


def learn(manager, clock, times: int = 4) -> None:
    """So often that the pair is known: it is counted when the next episode begins."""
    for _ in range(times):
        read_pair(manager)
        clock.advance(400)


def groups(manager) -> list[list[str]]:
    return [group["secrets"] for group in manager.get_performance_report()["groups"]]


def test_secrets_that_are_missed_together_become_a_group(shop, clock):
    learn(shop, clock, times=3)
    assert groups(shop) == []
    learn(shop, clock, times=1)
    assert groups(shop) == [PAIR]


def test_the_first_of_a_group_brings_the_others_along(shop, vault, clock):
    learn(shop, clock, times=3)
    shop.get_secret_sync("db-user")
    before = vault.total
    shop.get_secret_sync("db-password")
    assert vault.total == before
    assert shop.get_performance_report()["performance_summary"]["prefetches"] == 1


def test_reading_ahead_does_not_keep_the_first_one_waiting(vault, make, clock):
    vault.put("db-user", "shop")
    manager = make()
    learn(manager, clock)
    gate = threading.Event()

    def access(name, timeout_s):
        if name.secret == "db-password":
            gate.wait(60)
        return vault.access(name, timeout_s)

    manager._lifetime.reading()._outside = manager._lifetime.reading()._outside._replace(access=access)
    assert manager.get_secret_sync("db-user") == "shop"
    assert not gate.is_set()
    gate.set()
    assert manager.get_secret_sync("db-password") == "hunter2"


def test_what_is_still_fresh_is_not_read_ahead(shop, vault, clock):
    learn(shop, clock)
    shop.get_secret_sync("db-password")  # brings the user along
    shop.invalidate("db-user")
    calls = vault.calls["db-password"]
    shop.get_secret_sync("db-user")
    assert vault.calls["db-password"] == calls


def test_the_setting_switches_it_off(vault, make, clock):
    vault.put("db-user", "shop")
    manager = make(executor=Inline(), config=SecretManagerSection(prefetch_groups=False))
    learn(manager, clock, times=8)
    assert groups(manager) == []
    assert manager.get_performance_report()["performance_summary"]["prefetches"] == 0


def test_a_habit_that_ended_is_forgotten(shop, vault, clock):
    learn(shop, clock)
    for _ in range(5):
        shop.get_secret_sync("db-user")
        clock.advance(400)
    calls = vault.calls["db-password"]
    shop.get_secret_sync("db-user")
    assert vault.calls["db-password"] == calls
    summary = shop.get_performance_report()["performance_summary"]
    assert summary["prefetches"] == 3
    assert summary["prefetches_used"] == 1  # the last time that both were read
    assert summary["prefetches_unused"] == 2


def test_guesses_that_are_used_keep_the_group(shop, vault, clock):
    learn(shop, clock, times=20)
    summary = shop.get_performance_report()["performance_summary"]
    assert groups(shop) == [PAIR]
    assert summary["prefetches_unused"] == 0
    assert summary["prefetches_used"] >= 15


def test_misses_far_apart_are_no_group(shop, clock):
    for _ in range(8):
        shop.get_secret_sync("db-user")
        clock.advance(100)
        shop.get_secret_sync("tax-key")
        clock.advance(300)
    assert groups(shop) == []


def test_a_secret_that_is_sometimes_left_out_is_not_read_ahead(shop, clock):
    for i in range(12):
        shop.get_secret_sync("db-user")
        if i % 2:
            shop.get_secret_sync("tax-key")
        clock.advance(400)
    assert shop.get_performance_report()["performance_summary"]["prefetches"] == 0


def test_a_secret_that_does_not_exist_is_not_read_ahead(shop, vault, clock):
    learn(shop, clock)
    del vault.versions["db-password"]
    shop.get_secret_sync("db-user")
    clock.advance(1)
    calls = vault.calls["db-password"]
    shop.invalidate("db-user")
    shop.get_secret_sync("db-user")
    assert vault.calls["db-password"] == calls


def test_an_error_of_a_guess_is_not_the_readers_error(shop, vault, clock):
    learn(shop, clock)
    vault.errors["db-password"] = CloudPermissionError("no", code="PERMISSION_DENIED")
    assert shop.get_secret_sync("db-user") == "shop"
    with pytest.raises(CloudPermissionError):
        shop.get_secret_sync("db-password")


def test_reading_each_time_learns_nothing(vault, make, clock):
    vault.put("db-user", "shop")
    manager = make(cache_ttl_s=0, executor=Inline())
    learn(manager, clock, times=8)
    assert groups(manager) == []


def test_a_batch_is_asked_for_once_whatever_belongs_together(shop, vault, clock):
    learn(shop, clock)
    before = vault.total
    shop.get_secrets_sync(["db-user", "db-password"])
    assert vault.total == before + 2


def test_one_miss_starts_a_bounded_number_of_reads(vault, make, clock):
    names = [f"s{i}" for i in range(30)]
    for name in names:
        vault.put(name, name)
    manager = make(executor=Inline())
    for _ in range(4):
        for name in names:
            manager.get_secret_sync(name)
        clock.advance(400)
    before = vault.total
    manager.get_secret_sync("s0")
    assert vault.total == before + 1 + MOST_AHEAD


def slot(secret: str) -> Slot:
    return Slot(SecretName("p", secret, "latest"), 0.0)


def test_the_memory_of_pairs_is_bounded():
    slots = {one.name.resource: one for one in (slot(f"s{i}") for i in range(MOST_KNOWN + 200))}
    seen = CoAccess(slots.get)
    now = 0.0
    for one in slots.values():
        seen.missed(one, now)
        now += 100.0
    assert len(seen._tallies) <= MOST_KNOWN


@given(
    st.lists(
        st.tuples(st.sampled_from("abcdef"), st.floats(-50, 500, allow_nan=False), st.booleans()),
        max_size=80,
    )
)
def test_what_is_read_ahead_had_run_out_and_is_counted_once(events):
    slots = {one.name.resource: one for one in map(slot, "abcdef")}
    seen = CoAccess(slots.get)
    now, asked = 0.0, 0
    for secret, passed_s, is_used in events:
        now += passed_s
        one = slots[f"projects/p/secrets/{secret}/versions/latest"]
        ahead = seen.missed(one, now)
        asked += len(ahead)
        assert one not in ahead
        assert len({other.name.resource for other in ahead}) == len(ahead)
        for other in ahead:
            other.hits += is_used
    assert seen.ahead == asked
    assert seen.ahead_used + seen.ahead_unused <= asked


def test_a_steady_use_has_no_burst(manager, clock):
    for _ in range(200):
        manager.get_secret_sync("api-key")
        clock.advance(10)
    (one,) = manager.get_performance_report()["secrets"].values()
    assert one["reads_per_s"] == pytest.approx(0.1)
    assert one["burst"] == pytest.approx(1.0, rel=0.1)


def test_a_burst_shows_beside_the_mean_rate(driven, clock):
    manager = driven()
    for second in range(600):
        for _ in range(50 if 300 <= second < 310 else 1):
            manager.get_secret_sync("api-key")
        clock.advance(1)
        manager.refresh_due()
    (one,) = manager.get_performance_report()["secrets"].values()
    assert one["peak_reads_per_s"] == pytest.approx(50)
    assert one["burst"] == pytest.approx(50 / one["reads_per_s"])


@given(st.lists(st.tuples(st.floats(-10, 1000), st.integers(0, 10**6)), max_size=50))
def test_no_rate_is_negative_and_the_peak_is_never_below_the_mean(looks):
    activity, now, uses = Activity(0.0), 0.0, 0
    for passed_s, more in looks:
        now, uses = now + passed_s, uses + more
        activity.look(now, uses)
    rates = activity.rates(now, uses)
    if rates is not None:
        assert 0 < rates.mean_per_s <= rates.peak_per_s
        assert rates.burst >= 1
