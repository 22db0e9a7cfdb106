"""The notices that Secret Manager publishes to the topics of a secret when it, or a version of it, changes.

Source: https://cloud.google.com/secret-manager/docs/event-notifications
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from google.protobuf import json_format
from google.pubsub_v1 import types

from .cloud import Cloud
from .rpc_error import RpcError

PUBLISHER = "google.pubsub.v1.Publisher"
DATA_FORMAT = "JSON_API_V1"

_Message = types.PubsubMessage.pb()


class SecretNotices:
    """Publishes what happens to secrets in one cloud."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def configured(self, secret: Any) -> None:
        """Test every topic of a secret that is about to be stored, as the real service does.

        Raises:
            RpcError: a topic does not exist.
        """
        publisher = self._cloud.services[PUBLISHER]
        for topic in secret.topics:
            if not publisher.has_topic(topic.name):
                raise RpcError(
                    "FAILED_PRECONDITION",
                    f"The Pub/Sub topic [{topic.name}] does not exist or can not be published to.",
                )
        self._publish(secret, _Message(attributes={"eventType": "TOPIC_CONFIGURED"}))

    def publish(self, event: str, secret: Any, version: Any = None, *, delete_type: str = "") -> None:
        """Tell the topics of ``secret`` that ``event`` happened to it, or to ``version``; never a payload."""
        at = datetime.fromtimestamp(self._cloud.clock.now_ns() / 1e9, UTC)
        attributes = {
            "eventType": event,
            "dataFormat": DATA_FORMAT,
            "secretId": secret.name,
            "timestamp": at.isoformat(timespec="microseconds"),
        }
        if version is not None:
            attributes["versionId"] = version.name
        if delete_type:
            attributes["deleteType"] = delete_type
        data = json_format.MessageToJson(secret if version is None else version).encode()
        self._publish(secret, _Message(data=data, attributes=attributes))

    def _publish(self, secret: Any, message: Any) -> None:
        publisher = self._cloud.services[PUBLISHER]
        for topic in secret.topics:
            if publisher.has_topic(topic.name):  # one that was deleted since then gets nothing
                publisher.publish(topic.name, [message])
