"""The emulated Subscriber of Pub/Sub: pull subscriptions with leases, delivered at least once.

A Pull with nothing to give waits for a message, as the real one does. Leases, retention and expiry run on the
emulator's clock. Sources: the documentation of the official client and the issues that ``rules.py`` lists.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from google.protobuf import empty_pb2
from google.pubsub_v1 import types

from ..cloud import Cloud
from ..crud import copied
from ..paging import page_of
from ..rpc_error import RpcError
from . import pubsub_limits as limits
from .pubsub_backlog import Backlog
from .pubsub_publisher import MAX_PAGE, PublisherService

PULL_WAIT_S = 5.0  # of real time
DELETED_TOPIC = "_deleted-topic_"
NOT_EMULATED = (  # a subscription that acts otherwise than it says would be worse than none
    "bigquery_config", "cloud_storage_config", "bigtable_config", "retain_acked_messages",
    "enable_message_ordering", "filter", "dead_letter_policy", "retry_policy",
    "enable_exactly_once_delivery", "message_transforms",
)  # fmt: skip

_Subscription = types.Subscription.pb()
_Message = types.PubsubMessage.pb()


@dataclass(slots=True)
class _Held:
    message: Any  # the Subscription
    active_ns: int  # its last use: without any it expires
    backlog: Backlog = field(default_factory=Backlog)

    def is_expired(self, now_ns: int) -> bool:
        ttl_ns = self.message.expiration_policy.ttl.ToNanoseconds()
        return bool(ttl_ns) and self.active_ns + ttl_ns <= now_ns


class SubscriberService:
    """google.pubsub.v1.Subscriber."""

    SERVICE = "google.pubsub.v1.Subscriber"

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._held: dict[tuple[str, str], _Held] = {}

    def CreateSubscription(self, request: Any, context: Any = None) -> Any:
        key = limits.subscription_key(request.name)
        subscription = copied(request)
        _refuse_what_is_not_emulated(subscription)
        limits.settle_subscription(subscription)
        topic = self._cloud.services[PublisherService.SERVICE].topic(subscription.topic)
        self._expire()
        if key in self._held:
            raise limits.already_exists(key[1])
        subscription.topic = topic.name
        subscription.push_config.SetInParent()
        subscription.state = types.Subscription.State.ACTIVE
        limits.drop_tags(subscription)
        self._held[key] = _Held(subscription, self._now_ns())
        return copied(subscription)

    def GetSubscription(self, request: Any, context: Any = None) -> Any:
        return copied(self._subscription(request.subscription).message)

    def ListSubscriptions(self, request: Any, context: Any = None) -> Any:
        project = limits.project_key(request.project)
        self._expire()
        found = [copied(held.message) for key, held in self._held.items() if key[0] == project]
        page, following = page_of(found, request, most=MAX_PAGE)
        return types.ListSubscriptionsResponse.pb()(subscriptions=page, next_page_token=following)

    def DeleteSubscription(self, request: Any, context: Any = None) -> Any:
        self._subscription(request.subscription).backlog.clear()
        del self._held[limits.subscription_key(request.subscription)]
        return empty_pb2.Empty()

    async def Pull(self, request: Any, context: Any = None) -> Any:
        limits.check_pull(request.max_messages)
        most = min(request.max_messages, limits.MAX_MESSAGES)
        ends_s = time.monotonic() + (0.0 if request.return_immediately else PULL_WAIT_S)
        while True:
            held = self._subscription(request.subscription)  # it may have been deleted while this waited
            leased = held.backlog.lease(most, self._now_ns(), held.message.ack_deadline_seconds)
            left_s = ends_s - time.monotonic()
            if leased or left_s <= 0:
                answer = types.PullResponse.pb()()
                for one in leased:
                    answer.received_messages.add(ack_id=one.ack_id, message=one.message)
                return answer
            await held.backlog.arrival(left_s)

    def Acknowledge(self, request: Any, context: Any = None) -> Any:
        limits.check_ack_ids(request.ack_ids)
        self._subscription(request.subscription).backlog.acknowledge(request.ack_ids)
        return empty_pb2.Empty()

    def ModifyAckDeadline(self, request: Any, context: Any = None) -> Any:
        limits.check_ack_ids(request.ack_ids)
        limits.check_ack_deadline(request.ack_deadline_seconds)
        backlog = self._subscription(request.subscription).backlog
        backlog.extend(request.ack_ids, self._now_ns(), request.ack_deadline_seconds)
        return empty_pb2.Empty()

    # what the Publisher and the clock ask for

    def evaluate(self) -> None:
        """Let leases, messages and subscriptions run out."""
        self._expire()
        for held in self._held.values():
            held.backlog.settle(self._now_ns(), held.message.message_retention_duration.ToNanoseconds())

    def deliver(self, topic: str, message: Any) -> None:
        for held in self._of(topic):
            held.backlog.add(copied(message))

    def names_of(self, topic: str) -> list[str]:
        """The subscriptions of a topic."""
        self._expire()
        return [held.message.name for held in self._of(topic)]

    def topic_deleted(self, topic: str) -> None:
        for held in self._of(topic):
            held.message.topic = DELETED_TOPIC

    def dump(self) -> list[dict[str, Any]]:
        return [
            {
                "subscription": held.message.SerializeToString().hex(),
                "active_ns": held.active_ns,
                "messages": [message.SerializeToString().hex() for message in held.backlog.messages()],
            }
            for held in self._held.values()
        ]

    def load(self, value: list[dict[str, Any]]) -> None:
        """Take back what ``dump`` gave; leases are over, so what was leased is delivered again."""
        for entry in value:
            held = _Held(_Subscription.FromString(bytes.fromhex(entry["subscription"])), entry["active_ns"])
            for text in entry["messages"]:
                held.backlog.add(_Message.FromString(bytes.fromhex(text)))
            self._held[limits.subscription_key(held.message.name)] = held

    def _of(self, topic: str) -> list[_Held]:
        key = limits.topic_key(topic)
        return [
            held
            for held in self._held.values()
            if held.message.topic != DELETED_TOPIC and limits.topic_key(held.message.topic) == key
        ]

    def _subscription(self, name: str) -> _Held:
        key = limits.subscription_key(name)
        self._expire()
        held = self._held.get(key)
        if held is None:
            raise limits.not_found(key[1])
        held.active_ns = self._now_ns()
        return held

    def _expire(self) -> None:
        now_ns = self._now_ns()
        for key in [key for key, held in self._held.items() if held.is_expired(now_ns)]:
            self._held.pop(key).backlog.clear()

    def _now_ns(self) -> int:
        return self._cloud.clock.now_ns()


def _refuse_what_is_not_emulated(subscription: Any) -> None:
    asked = [name for name in NOT_EMULATED if name in {field.name for field, _ in subscription.ListFields()}]
    if subscription.push_config.push_endpoint:
        asked.append("push_config")
    if asked:
        raise RpcError("UNIMPLEMENTED", f"Subscription.{asked[0]} is not emulated; only plain pull is.")


SERVICES = (SubscriberService,)
