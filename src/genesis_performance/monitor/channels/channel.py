"""What a channel is."""

from __future__ import annotations

from typing import Protocol

from .notification import Notification


class ChannelError(Exception):
    """A notification was not delivered.

    Attributes:
        may_retry: the same notification may be delivered later.
        after_s: how long the receiver wants to be left alone.
    """

    def __init__(self, message: str, *, may_retry: bool, after_s: float = 0.0) -> None:
        super().__init__(message)
        self.may_retry = may_retry
        self.after_s = after_s


class Channel(Protocol):
    """Delivers notifications; used by one thread."""

    name: str  # for the log and for health

    def send(self, notification: Notification, *, timeout_s: float) -> None:
        """Deliver one notification within the time.

        Raises:
            ChannelError: it was not delivered.
        """
