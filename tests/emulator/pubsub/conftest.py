"""Official clients of the emulated Pub/Sub, and short ways to a topic with a subscription."""

from __future__ import annotations

import pytest
from google import pubsub_v1

P = "projects/shop"
TOPIC = f"{P}/topics/orders"
SUBSCRIPTION = f"{P}/subscriptions/bakery"


@pytest.fixture
def publisher(connect):
    return connect(pubsub_v1.PublisherClient)


@pytest.fixture
def subscriber(connect):
    return connect(pubsub_v1.SubscriberClient)


@pytest.fixture
def subscribed(publisher, subscriber):
    """``subscribed(**fields)``: a topic, and a subscription to it with these fields."""

    def make(name=SUBSCRIPTION, topic=TOPIC, **fields):
        if topic not in [one.name for one in publisher.list_topics(project=P)]:
            publisher.create_topic(name=topic)
        return subscriber.create_subscription(request={"name": name, "topic": topic, **fields})

    return make


@pytest.fixture
def publish(publisher):
    """``publish(b"...", ...)``: one call with these data; answers their ids."""

    def publish(*data, topic=TOPIC):
        messages = [pubsub_v1.PubsubMessage(data=each) for each in data]
        return list(publisher.publish(topic=topic, messages=messages).message_ids)

    return publish


@pytest.fixture
def pull(subscriber):
    """``pull()``: what can be had at once."""

    def pull(most=100, subscription=SUBSCRIPTION):
        request = {"subscription": subscription, "max_messages": most, "return_immediately": True}
        return list(subscriber.pull(request=request).received_messages)

    return pull
