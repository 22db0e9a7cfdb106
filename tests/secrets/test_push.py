"""Notices: what is told to the manager, what is acknowledged, and what a bad line does. No network here."""

from __future__ import annotations

import base64
import json
import logging
import queue
import threading
from collections import Counter
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genesis_performance.errors import (
    CloudNotFoundError,
    CloudPermissionError,
    CloudUnavailableError,
    InvalidInputError,
    MissingDependencyError,
    StateError,
)
from genesis_performance.secrets.notices import WITHOUT_CHANGE as OTHERS
from genesis_performance.secrets.push import CHANGES, SecretNotices

from .conftest import until

SECRET = "projects/p/secrets/db"
SOURCE = "projects/p/subscriptions/listener"
COUNTS = ("received", "changes", "ignored", "malformed", "failed")


class Manager:
    """Notes what has changed."""

    def __init__(self) -> None:
        self.changed: list[str] = []
        self.relies: list[bool] = []
        self.error: Exception | None = None

    def secret_changed(self, resource: str) -> None:
        if self.error is not None:
            raise self.error
        self.changed.append(resource)

    def rely_on_notices(self, relies: bool) -> None:
        self.relies.append(relies)


class Feed:
    """A subscription made of a queue: lists of attributes to pull, or errors to raise."""

    def __init__(self) -> None:
        self.coming: queue.Queue[object] = queue.Queue()
        self.waits: list[float] = []
        self.acknowledged: list[str] = []
        self.opened = 0
        self.closed = 0
        self.refusal: Exception | None = None

    def open(self, source: str) -> Feed:
        self.opened += 1
        if self.refusal is not None:
            raise self.refusal
        return self

    def pull(self, most: int, wait_s: float) -> list[SimpleNamespace]:
        self.waits.append(wait_s)
        found = self.coming.get()
        if isinstance(found, Exception):
            raise found
        return [SimpleNamespace(ack_id=str(number), attributes=each) for number, each in enumerate(found)]

    def acknowledge(self, ack_ids) -> None:
        self.acknowledged.extend(ack_ids)

    def cancel(self) -> None:
        self.coming.put([])

    def resume(self) -> None:
        raise AssertionError("nobody forks")

    def close(self) -> None:
        self.closed += 1


def notice(event: str = "SECRET_VERSION_ADD", secret: str = SECRET) -> dict[str, str]:
    return {"eventType": event, "dataFormat": "JSON_API_V1", "secretId": secret}


def pushed(attributes) -> dict:
    """As Pub/Sub pushes it."""
    return {
        "message": {"attributes": attributes, "data": "e30=", "messageId": "1"},
        "subscription": "projects/p/subscriptions/s",
    }


def counts(notices: SecretNotices) -> tuple[int, ...]:
    report = notices.report()
    return tuple(report[name] for name in COUNTS)


@pytest.fixture
def manager() -> Manager:
    return Manager()


@pytest.fixture
def by_hand(manager) -> SecretNotices:
    return SecretNotices(manager)


@pytest.fixture
def feed() -> Feed:
    return Feed()


@pytest.fixture
def pulling(manager, feed, clock):
    """Notices that are pulled from the feed, without pauses after errors."""
    notices = SecretNotices(manager, SOURCE, open_subscription=feed.open, clock=clock, chance=lambda: 0.0)
    yield notices
    notices.stop()


@pytest.mark.parametrize("event", sorted(CHANGES))
def test_what_can_change_a_value_is_told(manager, by_hand, event):
    assert by_hand.handle_push(pushed(notice(event)))
    assert manager.changed == [SECRET]
    assert counts(by_hand) == (1, 1, 0, 0, 0)


@pytest.mark.parametrize("event", sorted(OTHERS))
def test_what_changes_no_value_is_ignored(manager, by_hand, event):
    assert by_hand.handle_push(pushed(notice(event)))
    assert manager.changed == []
    assert counts(by_hand) == (1, 0, 1, 0, 0)


@pytest.mark.parametrize(
    "secret", ["projects/123/secrets/a-b_C", "projects/p/locations/europe-west3/secrets/s"]
)
def test_names_with_numbers_and_regional_ones_are_told(manager, by_hand, secret):
    by_hand.handle_push(pushed(notice(secret=secret)))
    assert manager.changed == [secret]


def test_a_notice_of_a_version_names_the_version(manager, by_hand):
    for version in (
        f"{SECRET}/versions/3",
        "projects/p/secrets/other/versions/4",
        "3",
        3,
        f"{SECRET}/versions/",
    ):
        by_hand.handle_push(pushed(notice() | {"versionId": version}))
    assert manager.changed == [f"{SECRET}/versions/3", SECRET, SECRET, SECRET, SECRET]


def test_every_form_of_a_body_is_read(manager, by_hand):
    plain = pushed(notice())
    event = {"specversion": "1.0", "type": "google.cloud.pubsub.topic.v1.messagePublished", "data": plain}
    text = json.dumps(plain)
    for body in (plain, text, text.encode(), bytearray(text.encode()), json.dumps(event)):
        assert by_hand.handle_push(body)
    assert manager.changed == [SECRET] * 5


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"{",
        b"[" * 100_000,
        b"x" * 14_000_001,
        "null",
        "[]",
        None,
        7,
        {},
        {"message": None},
        {"message": {"attributes": [1]}},
        pushed({}),
        pushed({"eventType": ["SECRET_UPDATE"]}),
        pushed({"eventType": "SECRET_VERSION_ADD"}),
        pushed({"eventType": "SECRET_VERSION_ADD", "secretId": 7}),
        pushed(notice(secret="db")),
        pushed(notice(secret=f"{SECRET}/versions/3")),
        pushed(notice(secret=f"{SECRET}\nprojects/p/secrets/other")),
        pushed(notice(event="OBJECT_FINALIZE")),
    ],
)
def test_what_is_no_notice_is_counted_and_acknowledged(manager, by_hand, body):
    assert by_hand.handle_push(body)
    assert manager.changed == []
    assert counts(by_hand) == (1, 0, 0, 1, 0)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["data", "message", "attributes", "eventType", "secretId"]) | st.text(), inner
            )
        ),
    )
    | st.binary()
)
def test_nothing_that_is_pushed_raises(body):
    manager = Manager()
    assert SecretNotices(manager).handle_push(body)
    assert manager.changed == []


def test_a_notice_the_manager_can_not_take_is_to_come_again(manager, by_hand):
    manager.error = StateError("closed")
    assert not by_hand.handle_push(pushed(notice()))
    assert counts(by_hand) == (1, 0, 0, 0, 1)


def test_nothing_of_a_message_is_logged(manager, by_hand, caplog):
    caplog.set_level(logging.DEBUG)
    manager.error = ValueError("no")
    canary = "c4n4ry-in-the-coal-mine"
    by_hand.handle_push(pushed({"eventType": canary, "secretId": canary}))
    data = base64.b64encode(canary.encode()).decode()
    by_hand.handle_push({"message": {"attributes": notice(), "data": data}})
    assert canary not in caplog.text
    assert data not in caplog.text


def test_without_a_source_there_is_nothing_to_start(by_hand):
    with pytest.raises(StateError, match="handle_push"):
        by_hand.start()


@pytest.mark.parametrize("source", ["", "listener", "projects/p/secrets/s", "projects/p/subscriptions/", 7])
def test_what_names_no_source_is_refused(manager, source):
    with pytest.raises(InvalidInputError, match="projects/P/subscriptions/S"):
        SecretNotices(manager, source)


def test_nothing_happens_before_the_start(feed, pulling):
    assert feed.opened == 0
    assert not pulling.is_running


def test_pulled_notices_are_told_and_then_acknowledged(manager, feed, pulling):
    feed.coming.put([notice(), notice("SECRET_ROTATE"), {"size": "large"}])
    pulling.start()
    until(lambda: len(feed.acknowledged) == 3)
    assert manager.changed == [SECRET]
    assert counts(pulling) == (3, 1, 1, 1, 0)


def test_a_pulled_notice_the_manager_can_not_take_is_not_acknowledged(manager, feed, pulling):
    manager.error = RuntimeError("no")
    feed.coming.put([notice(), notice("SECRET_ROTATE")])
    pulling.start()
    until(lambda: feed.acknowledged == ["1"])
    assert pulling.report()["failed"] == 1


def test_two_starts_are_one(feed, pulling):
    pulling.start()
    until(lambda: feed.waits)
    pulling.start()
    assert sum(thread.name == "genesis-secrets-notices" for thread in threading.enumerate()) == 1


def test_a_stop_ends_the_pull_and_closes_the_subscription(feed, pulling):
    pulling.start()
    until(lambda: feed.waits)
    pulling.stop()
    pulling.stop()
    assert not pulling.is_running
    assert feed.closed == 1
    assert pulling.listening_since is None


def test_what_comes_after_the_stop_is_left_to_come_again(manager, feed, pulling):
    pulling.start()
    until(lambda: feed.waits)
    feed.cancel = lambda: feed.coming.put([notice()])
    pulling.stop()
    assert manager.changed == []
    assert feed.acknowledged == []


def test_it_can_be_started_again(manager, feed, pulling):
    pulling.start()
    until(lambda: feed.waits)
    pulling.stop()
    feed.coming.put([notice()])
    pulling.start()
    until(lambda: manager.changed == [SECRET])


def test_it_listens_from_the_first_answer_on_which_does_not_wait(clock, feed, pulling):
    pulling.start()
    until(lambda: feed.waits)
    assert pulling.listening_since is None
    feed.coming.put([])
    until(lambda: len(feed.waits) == 2)
    assert pulling.listening_since == clock.now
    assert feed.waits == [0.0, 30.0]
    clock.advance(5)
    assert pulling.report()["listening_s"] == 5


def test_an_error_ends_the_listening_until_the_next_answer(feed, pulling):
    pulling.start()
    feed.coming.put([])
    until(lambda: pulling.listening_since is not None)
    feed.coming.put(CloudUnavailableError("gone", code="UNAVAILABLE"))
    until(lambda: pulling.listening_since is None)
    assert (pulling.report()["errors"], pulling.report()["last_error"]) == (1, "gone")
    feed.coming.put([])
    until(lambda: pulling.listening_since is not None)
    assert feed.opened == 1


def test_the_manager_knows_while_it_can_rely_on_notices(manager, feed, pulling):
    pulling.start()
    for coming, expected in (
        ([], [True]),
        ([], [True]),
        (CloudUnavailableError("gone", code="UNAVAILABLE"), [True, False]),
        ([], [True, False, True]),
    ):
        before = len(feed.waits)
        feed.coming.put(coming)
        until(lambda before=before: len(feed.waits) > before)
        assert manager.relies == expected
    pulling.stop()
    assert manager.relies == [True, False, True, False]


def test_a_subscription_that_is_gone_is_opened_again(feed, pulling):
    pulling.start()
    feed.coming.put(CloudNotFoundError("gone", code="NOT_FOUND"))
    until(lambda: feed.opened == 2)


def test_the_same_error_is_said_once(feed, pulling, caplog):
    for _ in range(3):
        feed.coming.put(CloudPermissionError("no consume", code="PERMISSION_DENIED"))
    feed.coming.put([])
    pulling.start()
    until(lambda: pulling.listening_since is not None)
    assert Counter(record.levelname for record in caplog.records)["WARNING"] == 1


def test_the_pauses_double_up_to_a_minute(manager):
    notices = SecretNotices(manager, SOURCE, chance=lambda: 1.0)
    error = CloudUnavailableError("x", code="UNAVAILABLE")
    assert [notices._missed(error) for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    notices._heard()
    assert notices._missed(error) == 1


def test_what_no_waiting_repairs_ends_the_thread(feed, pulling):
    feed.refusal = MissingDependencyError("Pub/Sub needs google.pubsub_v1")
    pulling.start()
    until(lambda: not pulling.is_running)
    assert feed.opened == 1
    assert "google.pubsub_v1" in pulling.report()["last_error"]
