from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import pytest
from google import pubsub_v1
from google.api_core import exceptions
from google.protobuf import duration_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from genesis_performance.emulator.cloud import Cloud
from genesis_performance.emulator.services import pubsub_subscriber
from genesis_performance.emulator.services.pubsub_backlog import Backlog
from genesis_performance.emulator.state_file import load, save

TOPIC = "projects/shop/topics/orders"
SUBSCRIPTION = "projects/shop/subscriptions/bakery"
PULL = "google.pubsub.v1.Subscriber/Pull"


def ack_ids(received):
    return [one.ack_id for one in received]


def data(received):
    return [one.message.data for one in received]


def test_a_message_comes_as_it_was_published_with_an_id_and_a_time(subscribed, publisher, pull):
    subscribed()
    sent = pubsub_v1.PubsubMessage(data=b"bread", attributes={"size": "large"}, message_id="mine")
    (message_id,) = publisher.publish(topic=TOPIC, messages=[sent]).message_ids
    (received,) = pull()
    assert received.message.data == b"bread"
    assert dict(received.message.attributes) == {"size": "large"}
    assert received.message.message_id == message_id != "mine"
    assert abs(received.message.publish_time.timestamp() - time.time()) < 60


def test_every_subscription_gets_every_message(subscribed, publish, pull):
    other = "projects/shop/subscriptions/other"
    subscribed()
    subscribed(other)
    publish(b"1", b"2")
    assert data(pull()) == data(pull(subscription=other)) == [b"1", b"2"]


def test_what_was_published_before_a_subscription_does_not_come(publisher, publish, subscribed, pull):
    publisher.create_topic(name=TOPIC)
    publish(b"early")
    subscribed()
    assert pull() == []


def test_pullers_of_one_subscription_share_its_messages(subscribed, publish, pull):
    subscribed()
    publish(b"1", b"2", b"3")
    assert data(pull(2)) + data(pull(2)) == [b"1", b"2", b"3"]


def test_acknowledged_is_over(genesis_emulator, subscribed, publish, pull, subscriber):
    subscribed()
    publish(b"1")
    ids = ack_ids(pull())
    subscriber.acknowledge(subscription=SUBSCRIPTION, ack_ids=ids)
    subscriber.acknowledge(subscription=SUBSCRIPTION, ack_ids=ids)  # twice is no error
    genesis_emulator.advance(3600)
    assert pull() == []


def test_not_acknowledged_comes_again_when_the_deadline_has_passed(
    genesis_emulator, subscribed, publish, pull
):
    genesis_emulator.freeze()
    subscribed(ack_deadline_seconds=20)
    publish(b"1")
    (first,) = pull()
    genesis_emulator.advance(19)
    assert pull() == []
    genesis_emulator.advance(1)
    (second,) = pull()
    assert second.message == first.message
    assert second.ack_id != first.ack_id


def test_the_ack_of_an_older_delivery_does_not_count(genesis_emulator, subscribed, publish, pull, subscriber):
    subscribed()
    publish(b"1")
    older = ack_ids(pull())
    genesis_emulator.advance(11)
    assert len(pull()) == 1
    subscriber.acknowledge(subscription=SUBSCRIPTION, ack_ids=older)
    genesis_emulator.advance(11)
    assert len(pull()) == 1


def test_a_late_ack_counts_until_the_message_is_delivered_again(
    genesis_emulator, subscribed, publish, pull, subscriber
):
    subscribed()
    publish(b"1")
    late = ack_ids(pull())
    genesis_emulator.advance(11)
    subscriber.acknowledge(subscription=SUBSCRIPTION, ack_ids=late)
    assert pull() == []


def test_a_deadline_can_be_moved_on(genesis_emulator, subscribed, publish, pull, subscriber):
    genesis_emulator.freeze()
    subscribed()
    publish(b"1")
    subscriber.modify_ack_deadline(
        subscription=SUBSCRIPTION, ack_ids=ack_ids(pull()), ack_deadline_seconds=600
    )
    genesis_emulator.advance(599)
    assert pull() == []
    genesis_emulator.advance(1)
    assert len(pull()) == 1


def test_a_deadline_of_zero_gives_the_message_back(subscribed, publish, pull, subscriber):
    subscribed()
    publish(b"1")
    subscriber.modify_ack_deadline(subscription=SUBSCRIPTION, ack_ids=ack_ids(pull()), ack_deadline_seconds=0)
    assert data(pull()) == [b"1"]


def test_messages_are_dropped_after_their_retention(genesis_emulator, subscribed, publish, pull):
    subscribed(message_retention_duration=duration_pb2.Duration(seconds=600))
    publish(b"1")
    genesis_emulator.advance(601)
    assert pull() == []


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([], "message_count is too small. You passed 0"),
        ([{"data": b"x"}] * 1001, "message_count is too large. You passed 1001 .* maximum value is 1000"),
        ([{"data": b"x" * 10_000_000}], "request_size is too large.* maximum value is 10000000"),
        ([{"data": b"x"}, {}], "One or more messages in the publish request is empty"),
        ([{"attributes": {"a": "x" * 1025}}], "has a value that is too long. The length is 1025 .* is 1024"),
        ([{"attributes": {"a" * 257: "x"}}], "has a key that is too long. The length is 257 .* is 256"),
        ([{"attributes": {str(n): "x" for n in range(101)}}], "attribute_count is too large. You passed 101"),
    ],
)
def test_a_publish_beyond_the_limits_is_refused(publisher, messages, words):
    publisher.create_topic(name=TOPIC)
    with pytest.raises(exceptions.InvalidArgument, match=words):
        publisher.publish(topic=TOPIC, messages=messages)


def test_a_publish_to_no_topic_is_not_found(publish):
    with pytest.raises(exceptions.NotFound, match=r"Resource not found \(resource=orders\)"):
        publish(b"1")


def test_a_pull_of_none_is_refused(subscribed, pull):
    subscribed()
    with pytest.raises(exceptions.InvalidArgument, match="argument=max_messages"):
        pull(0)


def test_bad_acks_are_refused(subscribed, subscriber):
    subscribed()
    with pytest.raises(exceptions.InvalidArgument, match="not specified an ack ID"):
        subscriber.acknowledge(subscription=SUBSCRIPTION, ack_ids=[])
    for ack_id in ("ü", "abc", "MTIz"):
        with pytest.raises(exceptions.InvalidArgument, match="invalid ack ID"):
            subscriber.acknowledge(subscription=SUBSCRIPTION, ack_ids=[ack_id])
    with pytest.raises(exceptions.InvalidArgument, match="must be between 0 and 600 seconds"):
        subscriber.modify_ack_deadline(subscription=SUBSCRIPTION, ack_ids=["MTox"], ack_deadline_seconds=601)


@pytest.fixture
def patient(monkeypatch):
    """A Pull waits until something comes, however busy the machine."""
    monkeypatch.setattr(pubsub_subscriber, "PULL_WAIT_S", 50.0)


def waiting_pull(genesis_emulator, subscriber):
    """A Pull that found nothing, and where its answer will be."""
    answers = []
    request = {"subscription": SUBSCRIPTION, "max_messages": 10}
    thread = threading.Thread(
        target=lambda: answers.extend(subscriber.pull(request=request).received_messages)
    )
    thread.start()
    while genesis_emulator.calls().get(PULL, 0) == 0:
        time.sleep(0.001)
    return thread, answers


@pytest.mark.usefixtures("patient")
def test_a_pull_waits_for_a_message(genesis_emulator, subscribed, subscriber, publish):
    subscribed()
    thread, answers = waiting_pull(genesis_emulator, subscriber)
    publish(b"fresh")
    thread.join()
    assert data(answers) == [b"fresh"]


@pytest.mark.usefixtures("patient")
def test_a_waiting_pull_gets_what_another_did_not_acknowledge(
    genesis_emulator, subscribed, subscriber, publish
):
    subscribed()
    publish(b"1")
    subscriber.pull(subscription=SUBSCRIPTION, max_messages=1)
    genesis_emulator.cloud.calls.clear()
    thread, answers = waiting_pull(genesis_emulator, subscriber)
    genesis_emulator.advance(11)
    thread.join()
    assert data(answers) == [b"1"]


@pytest.mark.usefixtures("patient")
def test_a_waiting_pull_hears_that_its_subscription_was_deleted(genesis_emulator, subscribed, subscriber):
    subscribed()
    errors = []

    def pull():
        try:
            subscriber.pull(subscription=SUBSCRIPTION, max_messages=1)
        except exceptions.NotFound as error:
            errors.append(error)

    thread = threading.Thread(target=pull)
    thread.start()
    while genesis_emulator.calls().get(PULL, 0) == 0:
        time.sleep(0.001)
    subscriber.delete_subscription(subscription=SUBSCRIPTION)
    thread.join()
    assert len(errors) == 1


def test_faults_and_counts_work(genesis_emulator, subscribed, pull):
    subscribed()
    genesis_emulator.fail(PULL, "PERMISSION_DENIED")
    with pytest.raises(exceptions.PermissionDenied):
        pull()
    assert pull() == []
    assert genesis_emulator.calls()[PULL] == 2


def test_what_was_not_acknowledged_is_there_after_a_restart(tmp_path):
    cloud, path = Cloud(), tmp_path / "state.json"
    topics, subscriptions = (
        cloud.services[f"google.pubsub.v1.{name}"] for name in ("Publisher", "Subscriber")
    )
    topics.CreateTopic(pubsub_v1.Topic.pb()(name=TOPIC))
    subscriptions.CreateSubscription(pubsub_v1.Subscription.pb()(name=SUBSCRIPTION, topic=TOPIC))
    topics.Publish(pubsub_v1.PublishRequest.pb()(topic=TOPIC, messages=[{"data": b"1"}]))
    save(cloud, path)

    again = Cloud()
    load(again, path)
    services = again.services
    assert services["google.pubsub.v1.Subscriber"].dump() == subscriptions.dump()
    assert services["google.pubsub.v1.Publisher"].dump() == topics.dump()


EMULATED = """
import sys
from google.cloud import pubsub_v1

with pubsub_v1.PublisherClient() as publisher, pubsub_v1.SubscriberClient() as subscriber:
    topic = publisher.topic_path("shop", "orders")
    subscription = subscriber.subscription_path("shop", "bakery")
    publisher.create_topic(name=topic)
    subscriber.create_subscription(name=subscription, topic=topic)
    assert publisher.publish(topic, b"bread", size="large").result(10)
    (received,) = subscriber.pull(subscription=subscription, max_messages=5).received_messages
    assert received.message.data == b"bread" and received.message.attributes["size"] == "large"
    subscriber.acknowledge(subscription=subscription, ack_ids=[received.ack_id])
"""


def test_the_official_client_finds_it_by_the_usual_variable(genesis_emulator):
    ran = subprocess.run(
        [sys.executable, "-c", EMULATED],
        env={**os.environ, "PUBSUB_EMULATOR_HOST": genesis_emulator.grpc},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.integers(1, 3)),
        st.tuples(st.just("pull"), st.integers(1, 4)),
        st.tuples(st.just("ack"), st.integers(0, 9)),
        st.tuples(st.just("wait"), st.integers(1, 20)),
    ),
    max_size=40,
)


@settings(max_examples=200)
@given(STEPS)
def test_nothing_is_lost_and_nothing_is_held_by_two(steps):
    """Whatever happens, a message is acknowledged or can be had again, and has one holder at a time."""
    backlog, now_s, published = Backlog(), 0, 0
    leased: dict[str, tuple[str, int]] = {}  # ack id to message and end of the lease
    acknowledged = set()
    for step, amount in steps:
        if step == "publish":
            for _ in range(amount):
                backlog.add(pubsub_v1.PubsubMessage.pb()(message_id=str(published)))
                published += 1
        elif step == "pull":
            for one in backlog.lease(amount, now_s * 10**9, 10):
                name = one.message.message_id
                assert name not in acknowledged
                assert all(held != name or end <= now_s for held, end in leased.values())
                leased[one.ack_id] = (name, now_s + 10)
        elif step == "ack" and leased:
            ack_id = sorted(leased)[amount % len(leased)]
            name = leased[ack_id][0]
            newest = max(
                (each for each in leased if leased[each][0] == name), key=lambda each: leased[each][1]
            )
            backlog.acknowledge([ack_id])
            if ack_id == newest:
                acknowledged.add(name)
        elif step == "wait":
            now_s += amount
    again = {one.message.message_id for one in backlog.lease(1000, (now_s + 10) * 10**9, 10)}
    assert again == {str(number) for number in range(published)} - acknowledged
