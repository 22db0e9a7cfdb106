"""Notices the whole way: Secret Manager publishes, Pub/Sub delivers, the cache reads again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from base64 import b64encode
from types import SimpleNamespace

import pytest

from genesis_performance import config, gcp
from genesis_performance.config.secret_manager import SecretManagerSection
from genesis_performance.emulator.services import pubsub_subscriber
from genesis_performance.errors import CloudNotFoundError, CloudPermissionError, CloudUnavailableError
from genesis_performance.gcp.pull_subscription import PullSubscription, open_subscription
from genesis_performance.secrets import OptimizedSecretManager, push
from genesis_performance.secrets.push import SecretNotices

from .conftest import until

TOPIC = "projects/p/topics/secrets"
SUBSCRIPTION = "projects/p/subscriptions/listener"
SECRET = "projects/p/secrets/db"
PULL = "google.pubsub.v1.Subscriber/Pull"
ACCESS = "google.cloud.secretmanager.v1.SecretManagerService/AccessSecretVersion"


class Noting:
    """A manager that notes what has changed."""

    def __init__(self) -> None:
        self.changed: list[str] = []

    def secret_changed(self, resource: str) -> None:
        self.changed.append(resource)

    def rely_on_notices(self, relies: bool) -> None:
        pass


def put(payload: bytes) -> None:
    gcp.call("secret_manager", "add_secret_version", {"parent": SECRET, "payload": {"data": payload}})


def subscriptions() -> list[str]:
    found = gcp.each("pubsub_subscriber", "list_subscriptions", {"project": "projects/p"})
    return [subscription.name for subscription in found]


@pytest.fixture
def cloud(genesis_emulator) -> SimpleNamespace:
    """A topic with a subscription, and a secret that publishes to the topic."""
    config.reset()
    gcp.call("pubsub_publisher", "create_topic", {"name": TOPIC})
    gcp.call("pubsub_subscriber", "create_subscription", {"name": SUBSCRIPTION, "topic": TOPIC})
    secret = {"replication": {"automatic": {}}, "topics": [{"name": TOPIC}]}
    gcp.call("secret_manager", "create_secret", {"parent": "projects/p", "secret_id": "db", "secret": secret})
    put(b"old")
    return SimpleNamespace(emulator=genesis_emulator, calls=genesis_emulator.calls)


@pytest.fixture
def patient(monkeypatch) -> None:
    """A pull waits longer than any test takes."""
    monkeypatch.setattr(pubsub_subscriber, "PULL_WAIT_S", 600.0)
    monkeypatch.setattr(push, "PULL_S", 600.0)


@pytest.fixture
def noting() -> Noting:
    return Noting()


@pytest.fixture
def listening(cloud, noting):
    """Notices that are pulled; what the making of the secret published has been taken."""
    notices = SecretNotices(noting, SUBSCRIPTION)
    notices.start()
    until(lambda: notices.report()["changes"] == 2)
    noting.changed.clear()
    yield notices
    notices.stop()


@pytest.fixture
def manager(cloud):
    with OptimizedSecretManager("p", cache_ttl_s=3600) as manager:
        yield manager


def test_a_new_version_is_read_at_the_next_use_without_polling(cloud, manager):
    notices = SecretNotices(manager, SUBSCRIPTION)
    notices.start()
    try:
        until(lambda: notices.report()["changes"] == 2)
        assert manager.get_secret_sync("db") == "old"
        put(b"new")
        until(lambda: notices.report()["changes"] == 3)
        assert manager.get_secret_sync("db") == "new"
        assert manager.get_secret_sync("db") == "new"
        assert cloud.calls()[ACCESS] == 2
    finally:
        notices.stop()


def test_a_rotation_by_the_clock_ends_in_the_new_value(cloud, manager):
    """The schedule is announced, whoever rotates adds the version, and the cache has it."""
    next_time = {"seconds": int(time.time()) + 400}
    rotation = {"next_rotation_time": next_time, "rotation_period": {"seconds": 3600}}
    gcp.call(
        "secret_manager",
        "update_secret",
        {"secret": {"name": SECRET, "rotation": rotation}, "update_mask": {"paths": ["rotation"]}},
    )

    class Rotator:
        """What listens for the schedule in production: it adds the new version."""

        def pull(self) -> None:
            request = {"subscription": "projects/p/subscriptions/rotator", "max_messages": 10}
            response = gcp.call("pubsub_subscriber", "pull", request)
            events = [one.message.attributes["eventType"] for one in response.received_messages]
            assert events == ["SECRET_ROTATE"]
            put(b"rotated")

    gcp.call(
        "pubsub_subscriber",
        "create_subscription",
        {"name": "projects/p/subscriptions/rotator", "topic": TOPIC},
    )
    notices = SecretNotices(manager, SUBSCRIPTION)
    notices.start()
    try:
        until(lambda: notices.report()["changes"] == 3)  # created, a version, the schedule
        assert manager.get_secret_sync("db") == "old"
        cloud.emulator.advance(410)
        until(lambda: notices.report()["ignored"] == 2)  # TOPIC_CONFIGURED, SECRET_ROTATE
        assert manager.get_secret_sync("db") == "old"
        assert cloud.calls()[ACCESS] == 1
        Rotator().pull()
        until(lambda: notices.report()["changes"] == 4)
        assert manager.get_secret_sync("db") == "rotated"
    finally:
        notices.stop()


def test_what_is_watched_outlives_its_time_until_nobody_listens(cloud):
    now = [1000.0]
    section = SecretManagerSection(cache_ttl_s=300, safety_poll_s=3600)
    with OptimizedSecretManager("p", config=section, clock=lambda: now[0]) as manager:
        notices = SecretNotices(manager, SUBSCRIPTION, clock=lambda: now[0])
        notices.start()
        until(lambda: notices.report()["changes"] == 2)
        assert manager.get_secret_sync("db") == "old"
        now[0] += 3000
        assert manager.get_secret_sync("db") == "old"
        assert cloud.calls()[ACCESS] == 1
        notices.stop()
        assert manager.get_secret_sync("db") == "old"
        assert cloud.calls()[ACCESS] == 2


def test_a_pushed_notice_does_the_same(cloud, manager):
    assert manager.get_secret_sync("db") == "old"
    put(b"new")
    response = gcp.call("pubsub_subscriber", "pull", {"subscription": SUBSCRIPTION, "max_messages": 10})
    notices = SecretNotices(manager)
    for one in response.received_messages:
        message = {
            "attributes": dict(one.message.attributes),
            "data": b64encode(one.message.data).decode(),
            "messageId": one.message.message_id,
        }
        assert notices.handle_push(json.dumps({"message": message, "subscription": SUBSCRIPTION}))
    assert manager.get_secret_sync("db") == "new"


def test_what_was_taken_is_not_delivered_again(cloud, noting, listening):
    put(b"new")
    until(lambda: noting.changed)
    until(lambda: cloud.calls().get("google.pubsub.v1.Subscriber/Acknowledge", 0) >= 2)
    cloud.emulator.advance(700)
    put(b"newer")
    until(lambda: len(noting.changed) == 2)
    assert listening.report()["received"] == 5


def test_an_idle_subscription_is_not_asked_all_the_time(patient, cloud, listening):
    until(lambda: cloud.calls()[PULL] == 2)  # what there was, and the one that waits
    threading.Event().wait(0.3)
    assert cloud.calls()[PULL] == 2


def test_a_stop_does_not_wait_for_the_pull(patient, listening):
    listening.stop()  # it waits for the thread, but not as long as a pull takes
    assert not [thread for thread in threading.enumerate() if thread.name == "genesis-secrets-notices"]
    assert not listening.is_running


def test_an_outage_of_pubsub_is_over_when_it_is_over(cloud, noting):
    cloud.emulator.fail(PULL, "UNAVAILABLE", times=3)
    notices = SecretNotices(noting, SUBSCRIPTION, chance=lambda: 0.0)
    notices.start()
    until(lambda: notices.report()["changes"] == 2)
    assert notices.report()["errors"] == 3
    assert notices.listening_since is not None
    notices.stop()


def test_a_topic_gives_every_listener_its_own_subscription_and_takes_it_back(cloud):
    listeners = [Noting() for _ in range(3)]
    all_notices = [SecretNotices(noting, TOPIC) for noting in listeners]
    for notices in all_notices:
        notices.start()
    until(lambda: all(notices.listening_since is not None for notices in all_notices))
    assert len(subscriptions()) == 4
    put(b"new")
    until(lambda: all(len(noting.changed) == 1 for noting in listeners))
    for notices in all_notices:
        notices.stop()
    assert subscriptions() == [SUBSCRIPTION]


def test_an_own_subscription_that_was_lost_is_made_anew(cloud, noting):
    notices = SecretNotices(noting, TOPIC, chance=lambda: 0.0)
    notices.start()
    until(lambda: notices.listening_since is not None)
    (own,) = [name for name in subscriptions() if name != SUBSCRIPTION]
    gcp.call("pubsub_subscriber", "delete_subscription", {"subscription": own})
    until(lambda: any(name not in (own, SUBSCRIPTION) for name in subscriptions()))
    until(lambda: notices.listening_since is not None)
    put(b"new")
    until(lambda: noting.changed)
    notices.stop()


class TestPullSubscription:
    def test_a_wait_without_a_message_is_no_error(self, cloud):
        subscription = PullSubscription(SUBSCRIPTION)
        subscription.acknowledge([one.ack_id for one in subscription.pull(10, 5)])
        assert subscription.pull(10, 0.05) == []
        # The one that waited, if it got that far, and one to see whether anybody is there.
        assert 2 <= cloud.calls()[PULL] <= 3

    def test_a_line_that_is_dead_is_an_error_and_not_an_idle_subscription(self, cloud, monkeypatch):
        monkeypatch.setattr("genesis_performance.gcp.pull_subscription.ANSWER_S", 0.1)
        cloud.emulator.fail(PULL, "OK", delay_ms=2000, times=None)
        with pytest.raises(CloudUnavailableError):
            PullSubscription(SUBSCRIPTION).pull(10, 0.1)

    def test_refusals_are_errors_of_ours_that_name_the_subscription(self, cloud):
        cloud.emulator.fail(PULL, "PERMISSION_DENIED")
        with pytest.raises(CloudPermissionError, match=SUBSCRIPTION):
            PullSubscription(SUBSCRIPTION).pull(10, 0)
        with pytest.raises(CloudNotFoundError):
            PullSubscription("projects/p/subscriptions/nowhere").pull(10, 0)

    def test_nothing_is_pulled_once_it_is_cancelled(self, cloud):
        subscription = PullSubscription(SUBSCRIPTION)
        subscription.cancel()
        assert subscription.pull(10, 0) is None
        assert PULL not in cloud.calls()
        subscription.resume()
        assert len(subscription.pull(10, 0)) == 3

    def test_an_own_one_keeps_little_and_expires(self, cloud):
        own = open_subscription(TOPIC)
        made = gcp.call("pubsub_subscriber", "get_subscription", {"subscription": own.name})
        assert made.message_retention_duration.total_seconds() == 600
        assert made.expiration_policy.ttl.total_seconds() == 86_400
        own.close()
        own.close()
        assert subscriptions() == [SUBSCRIPTION]


FORKING = """
import os, sys, threading, time
from genesis_performance.secrets.push import SecretNotices

class Noting:
    def __init__(self):
        self.relies = None
    def secret_changed(self, resource):
        pass
    def rely_on_notices(self, relies):
        self.relies = relies

def until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, notices.report()
        time.sleep(0.01)

noting = Noting()
notices = SecretNotices(noting, sys.argv[1])
notices.start()
until(lambda: notices.listening_since is not None)
for _ in range(5):
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            assert not notices.is_running and notices.listening_since is None and noting.relies is False
            assert notices.report()["received"] == 0
            notices.start()
            until(lambda: notices.listening_since is not None)
            notices.stop()
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert notices.is_running and noting.relies is True
"""


def run_spawned(source: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", FORKING, source],
        env=os.environ, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_forked_children_listen_on_their_own_and_the_process_ends_while_it_listens(cloud):
    ran = run_spawned(TOPIC)
    assert ran.returncode == 0, ran.stderr
    assert len(subscriptions()) == 2  # the parent ended without stop: its own one expires
