"""What Secret Manager publishes to the topics of a secret."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from google import pubsub_v1
from google.api_core import exceptions
from google.protobuf import duration_pb2

TOPIC = "projects/shop/topics/secrets"
SUBSCRIPTION = "projects/shop/subscriptions/listener"
NAME = "projects/shop/secrets/db"
PAYLOAD = b"correct horse battery staple"


@pytest.fixture
def listening(connect):
    """A topic with a subscription."""
    connect(pubsub_v1.PublisherClient).create_topic(name=TOPIC)
    connect(pubsub_v1.SubscriberClient).create_subscription(name=SUBSCRIPTION, topic=TOPIC)


@pytest.fixture
def notices(connect, listening):
    """``notices()``: the messages since the last time."""
    subscriber = connect(pubsub_v1.SubscriberClient)

    def notices():
        received = subscriber.pull(
            request={"subscription": SUBSCRIPTION, "max_messages": 100, "return_immediately": True}
        ).received_messages
        if received:
            subscriber.acknowledge(subscription=SUBSCRIPTION, ack_ids=[one.ack_id for one in received])
        return [one.message for one in received]

    return notices


@pytest.fixture
def events(notices):
    return lambda: [message.attributes["eventType"] for message in notices()]


@pytest.fixture
def noisy(make, notices):
    """``noisy(*payloads, **fields)``: a secret whose changes are published; its first notices are taken."""

    def noisy(*payloads, **fields):
        secret = make("db", *payloads, topics=[{"name": TOPIC}], **fields)
        notices()
        return secret

    return noisy


def test_a_new_secret_tests_its_topics_and_tells_them(make, notices):
    secret = make(topics=[{"name": TOPIC}])
    test, created = notices()
    assert dict(test.attributes) == {"eventType": "TOPIC_CONFIGURED"}
    assert test.data == b""
    assert {key: created.attributes[key] for key in ("eventType", "dataFormat", "secretId")} == {
        "eventType": "SECRET_CREATE",
        "dataFormat": "JSON_API_V1",
        "secretId": secret.name,
    }
    at = datetime.fromisoformat(created.attributes["timestamp"])
    assert abs(at - datetime.now(UTC)) < timedelta(minutes=1)
    assert "versionId" not in created.attributes
    assert json.loads(created.data)["topics"] == [{"name": TOPIC}]


def test_a_new_version_is_told_without_its_payload(noisy, client, notices):
    secret = noisy()
    version = client.add_secret_version(parent=NAME, payload={"data": PAYLOAD})
    (notice,) = notices()
    assert notice.attributes["eventType"] == "SECRET_VERSION_ADD"
    assert notice.attributes["secretId"] == secret.name
    assert notice.attributes["versionId"] == version.name
    told = json.loads(notice.data)
    assert (told["name"], told["state"]) == (version.name, "ENABLED")
    assert PAYLOAD not in pubsub_v1.PubsubMessage.serialize(notice)


def test_states_of_versions_are_told(noisy, client, events):
    noisy(b"1")
    for change in (
        client.disable_secret_version,
        client.enable_secret_version,
        client.destroy_secret_version,
    ):
        change(name=f"{NAME}/versions/1")
    assert events() == ["SECRET_VERSION_DISABLE", "SECRET_VERSION_ENABLE", "SECRET_VERSION_DESTROY"]


def test_a_delayed_destruction_is_told_when_scheduled_and_when_done(genesis_emulator, noisy, client, events):
    noisy(b"1", version_destroy_ttl=duration_pb2.Duration(seconds=86_400))
    client.destroy_secret_version(name=f"{NAME}/versions/1")
    assert events() == ["SECRET_VERSION_DESTROY_SCHEDULED"]
    genesis_emulator.advance(86_401)
    assert events() == ["SECRET_VERSION_DESTROY"]


def test_an_update_is_told_and_new_topics_are_tested_first(noisy, change, events, make):
    noisy()
    change(NAME, "labels", labels={"a": "b"})
    assert events() == ["SECRET_UPDATE"]
    make("quiet")
    change("projects/shop/secrets/quiet", "topics", topics=[{"name": TOPIC}])
    assert events() == ["TOPIC_CONFIGURED", "SECRET_UPDATE"]


def test_a_deletion_is_told_with_its_reason(genesis_emulator, noisy, client, notices):
    noisy()
    client.delete_secret(name=NAME)
    (deleted,) = notices()
    noisy(ttl=duration_pb2.Duration(seconds=60))
    genesis_emulator.advance(61)
    (expired,) = notices()
    assert [one.attributes["eventType"] for one in (deleted, expired)] == ["SECRET_DELETE"] * 2
    assert [one.attributes["deleteType"] for one in (deleted, expired)] == ["REQUESTED", "EXPIRATION"]


def test_a_rotation_that_is_due_is_told_once_and_changes_no_version(genesis_emulator, noisy, client, events):
    noisy(
        b"1",
        rotation={
            "rotation_period": duration_pb2.Duration(seconds=3600),
            "next_rotation_time": datetime.now(UTC) + timedelta(seconds=400),
        },
    )
    genesis_emulator.advance(390)
    assert events() == []
    genesis_emulator.advance(20)
    assert events() == ["SECRET_ROTATE"]
    assert events() == []
    genesis_emulator.advance(3600)
    assert events() == ["SECRET_ROTATE"]
    assert len(list(client.list_secret_versions(parent=NAME))) == 1


def test_a_rotation_without_a_period_happens_once(genesis_emulator, noisy, events):
    noisy(rotation={"next_rotation_time": datetime.now(UTC) + timedelta(seconds=400)})
    genesis_emulator.advance(500)
    genesis_emulator.advance(10_000)
    assert events() == ["SECRET_ROTATE"]


def test_reading_is_not_told(noisy, client, events):
    noisy(b"1")
    client.get_secret(name=NAME)
    list(client.list_secret_versions(parent=NAME))
    client.access_secret_version(name=f"{NAME}/versions/latest")
    assert events() == []


def test_what_is_refused_is_not_told(noisy, client, events):
    noisy()
    with pytest.raises(exceptions.InvalidArgument):
        client.add_secret_version(parent=NAME, payload={"data": b""})
    assert events() == []


def test_a_topic_has_to_exist(make, client):
    with pytest.raises(exceptions.FailedPrecondition, match="does not exist"):
        make(topics=[{"name": "projects/shop/topics/nowhere"}])
    assert list(client.list_secrets(parent="projects/shop")) == []


def test_a_topic_that_was_deleted_hinders_nothing(noisy, client, connect):
    noisy()
    connect(pubsub_v1.PublisherClient).delete_topic(topic=TOPIC)
    assert client.add_secret_version(parent=NAME, payload={"data": b"1"}).name.endswith("/versions/1")


def test_every_topic_of_a_secret_is_told(make, connect, listening, events):
    publisher = connect(pubsub_v1.PublisherClient)
    subscriber = connect(pubsub_v1.SubscriberClient)
    other = publisher.create_topic(name="projects/other/topics/secrets").name
    subscription = subscriber.create_subscription(name="projects/other/subscriptions/all", topic=other).name
    make(topics=[{"name": TOPIC}, {"name": other}])
    received = subscriber.pull(subscription=subscription, max_messages=10).received_messages
    assert [one.message.attributes["eventType"] for one in received] == events()
