"""The emulated Publisher of Pub/Sub: topics, and messages that go to every subscription of a topic.

Sources: the documentation of the official client and the issues that ``rules.py`` lists.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from google.protobuf import empty_pb2
from google.pubsub_v1 import types

from ..cloud import Cloud
from ..crud import copied
from ..paging import page_of
from . import pubsub_limits as limits

SUBSCRIBER = "google.pubsub.v1.Subscriber"
MAX_PAGE = 1_000

_Topic = types.Topic.pb()


class PublisherService:
    """google.pubsub.v1.Publisher."""

    SERVICE = "google.pubsub.v1.Publisher"

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._topics: dict[tuple[str, str], Any] = {}

    def CreateTopic(self, request: Any, context: Any = None) -> Any:
        key = limits.topic_key(request.name)
        limits.check_topic(request)
        if key in self._topics:
            raise limits.already_exists(key[1])
        topic = copied(request)
        topic.state = types.Topic.State.ACTIVE
        limits.drop_tags(topic)
        self._topics[key] = topic
        return copied(topic)

    def GetTopic(self, request: Any, context: Any = None) -> Any:
        return copied(self.topic(request.topic))

    def ListTopics(self, request: Any, context: Any = None) -> Any:
        project = limits.project_key(request.project)
        found = [copied(topic) for key, topic in self._topics.items() if key[0] == project]
        page, following = page_of(found, request, most=MAX_PAGE)
        return types.ListTopicsResponse.pb()(topics=page, next_page_token=following)

    def ListTopicSubscriptions(self, request: Any, context: Any = None) -> Any:
        self.topic(request.topic)
        names = self._cloud.services[SUBSCRIBER].names_of(request.topic)
        page, following = page_of(names, request, most=MAX_PAGE)
        return types.ListTopicSubscriptionsResponse.pb()(subscriptions=page, next_page_token=following)

    def DeleteTopic(self, request: Any, context: Any = None) -> Any:
        self.topic(request.topic)
        del self._topics[limits.topic_key(request.topic)]
        self._cloud.services[SUBSCRIBER].topic_deleted(request.topic)
        return empty_pb2.Empty()

    def Publish(self, request: Any, context: Any = None) -> Any:
        self.topic(request.topic)
        limits.check_messages(request)
        ids = self.publish(request.topic, request.messages)
        return types.PublishResponse.pb()(message_ids=ids)

    def has_topic(self, name: str) -> bool:
        """Whether there is a topic of this well formed name."""
        return limits.topic_key(name) in self._topics

    def topic(self, name: str) -> Any:
        """What is stored; not for answers.

        Raises:
            RpcError: INVALID_ARGUMENT or NOT_FOUND.
        """
        key = limits.topic_key(name)
        found = self._topics.get(key)
        if found is None:
            raise limits.not_found(key[1])
        return found

    def publish(self, topic: str, messages: Sequence[Any]) -> list[str]:
        """Hand checked messages to the subscriptions of an existing topic; returns the ids they got."""
        ids = []
        for message in messages:
            stored = copied(message)
            stored.message_id = str(secrets.randbelow(9 * 10**16) + 10**16)
            stored.publish_time.FromNanoseconds(self._cloud.clock.now_ns())
            self._cloud.services[SUBSCRIBER].deliver(topic, stored)
            ids.append(stored.message_id)
        return ids

    def dump(self) -> list[str]:
        return [topic.SerializeToString().hex() for topic in self._topics.values()]

    def load(self, value: list[str]) -> None:
        for text in value:
            topic = _Topic.FromString(bytes.fromhex(text))
            self._topics[limits.topic_key(topic.name)] = topic


SERVICES = (PublisherService,)
