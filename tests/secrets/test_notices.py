"""What the cache does when something outside knows that a secret changed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from genesis_performance.config.secret_manager import SecretManagerSection
from genesis_performance.errors import CloudNotFoundError
from genesis_performance.gcp.secret_version import SecretVersion
from genesis_performance.secrets import OptimizedSecretManager

from .conftest import Inline

KEY = "projects/p/secrets/api-key"
POLLED = SecretManagerSection(safety_poll_s=3600)


@pytest.fixture
def manager(driven):
    return driven()


def used(manager, name="api-key", *version) -> str:
    manager.get_secret_sync(name, *version)
    return manager.get_secret_sync(name, *version)


def test_a_changed_secret_is_read_again_in_the_background_when_it_is_used(manager, vault):
    used(manager)
    vault.put("api-key", "new")
    manager.secret_changed(KEY)
    assert vault.calls["api-key"] == 2
    assert manager.get_secret_sync("api-key") == "new"
    assert vault.calls["api-key"] == 2


def test_a_changed_secret_that_nobody_uses_is_read_when_it_is_asked_for(manager, vault):
    manager.get_secret_sync("api-key")
    vault.put("api-key", "new")
    manager.secret_changed(KEY)
    assert vault.calls["api-key"] == 1
    assert manager.get_secret_sync("api-key") == "new"


def test_the_project_s_number_means_the_same_project(driven, vault):
    def numbered(name, timeout_s):
        version = vault.access(name, timeout_s)
        return SecretVersion(version.name.replace("projects/p/", "projects/4711/"), version.payload)

    manager = driven(access=numbered)
    used(manager)
    vault.put("api-key", "new")
    manager.secret_changed("projects/4711/secrets/api-key")
    assert manager.get_secret_sync("api-key") == "new"


@pytest.mark.parametrize(
    "resource",
    [
        "projects/p/secrets/db-password",
        "projects/other/secrets/api-key",
        "projects/p/locations/europe-west3/secrets/api-key",
        "",
        "garbage",
        None,
        7,
    ],
)
def test_what_concerns_another_secret_or_none_changes_nothing(manager, vault, resource):
    used(manager)
    manager.secret_changed(resource)
    manager.get_secret_sync("api-key")
    assert vault.total == 1


def test_a_notice_before_the_first_read_or_after_the_last_does_nothing():
    manager = OptimizedSecretManager("p")
    manager.secret_changed(KEY)
    manager.close()
    manager.secret_changed(KEY)


def test_a_new_version_leaves_pinned_ones_alone(manager, vault):
    used(manager, "api-key", "1")
    used(manager, "api-key")
    vault.put("api-key", "new")
    manager.on_secret_event("SECRET_VERSION_ADD", KEY, f"{KEY}/versions/2")
    assert manager.get_secret_sync("api-key", "1") == "k-123"
    assert manager.get_secret_sync("api-key") == "new"
    assert vault.calls["api-key"] == 3


def test_a_disabled_version_is_no_longer_served(manager, vault):
    used(manager, "api-key", "1")
    vault.errors["api-key"] = CloudNotFoundError("gone", code="NOT_FOUND")
    manager.on_secret_event("SECRET_VERSION_DISABLE", KEY, "1")
    with pytest.raises(CloudNotFoundError):
        manager.get_secret_sync("api-key", "1")


@pytest.mark.parametrize("event", ["SECRET_ROTATE", "TOPIC_CONFIGURED"])
def test_events_that_change_no_value_cost_no_read(manager, vault, event):
    used(manager)
    manager.on_secret_event(event, KEY)
    assert vault.total == 1


def test_a_secret_that_was_missing_is_asked_for_again_when_it_is_made(manager, vault):
    with pytest.raises(CloudNotFoundError):
        manager.get_secret_sync("later")
    vault.put("later", "now")
    manager.on_secret_event("SECRET_CREATE", "projects/p/secrets/later")
    assert manager.get_secret_sync("later") == "now"


def test_while_the_change_is_not_seen_yet_it_is_looked_for_soon_again(manager, vault, clock):
    used(manager)
    manager.secret_changed(KEY)  # but "latest" still stands for the old version
    manager.get_secret_sync("api-key")
    vault.put("api-key", "new")
    assert manager.next_refresh_at() - clock.now <= 10
    clock.now = manager.next_refresh_at()
    manager.refresh_due()
    assert manager.get_secret_sync("api-key") == "new"
    assert manager.next_refresh_at() - clock.now > 200


def test_looking_soon_again_ends_when_nothing_changes(manager, vault, clock):
    used(manager)
    manager.secret_changed(KEY)
    for _ in range(10):
        manager.get_secret_sync("api-key")
        clock.advance(10)
        manager.refresh_due()
    assert vault.total == 4


def test_notices_alone_do_not_widen_the_bound(manager, vault, clock):
    manager.rely_on_notices()
    used(manager)
    vault.put("api-key", "new")
    clock.advance(300)
    assert manager.get_secret_sync("api-key") == "new"


def test_with_a_safety_poll_set_it_is_the_bound_while_notices_arrive(driven, vault, clock):
    manager = driven(config=POLLED)
    manager.rely_on_notices()
    used(manager)
    vault.put("api-key", "new")
    clock.advance(3599)
    assert manager.get_secret_sync("api-key") == "k-123"
    clock.advance(1)
    assert manager.get_secret_sync("api-key") == "new"


def test_when_notices_stop_no_value_outlives_its_own_bound(driven, vault, clock):
    manager = driven(config=POLLED)
    manager.rely_on_notices()
    used(manager)
    vault.put("api-key", "new")
    clock.advance(299)
    manager.rely_on_notices(False)
    assert manager.get_secret_sync("api-key") == "k-123"
    clock.advance(1)
    assert manager.get_secret_sync("api-key") == "new"


def test_notices_from_many_threads_among_readers_lose_nothing(make, vault):
    manager = make(executor=Inline())
    with ThreadPoolExecutor(8) as pool:
        for i in range(200):
            pool.submit(manager.secret_changed, KEY)
            pool.submit(manager.get_secret_sync, "api-key")
            if i == 100:
                vault.put("api-key", "new")
    manager.secret_changed(KEY)
    assert manager.get_secret_sync("api-key") == "new"
