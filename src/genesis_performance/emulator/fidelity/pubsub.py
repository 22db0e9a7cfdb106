"""Pub/Sub, as the rules say it is. Secret Manager's notices need its service agent and are not checked."""

from __future__ import annotations

from typing import Any

from google import pubsub_v1

from .check import Site, check


def _topic(site: Site) -> Any:
    publisher = site.client(pubsub_v1.PublisherClient)
    topic = site.call(publisher.create_topic, name=f"{site.parent}/topics/{site.name()}")
    site.afterwards(publisher.delete_topic, topic=topic.name)
    return topic


def _subscription(site: Site, topic: Any) -> Any:
    subscriber = site.client(pubsub_v1.SubscriberClient)
    name = f"{site.parent}/subscriptions/{site.name()}"
    subscription = site.call(subscriber.create_subscription, name=name, topic=topic.name)
    site.afterwards(subscriber.delete_subscription, subscription=name)
    return subscription


def _publish(site: Site, topic: Any, *messages: dict[str, Any]) -> Any:
    publisher = site.client(pubsub_v1.PublisherClient)
    return site.call(publisher.publish, topic=topic.name, messages=list(messages))


@check("pubsub/names", "pubsub/name-text")
def a_name_that_begins_with_goog_is_refused(site: Site) -> None:
    """A topic may not be called goog..., and the refusal says where the rule is written."""
    create = site.client(pubsub_v1.PublisherClient).create_topic
    text = "Refer to https://cloud.google.com/pubsub/docs/admin#resource_names for more information."
    site.refused("INVALID_ARGUMENT", text, create, name=f"{site.parent}/topics/goog-{site.name()}")


@check("pubsub/exists", "pubsub/not-found")
def names_are_taken_once_and_missed_in_these_words(site: Site) -> None:
    """A topic twice already exists; one that is missing is not found by its id."""
    publisher = site.client(pubsub_v1.PublisherClient)
    topic = _topic(site)
    name = topic.name.rpartition("/")[2]
    site.refused(
        "ALREADY_EXISTS", f"Resource already exists in the project (resource={name}).",
        publisher.create_topic, name=topic.name,
    )  # fmt: skip
    missing = site.name()
    site.refused(
        "NOT_FOUND", f"Resource not found (resource={missing}).",
        publisher.get_topic, topic=f"{site.parent}/topics/{missing}",
    )  # fmt: skip


@check("pubsub/ack-deadline", "pubsub/retention", "pubsub/expiry")
def a_subscription_has_these_defaults(site: Site) -> None:
    """10 s to acknowledge, 7 days of retention, 31 days until it expires."""
    subscription = _subscription(site, _topic(site))
    site.same("ack deadline", subscription.ack_deadline_seconds, 10)
    site.same("retention", subscription.message_retention_duration.total_seconds(), 7 * 86_400)
    site.same("expiry", subscription.expiration_policy.ttl.total_seconds(), 31 * 86_400)


@check("pubsub/message-count", "pubsub/empty-message", "pubsub/attribute-length")
def a_publish_beyond_the_limits_is_refused_in_these_words(site: Site) -> None:
    """No message, 1,001 messages, an empty one, an attribute of 1,025 characters."""
    topic, publisher = _topic(site), site.client(pubsub_v1.PublisherClient)
    for messages, text in (
        ([], "message_count"),
        ([{"data": b"x"}] * 1001, "message_count"),
        ([{}], "Each message must contain either non-empty data, or at least one attribute."),
        ([{"attributes": {"a": "x" * 1025}}], "too long"),
    ):
        site.refused("INVALID_ARGUMENT", text, publisher.publish, topic=topic.name, messages=messages)


@check("pubsub/server-fields", "pubsub/redelivery", "pubsub/late-ack", "pubsub/modify-ack-deadline")
def a_message_comes_back_until_it_is_acknowledged(site: Site) -> None:
    """Given back it is delivered again, under another ack id; acknowledging twice is no error."""
    topic, subscriber = _topic(site), site.client(pubsub_v1.SubscriberClient)
    subscription = _subscription(site, topic).name
    (sent,) = _publish(site, topic, {"data": b"x", "message_id": "mine"}).message_ids

    def pulled() -> Any:
        return site.call(subscriber.pull, subscription=subscription, max_messages=10).received_messages

    (first,) = site.eventually(pulled, lambda found: len(found) == 1)
    site.same("the id is the server's", first.message.message_id, sent)
    site.call(
        subscriber.modify_ack_deadline,
        subscription=subscription, ack_ids=[first.ack_id], ack_deadline_seconds=0,
    )  # fmt: skip
    (again,) = site.eventually(pulled, lambda found: len(found) == 1)
    site.same("the message", again.message.message_id, sent)
    site.same("the ack id is the same", again.ack_id == first.ack_id, False)
    for _ in range(2):
        site.call(subscriber.acknowledge, subscription=subscription, ack_ids=[again.ack_id])
    site.refused(
        "INVALID_ARGUMENT", "The ack deadline must be between 0 and 600 seconds.",
        subscriber.modify_ack_deadline,
        subscription=subscription, ack_ids=[again.ack_id], ack_deadline_seconds=601,
    )  # fmt: skip


@check("pubsub/no-ack-id", "pubsub/max-messages")
def empty_requests_are_refused_in_these_words(site: Site) -> None:
    """An acknowledgement of nothing, and a pull of none."""
    subscriber = site.client(pubsub_v1.SubscriberClient)
    name = _subscription(site, _topic(site)).name
    site.refused(
        "INVALID_ARGUMENT", "You have not specified an ack ID in the request.",
        subscriber.acknowledge, subscription=name, ack_ids=[],
    )  # fmt: skip
    site.refused(
        "INVALID_ARGUMENT", "(argument=max_messages)", subscriber.pull, subscription=name, max_messages=0
    )


@check("pubsub/deleted-topic")
def the_subscription_of_a_deleted_topic_stays(site: Site) -> None:
    """Its topic becomes _deleted-topic_."""
    topic, subscriber = _topic(site), site.client(pubsub_v1.SubscriberClient)
    name = _subscription(site, topic).name
    site.call(site.client(pubsub_v1.PublisherClient).delete_topic, topic=topic.name)
    site.eventually(
        lambda: site.call(subscriber.get_subscription, subscription=name).topic,
        lambda found: found == "_deleted-topic_",
    )
