"""Which channels the settings name."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

from ...config import settings
from ...config.notifications import NotificationsSection
from ...errors import ConfigurationError
from ...export.clock import Clock
from ..records import MonitorRecords
from .channel import Channel
from .delivery import MINUTE_S, Delivery
from .notification import Notification, as_json, as_slack
from .notifier import Notifier
from .outbox import Outbox

ENCODERS = {"json": as_json, "slack": as_slack}


def open_channels() -> list[Channel]:
    """The channels of the settings; nothing is sent or read yet.

    Raises:
        ConfigurationError: a setting can not be so.
    """
    section = settings().notifications
    channels: list[Channel] = []
    if section.webhook_url and section.webhook_url_secret:
        raise ConfigurationError(
            "notifications.webhook_url and notifications.webhook_url_secret are both set; keep one of them"
        )
    if section.webhook_key_secret and section.webhook_key_file:
        raise ConfigurationError(
            "notifications.webhook_key_secret and notifications.webhook_key_file are both set; keep one"
        )
    url = _url(section)
    if url is not None:
        from .webhook import Webhook  # TLS, 2 MB

        channels.append(
            Webhook(
                url,
                functools.partial(_key, section),
                encode=ENCODERS[section.webhook_format],
                allow_private_http=section.allow_private_http,
            )
        )
    if section.pubsub_topic:
        from .pubsub import PubsubTopic

        channels.append(PubsubTopic(section.pubsub_topic))
    return channels


def open_notifier(clock: Clock, records: MonitorRecords) -> Notifier | None:
    """Tells the channels of the settings; None where there are none.

    Args:
        records: keep what is not told yet.

    Raises:
        ConfigurationError: a setting can not be so.
    """
    channels = open_channels()
    section = settings().notifications

    # It is given up after retry_s, and once more as long when it is told in a digest.
    outbox = Outbox(records, clock=clock, lease_s=2 * (section.retry_s + section.timeout_s + MINUTE_S))

    def make(settled: Callable[[str, Notification], object]) -> Delivery:
        return Delivery(
            channels,
            clock=clock,
            timeout_s=section.timeout_s,
            retry_s=section.retry_s,
            max_per_minute=section.max_per_minute,
            queue_size=section.queue_size,
            settled=settled,
        )

    return Notifier(make, outbox, clock=clock) if channels else None


def _url(section: NotificationsSection) -> Callable[[], str] | None:
    given, secret = section.webhook_url, section.webhook_url_secret
    if given is not None:
        from .webhook import checked_url

        checked_url(given, allow_private_http=section.allow_private_http)
        return lambda: given
    if secret is not None:
        return lambda: _secret(secret).decode("utf-8", "replace").strip()
    return None


def _key(section: NotificationsSection) -> bytes | None:
    if section.webhook_key_secret is not None:
        return _secret(section.webhook_key_secret)
    if section.webhook_key_file is not None:
        return Path(section.webhook_key_file).read_bytes().strip()
    return None


def _secret(name: str) -> bytes:
    from ...gcp.secret_version import access_secret_version

    return access_secret_version(name).payload
