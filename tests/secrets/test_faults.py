"""What the caller sees when things go wrong: the table of docs/secrets.md, row by row."""

from __future__ import annotations

import asyncio

import pytest

from genesis_performance.config.secret_manager import SecretManagerSection
from genesis_performance.errors import (
    CloudDeadlineError,
    CloudError,
    CloudNotFoundError,
    CloudPermissionError,
    CloudQuotaError,
    CloudUnavailableError,
)

from .conftest import Inline, until

DOWN = CloudUnavailableError("down", code="UNAVAILABLE")
STALE = SecretManagerSection(stale_if_error_s=1800.0)


def ask_each_minute(manager, clock, minutes: int) -> list[str]:
    """What a caller sees: the value, or the error's name."""
    seen = []
    for _ in range(minutes):
        clock.advance(60)
        try:
            seen.append(manager.get_secret_sync("api-key"))
        except CloudError as error:
            seen.append(type(error).__name__)
    return seen


def test_an_hour_without_secret_manager_is_served_to_the_bound_and_then_raised(driven, vault, clock):
    manager = driven()
    manager.get_secret_sync("api-key")
    vault.errors["api-key"] = DOWN
    assert ask_each_minute(manager, clock, 60) == ["k-123"] * 4 + ["CloudUnavailableError"] * 56
    del vault.errors["api-key"]
    assert ask_each_minute(manager, clock, 1) == ["k-123"]


def test_an_hour_without_secret_manager_is_served_stale_where_that_is_allowed(driven, vault, clock):
    manager = driven(config=STALE)
    manager.get_secret_sync("api-key")
    vault.errors["api-key"] = DOWN
    seen = ask_each_minute(manager, clock, 60)
    assert seen == ["k-123"] * 34 + ["CloudUnavailableError"] * 26


def test_a_busy_secret_is_served_stale_without_anybody_waiting(driven, vault, clock):
    manager = driven(config=STALE)
    manager.get_secret_sync("api-key")
    vault.errors["api-key"] = DOWN
    for _ in range(2000):
        clock.advance(1)
        assert manager.get_secret_sync("api-key") == "k-123"
    assert manager.get_performance_report()["performance_summary"]["cache_misses"] == 1


def test_an_outage_that_is_over_is_no_reason_to_serve_stale(driven, vault, clock):
    manager = driven(config=STALE)
    manager.get_secret_sync("api-key")
    vault.errors["api-key"] = DOWN
    clock.advance(295)
    manager.get_secret_sync("api-key")
    del vault.errors["api-key"]
    vault.put("api-key", "new")
    clock.advance(600)
    assert manager.get_secret_sync("api-key") == "new"


def test_an_outage_is_asked_about_a_few_times_and_not_with_every_read(driven, vault, clock):
    manager = driven()
    vault.errors["api-key"] = DOWN
    for _ in range(3600):
        clock.advance(1)
        with pytest.raises(CloudUnavailableError):
            manager.get_secret_sync("api-key")
    assert vault.total < 3600 / 10


def test_a_read_that_is_not_sent_says_why_and_when_the_next_one_is(driven, vault):
    manager = driven()
    vault.errors["api-key"] = DOWN
    for _ in range(5):
        with pytest.raises(CloudUnavailableError, match=r"^down"):
            manager.get_secret_sync("api-key")
    with pytest.raises(CloudUnavailableError, match=r"5 reads in a row failed.*down.*again in 0\.5 s"):
        manager.get_secret_sync("api-key")


def test_the_first_answer_ends_the_pause_for_all(driven, vault, clock):
    manager = driven()
    vault.errors["api-key"] = DOWN
    for _ in range(6):
        with pytest.raises(CloudUnavailableError):
            manager.get_secret_sync("api-key")
    del vault.errors["api-key"]
    clock.advance(1)
    assert manager.get_secret_sync("api-key") == "k-123"
    assert manager.get_secret_sync("db-password") == "hunter2"


def test_an_outage_of_one_region_does_not_stop_reads_of_another(driven, vault):
    manager = driven()
    vault.errors["api-key"] = DOWN
    for _ in range(6):
        with pytest.raises(CloudUnavailableError):
            manager.get_secret_sync("projects/p/locations/europe-west3/secrets/api-key")
    assert manager.get_secret_sync("db-password") == "hunter2"


def test_a_denial_is_an_answer_and_opens_no_circuit(driven, vault):
    manager = driven()
    vault.errors["api-key"] = CloudPermissionError("no", code="PERMISSION_DENIED")
    for _ in range(20):
        with pytest.raises(CloudPermissionError):
            manager.get_secret_sync("api-key")
    assert vault.total == 20


def test_ten_seconds_of_latency_end_in_a_deadline_that_is_told(driven, vault, clock):
    def late(name, timeout_s):
        clock.advance(timeout_s)
        raise CloudDeadlineError(f"{name.resource}: DEADLINE_EXCEEDED", code="DEADLINE_EXCEEDED")

    manager = driven(access=late)
    before = clock.now
    with pytest.raises(CloudDeadlineError, match="api-key"):
        manager.get_secret_sync("api-key")
    assert clock.now - before == 10


def test_ten_seconds_of_latency_in_the_background_make_nobody_wait(driven, vault, clock):
    manager = driven()
    manager.get_secret_sync("api-key")
    manager.get_secret_sync("api-key")
    vault.errors["api-key"] = CloudDeadlineError("late", code="DEADLINE_EXCEEDED")
    clock.now = manager.next_refresh_at()
    manager.refresh_due()
    assert manager.get_secret_sync("api-key") == "k-123"
    del vault.errors["api-key"]
    clock.now = manager.next_refresh_at()
    manager.refresh_due()
    assert manager.get_performance_report()["performance_summary"]["cache_misses"] == 1


def test_an_exhausted_quota_is_an_outage(driven, vault, clock):
    manager = driven(config=STALE)
    manager.get_secret_sync("api-key")
    vault.errors["api-key"] = CloudQuotaError("too many", code="RESOURCE_EXHAUSTED")
    assert ask_each_minute(manager, clock, 35)[-2:] == ["k-123", "CloudQuotaError"]


def test_a_damaged_payload_is_an_error_and_the_value_before_it_lasts_to_its_bound(driven, vault, clock):
    manager = driven()
    manager.get_secret_sync("api-key")
    vault.errors["api-key"] = CloudError("damaged on the way", code="DATA_LOSS")
    clock.advance(295)
    assert manager.get_secret_sync("api-key") == "k-123"
    clock.advance(5)
    with pytest.raises(CloudError, match="damaged"):
        manager.get_secret_sync("api-key")


def test_a_wall_clock_that_jumps_changes_nothing(driven, vault, clock):
    wall = 1.7e9
    manager = driven(wall_clock=lambda: wall)
    manager.get_secret_sync("api-key")
    wall -= 10 * 365 * 86400
    clock.advance(299)
    assert manager.get_secret_sync("api-key") == "k-123"
    clock.advance(1)
    manager.get_secret_sync("api-key")
    assert vault.total == 2


def test_a_clock_that_jumps_ahead_reads_again(driven, vault, clock):
    manager = driven()
    manager.get_secret_sync("api-key")
    clock.advance(1e7)
    manager.get_secret_sync("api-key")
    assert vault.total == 2


def test_a_clock_that_jumps_back_keeps_no_value_longer_than_until_the_next_look(driven, vault, clock):
    manager = driven()
    manager.get_secret_sync("api-key")
    vault.put("api-key", "new")
    clock.advance(-900)
    manager.refresh_due()
    assert manager.get_secret_sync("api-key") == "new"


def test_a_circuit_is_not_kept_open_by_a_clock_that_jumps_back(driven, vault, clock):
    manager = driven()
    vault.errors["api-key"] = DOWN
    for _ in range(6):
        with pytest.raises(CloudUnavailableError):
            manager.get_secret_sync("api-key")
    del vault.errors["api-key"]
    clock.advance(-900)
    assert manager.get_secret_sync("api-key") == "k-123"


def test_a_deleted_project_is_an_answer_and_its_values_are_gone(driven, vault, clock):
    manager = driven(config=STALE)
    manager.get_secrets_sync(["api-key", "db-password"])
    gone = CloudPermissionError("CONSUMER_INVALID: project p was deleted", code="PERMISSION_DENIED")
    vault.errors |= {"api-key": gone, "db-password": gone}
    clock.advance(300)
    for name in ("api-key", "db-password"):
        with pytest.raises(CloudPermissionError, match="was deleted"):
            manager.get_secret_sync(name)
    assert manager.get_performance_report()["performance_summary"]["entries"] == 0


def test_any_exception_of_the_access_reaches_the_caller_and_the_next_read_is_a_new_one(driven, vault):
    manager = driven()
    vault.errors["api-key"] = RuntimeError("a defect")
    with pytest.raises(RuntimeError, match="a defect"):
        manager.get_secret_sync("api-key")
    del vault.errors["api-key"]
    assert manager.get_secret_sync("api-key") == "k-123"


@pytest.mark.parametrize("sync", [True, False])
def test_preloading_reports_what_failed_and_raises_only_when_asked(make, vault, sync):
    manager = make(executor=Inline())
    vault.errors["api-key"] = CloudPermissionError("no", code="PERMISSION_DENIED")
    names = ["db-password", "api-key", "nowhere"]

    def preload(**options):
        return (
            manager.preload_sync(names, **options) if sync else asyncio.run(manager.preload(names, **options))
        )

    failures = preload()
    assert {name: type(error) for name, error in failures.items()} == {
        "api-key": CloudPermissionError,
        "nowhere": CloudNotFoundError,
    }
    assert manager.get_secret_sync("db-password") == "hunter2"
    assert vault.calls["db-password"] == 1
    with pytest.raises(CloudError, match="2 of 3"):
        preload(strict=True)


def test_preloading_what_is_no_text_is_no_failure(make, vault):
    vault.put("der", b"\xff")
    assert make().preload_sync(["der"], strict=True) == {}


def test_preloading_reads_a_bounded_number_at_once(make, vault):
    vault.hold = lambda: until(lambda: vault.most_at_once >= 8)
    names = [f"s{i}" for i in range(40)]
    for name in names:
        vault.put(name, name)
    assert make().preload_sync(names) == {}
    assert 8 <= vault.most_at_once <= 20
