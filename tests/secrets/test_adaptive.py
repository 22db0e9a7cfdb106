"""How often a secret is read again, where a bound wider than its lifetime leaves room for that."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genesis_performance.config.secret_manager import CacheStrategy, SecretManagerSection
from genesis_performance.errors import CloudPermissionError, CloudUnavailableError, ConfigurationError
from genesis_performance.secrets.adaptive import SHORTEST_S, Pace

HOUR, DAY = 3600.0, 86400.0
SOFT = SecretManagerSection(max_staleness_s=HOUR)


def paced(uses_per_s: float, rotate_every_s: float = 0.0, polls: int = 400, poll_s: float = 600.0) -> Pace:
    """A pace that watched a steady secret."""
    pace, rotated = Pace(0.0), 0
    for i in range(1, polls + 1):
        now = i * poll_s
        due = int(now / rotate_every_s) if rotate_every_s else 0
        pace.checked(now, int(now * uses_per_s), due - rotated)
        rotated = due
    return pace


@pytest.mark.parametrize("rate", [0.001, 0.1, 5.0])
def test_the_use_rate_is_what_was_counted(rate):
    assert paced(rate).use_rate() == pytest.approx(rate, rel=0.15)


def test_the_use_rate_follows_a_change_within_a_day():
    pace = paced(1.0, polls=200)
    uses = 200 * 600
    for i in range(201, 201 + 144):
        pace.checked(i * 600.0, uses, 0)
    assert pace.use_rate() < 0.05


def test_what_is_used_more_is_read_more_often():
    assert paced(1.0).interval_s(240_000, 1e9) < paced(0.01).interval_s(240_000, 1e9)


def test_what_rotates_more_is_read_more_often():
    often, never = paced(0.1, rotate_every_s=7000, poll_s=1000), paced(0.1, poll_s=1000)
    assert often.interval_s(400_000, 1e9) < never.interval_s(400_000, 1e9)


def test_the_interval_is_the_cheapest_one():
    pace = paced(0.1)
    now = 240_000.0
    use_rate, rotation_rate = pace.use_rate(), pace.rotation_rate(now)

    def cost(interval_s: float) -> float:
        return 2.0 * rotation_rate * use_rate * interval_s / 2 + 1 / interval_s

    best = pace.interval_s(now, 1e9)
    assert cost(best) < min(cost(best * 1.1), cost(best / 1.1))


def test_several_versions_between_two_reads_are_counted_all():
    one, three = Pace(0.0), Pace(0.0)
    one.checked(100, 1, 1)
    three.checked(100, 1, 3)
    assert three.rotation_rate(100) > 2 * one.rotation_rate(100)


def test_a_schedule_is_believed_after_three_steady_intervals():
    pace = Pace(0.0)
    pace.learn([0, DAY, 2 * DAY])
    assert pace.window(2 * DAY + 1) is None
    pace.learn([0, DAY, 2 * DAY, 3 * DAY])
    begin, end = pace.window(3 * DAY + 1)
    assert begin < 4 * DAY < end
    assert end - begin < 600


def test_rotations_by_hand_are_no_schedule():
    pace = Pace(0.0)
    pace.learn([0, DAY, 2.4 * DAY, 3.1 * DAY, 4.9 * DAY])
    assert pace.window(5 * DAY) is None


def test_a_schedule_that_no_longer_holds_is_forgotten():
    pace = Pace(0.0)
    pace.learn([0, DAY, 2 * DAY, 3 * DAY])
    assert pace.window(4 * DAY) is not None
    assert pace.window(4.5 * DAY) is None


def test_a_rotation_that_is_due_is_looked_for_closely():
    pace = paced(1.0, poll_s=864, polls=400)
    pace.learn([i * DAY for i in range(4)])
    assert pace.interval_s(4 * DAY - 30, HOUR) < 60
    assert pace.interval_s(3.5 * DAY, HOUR) > 600


def test_no_poll_sleeps_over_a_rotation_that_is_due():
    pace = paced(0.001, poll_s=864, polls=400)
    pace.learn([i * DAY for i in range(4)])
    at = 4 * DAY - 2000
    assert pace.interval_s(at, 1e9) < 2000 + 1000


@given(
    st.lists(st.tuples(st.floats(0.001, 1e6), st.integers(0, 10_000), st.integers(0, 5)), max_size=30),
    st.floats(SHORTEST_S, 1e6),
)
def test_the_interval_is_always_between_its_limits(checks, longest_s):
    pace, now, uses = Pace(0.0), 0.0, 0
    for passed, more, rotations in checks:
        now += passed
        uses += more
        pace.checked(now, uses, rotations)
    assert SHORTEST_S <= pace.interval_s(now, longest_s) <= longest_s


def test_a_clock_that_stands_still_or_goes_back_changes_nothing():
    pace = paced(0.1)
    before = pace.use_rate()
    pace.checked(240_000, 10**9, 5)
    pace.checked(0, 10**9, 5)
    assert pace.use_rate() == before


def test_past_its_interval_a_value_is_served_while_it_is_read_again(driven, vault, clock):
    manager = driven(config=SOFT)
    manager.get_secret_sync("api-key")
    vault.put("api-key", "new")
    clock.advance(HOUR - 1)
    assert manager.get_secret_sync("api-key") == "k-123"
    assert manager.get_secret_sync("api-key") == "new"
    assert manager.get_performance_report()["performance_summary"]["cache_misses"] == 1


def test_the_wider_bound_is_hard_too(driven, vault, clock):
    manager = driven(config=SOFT)
    manager.get_secret_sync("api-key")
    vault.put("api-key", "new")
    clock.advance(HOUR)
    assert manager.get_secret_sync("api-key") == "new"


def test_without_it_the_lifetime_is_the_bound(driven, vault, clock):
    manager = driven()
    manager.get_secret_sync("api-key")
    vault.put("api-key", "new")
    clock.advance(300)
    assert manager.get_secret_sync("api-key") == "new"


@pytest.mark.parametrize("strategy", [CacheStrategy.TTL, CacheStrategy.LRU, CacheStrategy.LFU])
def test_the_other_strategies_read_again_after_the_lifetime(driven, clock, strategy):
    manager = driven(config=SecretManagerSection(cache_strategy=strategy, max_staleness_s=HOUR))
    manager.get_secret_sync("api-key")
    assert 270 <= manager.next_refresh_at() - clock.now <= 300


def test_a_hot_secret_that_rotates_is_read_more_often_than_a_quiet_one(driven, vault, clock):
    manager = driven(config=SOFT)
    vault.put("quiet", "q")
    for i in range(200):
        for _ in range(50):
            manager.get_secret_sync("api-key")
        manager.get_secret_sync("quiet")
        vault.put("api-key", f"v{i}")
        clock.advance(600)
        manager.refresh_due()
    assert vault.calls["api-key"] > 2 * vault.calls["quiet"]


class History:
    """Create times as Secret Manager would list them, calls counted."""

    def __init__(self, *created: float) -> None:
        self.created = created
        self.calls = 0
        self.error: Exception | None = None

    def __call__(self, name, timeout_s):
        self.calls += 1
        if self.error:
            raise self.error
        return self.created


def rotated(manager, vault, clock, times: int) -> None:
    manager.get_secret_sync("api-key")
    for i in range(times):
        vault.put("api-key", f"v{i}")
        clock.advance(HOUR)
        manager.get_secret_sync("api-key")
        manager.get_secret_sync("api-key")


def test_versions_are_listed_once_for_each_change(driven, vault, clock):
    history = History(0, 100)
    manager = driven(config=SOFT, history=history, wall_clock=clock)
    rotated(manager, vault, clock, times=3)
    for _ in range(5):
        clock.advance(HOUR)
        manager.get_secret_sync("api-key")
    assert history.calls == 3


def test_a_denied_list_is_not_asked_for_again(driven, vault, clock):
    history = History()
    history.error = CloudPermissionError("no", code="PERMISSION_DENIED")
    rotated(driven(config=SOFT, history=history, wall_clock=clock), vault, clock, times=4)
    assert history.calls == 1


def test_an_outage_of_the_list_is_no_denial(driven, vault, clock):
    history = History()
    history.error = CloudUnavailableError("down", code="UNAVAILABLE")
    rotated(driven(config=SOFT, history=history, wall_clock=clock), vault, clock, times=4)
    assert history.calls == 4


def test_under_a_hard_bound_no_versions_are_listed(driven, vault, clock):
    history = History()
    rotated(driven(history=history, wall_clock=clock), vault, clock, times=3)
    assert history.calls == 0


def test_listed_times_are_brought_to_the_manager_s_own_clock(driven, vault, clock):
    offset = 1_700_000_000.0
    created = [offset + clock.now + i * DAY for i in range(-3, 1)]
    manager = driven(config=SOFT, history=History(*created), wall_clock=lambda: offset + clock.now)
    rotated(manager, vault, clock, times=1)
    (slot,) = manager._lifetime.reading().cache.slots()
    begin, end = slot.pace.window(clock.now)
    assert begin < 1000 + DAY < end


@pytest.mark.parametrize("setting", ["max_staleness_s", "safety_poll_s"])
def test_a_bound_below_the_lifetime_is_refused_with_both_numbers(setting):
    with pytest.raises(ConfigurationError, match=r"60.*cache_ttl_s \(300"):
        SecretManagerSection(**{setting: 60.0})
