"""Settings of our own notification channels; mail and pager are Cloud Monitoring's."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from .section import NotNegative, Positive, PositiveInt, Section


class NotificationsSection(Section, frozen=True, kw_only=True):
    """Who is told when an incident opens or closes.

    Args:
        webhook_url: told with a POST. Only ``https``, or ``http`` to this machine. A URL that is itself a
            secret, as Slack's are, is better read from Secret Manager: ``webhook_url_secret``.
        webhook_url_secret: ``projects/P/secrets/S/versions/V`` that holds the URL, instead of
            ``webhook_url``.
        webhook_format: ``json`` is the whole notification, ``slack`` the text that Slack's incoming webhooks
            take.
        webhook_key_secret: ``projects/P/secrets/S/versions/V`` with the key that requests are signed with.
        webhook_key_file: a file with that key, for those who mount secrets.
        allow_private_http: ``http`` to any host too, for a receiver within a private network.
        pubsub_topic: ``projects/P/topics/T`` told with a message.
        timeout_s: of one try.
        retry_s: for how long a notification is tried again.
        max_per_minute: of each channel; what is beyond it is told in one digest a minute later.
        queue_size: notifications that wait; what is beyond it is dropped and counted.
    """

    NAME: ClassVar[str] = "notifications"

    webhook_url: str | None = None
    webhook_url_secret: str | None = None
    webhook_format: Literal["json", "slack"] = "json"
    webhook_key_secret: str | None = None
    webhook_key_file: str | None = None
    allow_private_http: bool = False
    pubsub_topic: Annotated[str, Meta(pattern=r"^projects/[^/\s]+/topics/[^/\s]+$")] | None = None
    timeout_s: Positive = 10.0
    retry_s: NotNegative = 300.0
    max_per_minute: PositiveInt = 10
    queue_size: PositiveInt = 200
