"""What Pub/Sub refuses, and in which words: names, deadlines, retention, sizes of messages.

Sources: the documentation of ``Topic``, ``Subscription`` and ``PubsubMessage`` in the official client, and
the issues that ``rules.py`` lists, which quote the real service.
"""

from __future__ import annotations

import re
from typing import Any

from ..crud import check_user_labels
from ..projects import PROJECT, number_of
from ..rpc_error import RpcError

MAX_MESSAGES = 1_000  # of a Publish, and of a Pull
MAX_REQUEST_BYTES = 10_000_000
MAX_ATTRIBUTES = 100
MAX_KEY_BYTES = 256
MAX_VALUE_BYTES = 1_024
MIN_ACK_DEADLINE_S, MAX_ACK_DEADLINE_S, USUAL_ACK_DEADLINE_S = 10, 600, 10
MIN_RETENTION_S, MAX_RETENTION_S, USUAL_RETENTION_S = 600, 31 * 86_400, 7 * 86_400
MIN_EXPIRY_S, USUAL_EXPIRY_S = 86_400, 31 * 86_400

_ID = r"(?P<id>(?!goog)[A-Za-z][A-Za-z0-9._~+%-]{2,254})"
_QUOTAS = "Refer to https://cloud.google.com/pubsub/quotas for more information."


def project_key(name: str) -> str:
    """The number of the project in ``projects/P``."""
    match = re.fullmatch(PROJECT, name)
    if match is None:
        raise invalid_name(name)
    return number_of(match["project"])


def topic_key(name: str) -> tuple[str, str]:
    """The number of the project and the id in the name of a topic."""
    return _key(name, "topics")


def subscription_key(name: str) -> tuple[str, str]:
    """The number of the project and the id in the name of a subscription."""
    return _key(name, "subscriptions")


def _key(name: str, collection: str) -> tuple[str, str]:
    match = re.fullmatch(rf"{PROJECT}/{collection}/{_ID}", name)
    if match is None:
        raise invalid_name(name)
    return number_of(match["project"]), match["id"]


def invalid_name(name: str) -> RpcError:
    return RpcError(
        "INVALID_ARGUMENT",
        f"Invalid resource name given (name={name[:300]}). "
        "Refer to https://cloud.google.com/pubsub/docs/admin#resource_names for more information.",
    )


def not_found(resource_id: str) -> RpcError:
    return RpcError("NOT_FOUND", f"Resource not found (resource={resource_id}).")


def already_exists(resource_id: str) -> RpcError:
    return RpcError("ALREADY_EXISTS", f"Resource already exists in the project (resource={resource_id}).")


def drop_tags(resource: Any) -> None:
    """Tags are input only, and older clients do not know them."""
    if "tags" in resource.DESCRIPTOR.fields_by_name:
        resource.ClearField("tags")


def check_topic(topic: Any) -> None:
    check_user_labels(topic.labels, "topic.labels")
    if topic.HasField("message_retention_duration"):
        _check_retention(topic)


def settle_subscription(subscription: Any) -> None:
    """Refuse what no subscription may be, and fill in what was left out."""
    check_user_labels(subscription.labels, "subscription.labels")
    if not subscription.ack_deadline_seconds:
        subscription.ack_deadline_seconds = USUAL_ACK_DEADLINE_S
    check_ack_deadline(subscription.ack_deadline_seconds, MIN_ACK_DEADLINE_S)
    if subscription.HasField("message_retention_duration"):
        _check_retention(subscription)
    else:
        subscription.message_retention_duration.seconds = USUAL_RETENTION_S
    policy = subscription.expiration_policy
    if not subscription.HasField("expiration_policy"):
        policy.ttl.seconds = USUAL_EXPIRY_S
    elif policy.HasField("ttl") and policy.ttl.seconds < MIN_EXPIRY_S:
        raise RpcError("INVALID_ARGUMENT", "The expiration policy's ttl must be at least 1 day.")


def check_ack_deadline(seconds: int, least: int = 0) -> None:
    if not least <= seconds <= MAX_ACK_DEADLINE_S:
        raise RpcError(
            "INVALID_ARGUMENT",
            f"Invalid ack deadline given (ack_deadline={seconds}). "
            f"The ack deadline must be between {least} and {MAX_ACK_DEADLINE_S} seconds.",
        )


def check_messages(request: Any) -> None:
    """A Publish has 1 to 1,000 messages and 10 MB; each has data or attributes."""
    _check_amount("message_count", len(request.messages), MAX_MESSAGES)
    _check_amount("request_size", request.ByteSize(), MAX_REQUEST_BYTES)
    for message in request.messages:
        if not message.data and not message.attributes:
            raise RpcError(
                "INVALID_ARGUMENT",
                "One or more messages in the publish request is empty. Each message must contain either "
                "non-empty data, or at least one attribute.",
            )
        _check_attributes(message.attributes)


def check_pull(most: int) -> None:
    if most < 1:
        raise RpcError(
            "INVALID_ARGUMENT", "You have passed an invalid argument to the service (argument=max_messages)."
        )


def check_ack_ids(ack_ids: Any) -> None:
    if not ack_ids:
        raise RpcError("INVALID_ARGUMENT", "You have not specified an ack ID in the request.")


def _check_amount(what: str, amount: int, most: int) -> None:
    if amount < 1:
        raise RpcError(
            "INVALID_ARGUMENT",
            f"The value for {what} is too small. You passed {amount} in the request, "
            "but the minimum value is 1.",
        )
    if amount > most:
        raise RpcError(
            "INVALID_ARGUMENT",
            f"The value for {what} is too large. You passed {amount} in the request, "
            f"but the maximum value is {most}.",
        )


def _check_attributes(attributes: Any) -> None:
    _check_amount("attribute_count", max(len(attributes), 1), MAX_ATTRIBUTES)
    for key, value in attributes.items():
        for what, text, most in (("key", key, MAX_KEY_BYTES), ("value", value, MAX_VALUE_BYTES)):
            size = len(text.encode())
            if size > most:
                raise RpcError(
                    "INVALID_ARGUMENT",
                    f"One of the attributes in the request has a {what} that is too long. The length is "
                    f"{size} characters, but the maximum allowed is {most}. {_QUOTAS}",
                )


def _check_retention(resource: Any) -> None:
    seconds = resource.message_retention_duration.seconds
    if not MIN_RETENTION_S <= seconds <= MAX_RETENTION_S:
        raise RpcError(
            "INVALID_ARGUMENT", "The message retention duration must be between 10 minutes and 31 days."
        )
