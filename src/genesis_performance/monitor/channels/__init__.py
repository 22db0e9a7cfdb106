"""Who is told of an incident: a webhook, a topic of Pub/Sub. Mail and pager are Cloud Monitoring's own."""

from .channel import Channel, ChannelError
from .notification import CLOSED, DIGEST, OPENED, REOPENED, Notification
from .notifier import Notifier
from .opening import open_channels, open_notifier

__all__ = [
    "CLOSED",
    "DIGEST",
    "OPENED",
    "REOPENED",
    "Channel",
    "ChannelError",
    "Notification",
    "Notifier",
    "open_channels",
    "open_notifier",
]
