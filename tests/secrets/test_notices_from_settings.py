"""``notices_subscription``: a manager listens from its first read on, in each process, until it is closed."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from genesis_performance import config, gcp
from genesis_performance.config.secret_manager import SecretManagerSection
from genesis_performance.errors import ConfigurationError
from genesis_performance.secrets import OptimizedSecretManager

from .conftest import until

TOPIC = "projects/p/topics/secrets"
SECRET = "projects/p/secrets/db"


def put(payload: bytes) -> None:
    gcp.call("secret_manager", "add_secret_version", {"parent": SECRET, "payload": {"data": payload}})


def subscriptions() -> list[str]:
    found = gcp.each("pubsub_subscriber", "list_subscriptions", {"project": "projects/p"})
    return [subscription.name for subscription in found]


@pytest.fixture
def manager(genesis_emulator) -> Iterator[OptimizedSecretManager]:
    config.reset()
    gcp.call("pubsub_publisher", "create_topic", {"name": TOPIC})
    secret = {"replication": {"automatic": {}}, "topics": [{"name": TOPIC}]}
    gcp.call("secret_manager", "create_secret", {"parent": "projects/p", "secret_id": "db", "secret": secret})
    put(b"old")
    section = SecretManagerSection(cache_ttl_s=3600, notices_subscription=TOPIC)
    with OptimizedSecretManager("p", config=section) as manager:
        yield manager


def listens(manager: OptimizedSecretManager) -> bool:
    notices = manager.get_performance_report()["notices"]
    return notices is not None and notices["listening_s"] is not None


def test_nothing_listens_before_the_first_read(manager):
    assert subscriptions() == []


def test_after_the_first_read_a_new_version_is_heard_of_and_read(manager):
    assert manager.get_secret_sync("db") == "old"
    until(lambda: listens(manager))
    put(b"new")
    until(lambda: manager.get_secret_sync("db") == "new")
    report = manager.get_performance_report()["notices"]
    assert report is not None
    assert report["source"] == TOPIC
    assert report["changes"] == 1


def test_closing_ends_the_listening_and_takes_the_subscription_back(manager):
    manager.get_secret_sync("db")
    until(lambda: listens(manager))
    assert len(subscriptions()) == 1
    manager.close()
    until(lambda: subscriptions() == [])


def test_a_forked_child_listens_from_its_own_first_read_on(manager):
    manager.get_secret_sync("db")
    until(lambda: listens(manager))
    pid = os.fork()
    if pid == 0:
        try:
            quiet = not listens(manager)
            manager.invalidate("db")
            manager.get_secret_sync("db")
            until(lambda: listens(manager))
            manager.close()
            os._exit(0 if quiet else 3)
        except BaseException:
            os._exit(4)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert listens(manager)


def test_a_source_that_is_no_name_is_an_error_that_names_the_setting(vault):
    section = SecretManagerSection(notices_subscription="my-topic")
    manager = OptimizedSecretManager("p", access=vault.access, config=section)
    with pytest.raises(ConfigurationError, match=r"secret_manager\.notices_subscription: .*my-topic"):
        manager.get_secret_sync("db")
