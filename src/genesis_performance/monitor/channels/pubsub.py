"""Tell a topic of Pub/Sub."""

from __future__ import annotations

from ...errors import CloudConflictError, CloudInvalidError, CloudUnimplementedError, GenesisPerformanceError
from .channel import ChannelError
from .notification import Notification, as_json

_FINAL = (CloudInvalidError, CloudConflictError, CloudUnimplementedError)
"""A topic that is missing or may not be published to can be put right meanwhile; these can not."""


class PubsubTopic:
    """One topic. The message's data is the notification as JSON, its attributes are what filters need."""

    name = "pubsub"

    def __init__(self, topic: str) -> None:
        self._topic = topic

    def send(self, notification: Notification, *, timeout_s: float) -> None:
        """Publish it; see ``Channel``."""
        from ...gcp.calling import call

        attributes = {
            "event": notification.event,
            "key": notification.key[:1024],  # of an attribute's value
            "severity": notification.severity,
        }
        if notification.incident is not None:
            attributes["alert"] = notification.incident.alert_name[:1024]
        message = {"data": as_json(notification), "attributes": attributes}
        try:
            call(
                "pubsub_publisher",
                "publish",
                {"topic": self._topic, "messages": [message]},
                timeout_s=timeout_s,
            )
        except _FINAL as error:
            raise ChannelError(str(error), may_retry=False) from error
        except GenesisPerformanceError as error:
            raise ChannelError(str(error), may_retry=True) from error
