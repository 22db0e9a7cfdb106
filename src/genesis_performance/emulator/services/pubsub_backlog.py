"""The messages of one subscription: leased to a puller, acknowledged, due again when the lease runs out."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ..rpc_error import RpcError


@dataclass(slots=True)
class Outstanding:
    """A message that nobody acknowledged yet."""

    message: Any
    deliveries: int = 0
    leased_until_ns: int = 0  # 0: waits for a puller

    @property
    def ack_id(self) -> str:
        """Names this delivery; an older one's acknowledges nothing."""
        return base64.urlsafe_b64encode(f"{self.message.message_id}:{self.deliveries}".encode()).decode()


class Backlog:
    """What a subscription holds, oldest first. Times are the emulator's, in nanoseconds."""

    def __init__(self) -> None:
        self._held: dict[str, Outstanding] = {}
        self._arrived = asyncio.Event()

    def add(self, message: Any) -> None:
        self._held[message.message_id] = Outstanding(message)
        self._arrived.set()

    def lease(self, most: int, now_ns: int, deadline_s: int) -> list[Outstanding]:
        """Up to ``most`` messages that nobody holds, from now on held by the caller."""
        free = [one for one in self._held.values() if one.leased_until_ns <= now_ns][:most]
        for one in free:
            one.deliveries += 1
            one.leased_until_ns = now_ns + deadline_s * 1_000_000_000
        return free

    async def arrival(self, timeout_s: float) -> None:
        """Wait until something may have become free, at most ``timeout_s`` of real time."""
        self._arrived.clear()
        try:
            await asyncio.wait_for(self._arrived.wait(), timeout_s)
        except TimeoutError:
            return

    def settle(self, now_ns: int, retention_ns: int) -> None:
        """Drop what is too old, and wake the pullers if leases ran out."""
        for key, one in list(self._held.items()):
            if one.message.publish_time.ToNanoseconds() + retention_ns <= now_ns:
                del self._held[key]
            elif one.leased_until_ns <= now_ns:
                self._arrived.set()

    def acknowledge(self, ack_ids: Iterable[str]) -> None:
        for one in list(self._named(ack_ids)):
            del self._held[one.message.message_id]

    def extend(self, ack_ids: Iterable[str], now_ns: int, deadline_s: int) -> None:
        """Lease on for ``deadline_s``; 0 gives the messages back at once."""
        for one in self._named(ack_ids):
            one.leased_until_ns = now_ns + deadline_s * 1_000_000_000
        if deadline_s == 0:
            self._arrived.set()

    def clear(self) -> None:
        self._held.clear()
        self._arrived.set()

    def messages(self) -> Iterator[Any]:
        return (one.message for one in self._held.values())

    def _named(self, ack_ids: Iterable[str]) -> Iterator[Outstanding]:
        """The messages of these deliveries; those that were acknowledged or delivered again are left out."""
        for ack_id in ack_ids:
            one = self._held.get(_message_id(ack_id))
            if one is not None and one.ack_id == ack_id:
                yield one


def _message_id(ack_id: str) -> str:
    try:
        content = base64.b64decode(ack_id.encode("ascii"), altchars=b"-_", validate=True).decode("ascii")
    except ValueError:
        content = ""
    message_id, colon, delivery = content.partition(":")
    if not colon or not delivery.isdigit():
        raise RpcError(
            "INVALID_ARGUMENT",
            f"You have passed an invalid ack ID to the service (ack_id={ack_id[:300]}).",
        )
    return message_id
