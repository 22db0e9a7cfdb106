"""Pull messages from Pub/Sub, from a subscription that is there or from one of our own to a topic.

Everybody who pulls from one subscription shares its messages, so a message that all processes need asks for a
subscription each: such a one is made from a topic, keeps messages for 10 minutes, and expires after a day
without a puller should nobody delete it.
"""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..errors import CloudDeadlineError, InvalidInputError
from .calling import call
from .clients import client
from .errors import translate

SERVICE = "pubsub_subscriber"
RETENTION_S = 600  # Pub/Sub's least
EXPIRY_S = 86_400  # Pub/Sub's least
CLOSE_TIMEOUT_S = 2.0
ANSWER_S = 10.0  # for an answer that need not wait for a message

_SOURCE = re.compile(r"(projects/[^/\s]+)/(subscriptions|topics)/[^/\s]+")


class Received(NamedTuple):
    """One message, without its data."""

    ack_id: str
    attributes: Mapping[str, str]


def check_source(name: str) -> str:
    """``name`` if it may name a subscription or a topic.

    Raises:
        InvalidInputError: it does not.
    """
    if not isinstance(name, str) or _SOURCE.fullmatch(name) is None:
        raise InvalidInputError(
            f"{name!r} names no source of messages; write 'projects/P/subscriptions/S', "
            "or 'projects/P/topics/T' for a subscription of each process's own"
        )
    return name


def open_subscription(source: str) -> PullSubscription:
    """The subscription called ``source``; a new one if that is the name of a topic.

    Raises:
        CloudError: it could not be made.
    """
    match = _SOURCE.fullmatch(check_source(source))
    assert match is not None
    if match[2] == "subscriptions":
        return PullSubscription(source)
    name = f"{match[1]}/subscriptions/genesis-performance-{secrets.token_hex(8)}"
    request = {
        "name": name,
        "topic": source,
        "message_retention_duration": {"seconds": RETENTION_S},
        "expiration_policy": {"ttl": {"seconds": EXPIRY_S}},
    }
    call(SERVICE, "create_subscription", request)
    return PullSubscription(name, is_own=True)


class PullSubscription:
    """A subscription that one thread pulls from and another may interrupt.

    Args:
        is_own: it is deleted when it is closed.
    """

    def __init__(self, name: str, *, is_own: bool = False) -> None:
        self.name = name
        self._is_own = is_own
        self._is_cancelled = False
        self._pulling: Any = None  # grpc.Future
        self._lock = threading.Lock()

    def pull(self, most: int, wait_s: float) -> list[Received] | None:
        """Up to ``most`` messages, as soon as there are any; an empty list after ``wait_s`` without one.

        A list means that Pub/Sub did answer: a deadline alone does not tell an idle subscription from a
        broken line, so after one it is asked again for what it has at once. None means cancelled.

        Raises:
            CloudError: Pub/Sub refused, or could not be reached.
        """
        if wait_s > 0:
            try:
                return self._pull(most, wait_s, return_immediately=False)
            except CloudDeadlineError:
                pass  # Pub/Sub may wait for longer than we do
        return self._pull(most, ANSWER_S, return_immediately=True)

    def _pull(self, most: int, timeout_s: float, *, return_immediately: bool) -> list[Received] | None:
        transport = client(SERVICE).transport  # says in words which package is missing
        import grpc
        from google.api_core.exceptions import from_grpc_error
        from google.api_core.gapic_v1.routing_header import to_grpc_metadata
        from google.pubsub_v1 import PullRequest

        request = PullRequest(
            subscription=self.name, max_messages=most, return_immediately=return_immediately
        )
        metadata = (to_grpc_metadata({"subscription": self.name}),)
        try:
            with self._lock:
                if self._is_cancelled:
                    return None
                # A plain call of the client could not be cancelled.
                self._pulling = transport.pull.future(request, timeout=timeout_s, metadata=metadata)
            response = self._pulling.result()
        except grpc.FutureCancelledError:
            return None
        except grpc.RpcError as error:
            if self._is_cancelled:
                return None
            raise translate(from_grpc_error(error), f"{SERVICE}.pull {self.name}") from error
        return [Received(one.ack_id, dict(one.message.attributes)) for one in response.received_messages]

    def acknowledge(self, ack_ids: Sequence[str]) -> None:
        """Tell Pub/Sub not to deliver these again; doing so twice is no error, so it is tried again."""
        request = {"subscription": self.name, "ack_ids": list(ack_ids)}
        call(SERVICE, "acknowledge", request, retry=True)

    def cancel(self) -> None:
        """End the pull on its way and all later ones."""
        with self._lock:
            self._is_cancelled = True
            if self._pulling is not None:
                self._pulling.cancel()

    def resume(self) -> None:
        """Pull again after a ``cancel``."""
        self._is_cancelled = False

    def close(self) -> None:
        """``cancel``, and delete the subscription if it is our own.

        Raises:
            CloudError: it could not be deleted; it expires.
        """
        self.cancel()
        if self._is_own:
            self._is_own = False
            call(SERVICE, "delete_subscription", {"subscription": self.name}, timeout_s=CLOSE_TIMEOUT_S)
