from __future__ import annotations

import pytest
from google.api_core import exceptions
from google.protobuf import duration_pb2

P = "projects/shop"
TOPIC = f"{P}/topics/orders"
SUBSCRIPTION = f"{P}/subscriptions/bakery"


def test_a_topic_is_there_until_it_is_deleted(publisher):
    made = publisher.create_topic(name=TOPIC)
    assert publisher.get_topic(topic=TOPIC) == made
    assert [one.name for one in publisher.list_topics(project=P)] == [TOPIC]
    publisher.delete_topic(topic=TOPIC)
    with pytest.raises(exceptions.NotFound, match=r"Resource not found \(resource=orders\)"):
        publisher.get_topic(topic=TOPIC)


def test_a_topic_of_another_project_is_another_topic(publisher):
    publisher.create_topic(name=TOPIC)
    publisher.create_topic(name="projects/other/topics/orders")
    assert [one.name for one in publisher.list_topics(project=P)] == [TOPIC]


@pytest.mark.parametrize(
    "topic_id",
    ["ab", "1orders", "or ders", "orders/x", "googorders", "a" * 256, ""],
)
def test_a_name_that_is_none_is_refused(publisher, topic_id):
    with pytest.raises(exceptions.InvalidArgument, match="Invalid resource name given"):
        publisher.create_topic(name=f"{P}/topics/{topic_id}")


def test_every_allowed_character_is_allowed(publisher):
    name = f"{P}/topics/a-_.~+%9"
    assert publisher.create_topic(name=name).name == name


def test_a_topic_twice_already_exists(publisher):
    publisher.create_topic(name=TOPIC)
    with pytest.raises(exceptions.AlreadyExists, match=r"already exists in the project \(resource=orders\)"):
        publisher.create_topic(name=TOPIC)


def test_a_subscription_has_the_documented_defaults(subscribed, subscriber):
    made = subscribed()
    assert made.ack_deadline_seconds == 10
    assert made.message_retention_duration.total_seconds() == 7 * 86_400
    assert made.expiration_policy.ttl.total_seconds() == 31 * 86_400
    assert subscriber.get_subscription(subscription=SUBSCRIPTION) == made


def test_a_subscription_twice_already_exists(subscribed):
    subscribed()
    with pytest.raises(exceptions.AlreadyExists, match=r"resource=bakery"):
        subscribed()


def test_a_subscription_needs_its_topic(subscriber):
    with pytest.raises(exceptions.NotFound, match=r"resource=orders"):
        subscriber.create_subscription(name=SUBSCRIPTION, topic=TOPIC)


@pytest.mark.parametrize(
    "fields",
    [
        {"ack_deadline_seconds": 9},
        {"ack_deadline_seconds": 601},
        {"message_retention_duration": duration_pb2.Duration(seconds=599)},
        {"message_retention_duration": duration_pb2.Duration(seconds=31 * 86_400 + 1)},
        {"expiration_policy": {"ttl": duration_pb2.Duration(seconds=86_399)}},
        {"labels": {"Big": "x"}},
    ],
)
def test_what_is_out_of_bounds_is_refused(subscribed, fields):
    with pytest.raises(exceptions.InvalidArgument):
        subscribed(**fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"push_config": {"push_endpoint": "https://shop.example/push"}},
        {"filter": "attributes.a"},
        {"enable_message_ordering": True},
        {"enable_exactly_once_delivery": True},
    ],
)
def test_a_subscription_that_would_act_otherwise_is_unimplemented(subscribed, fields):
    with pytest.raises(exceptions.MethodNotImplemented, match="only plain pull is"):
        subscribed(**fields)


def test_the_subscriptions_of_a_topic_are_listed_by_name(subscribed, publisher, subscriber):
    subscribed()
    subscribed(f"{P}/subscriptions/other", f"{P}/topics/other")
    assert list(publisher.list_topic_subscriptions(topic=TOPIC)) == [SUBSCRIPTION]
    assert len(list(subscriber.list_subscriptions(project=P))) == 2


def test_lists_come_in_pages(publisher):
    names = [f"{P}/topics/topic-{number}" for number in range(5)]
    for name in names:
        publisher.create_topic(name=name)
    pager = publisher.list_topics(request={"project": P, "page_size": 2})
    assert [len(page.topics) for page in pager.pages] == [2, 2, 1]


def test_the_subscription_of_a_deleted_topic_stays_and_keeps_its_messages(
    subscribed, publisher, subscriber, publish, pull
):
    subscribed()
    publish(b"before")
    publisher.delete_topic(topic=TOPIC)
    assert subscriber.get_subscription(subscription=SUBSCRIPTION).topic == "_deleted-topic_"
    assert [one.message.data for one in pull()] == [b"before"]
    publisher.create_topic(name=TOPIC)
    publish(b"after")
    assert pull() == []


def test_a_deleted_subscription_is_gone(subscribed, subscriber):
    subscribed()
    subscriber.delete_subscription(subscription=SUBSCRIPTION)
    with pytest.raises(exceptions.NotFound, match=r"resource=bakery"):
        subscriber.pull(subscription=SUBSCRIPTION, max_messages=1)


def test_a_subscription_that_nobody_uses_expires(genesis_emulator, subscribed, subscriber):
    subscribed(expiration_policy={"ttl": duration_pb2.Duration(seconds=86_400)})
    genesis_emulator.advance(86_399 - 60)
    subscriber.get_subscription(subscription=SUBSCRIPTION)  # a use
    genesis_emulator.advance(86_399 - 60)
    assert len(list(subscriber.list_subscriptions(project=P))) == 1
    genesis_emulator.advance(120)
    assert list(subscriber.list_subscriptions(project=P)) == []


def test_a_policy_without_a_ttl_never_expires(genesis_emulator, subscribed, subscriber):
    subscribed(expiration_policy={})
    genesis_emulator.advance(400 * 86_400)
    assert subscriber.get_subscription(subscription=SUBSCRIPTION).name == SUBSCRIPTION
