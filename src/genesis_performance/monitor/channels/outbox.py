"""Notifications that are not told yet, kept in the history store so that they outlive the process.

Each is kept with a lease before it is told, and deleted when its channel was told or has given up. What a
process could not tell in time is free for the next one, and so is what a killed process left once its lease
is over. Whoever deletes a record has it: two processes never take the same one. A process that dies between
telling and deleting tells it twice, with the same key.
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from typing import Any

from ...export.clock import Clock
from ..records import MonitorRecords
from .notification import Notification

SECOND_NS = 1_000_000_000
TOO_LATE_NS = 24 * 3600 * SECOND_NS
"""What happened longer ago is no news: nobody is told any more."""


class Outbox:
    """What this process has to tell.

    Args:
        lease_s: for how long nobody else tells what this process keeps.
    """

    def __init__(self, records: MonitorRecords, *, clock: Clock, lease_s: float) -> None:
        self._records = records
        self._clock = clock
        self._lease_ns = round(lease_s * SECOND_NS)
        self.after_fork_in_child()

    def after_fork_in_child(self) -> None:
        """What is kept is the parent's."""
        self._lock = threading.RLock()
        self._mine: dict[str, dict[str, Any]] = {}
        self._kept: set[str] = set()  # of those, what is in the store
        self._settled: set[str] = set()  # but still in a store that could not be written

    def keep(self, channel: str, notification: Notification) -> None:
        """Before it is told; a digest is not kept, only what it is made of."""
        if notification.incident is None:
            return
        key = _key(channel, notification)
        body = {
            "channel": channel,
            "event": notification.event,
            "at_unix_ns": notification.at_unix_ns,
            "severity": notification.severity,
            "incident": self._records.incident_body(notification.incident),
        }
        with self._lock:
            self._mine[key] = body
        if self._put(key, body, self._clock.unix_ns() + self._lease_ns):
            with self._lock:
                self._kept.add(key)

    def settled(self, channel: str, notification: Notification) -> None:
        """The channel was told, or has given up."""
        for one in notification.held or (notification,):
            key = _key(channel, one)
            with self._lock:
                self._mine.pop(key, None)
                self._kept.discard(key)
            self._delete(key)

    def release(self) -> tuple[int, int]:
        """Leave what was not told to the next process; how many are left, and how many are lost.

        Lost is what never was in the store: a record that can only not be changed any more is told once its
        lease is over.
        """
        with self._lock:
            mine, self._mine = self._mine, {}
            kept, self._kept = self._kept, set()
        left = 0
        for key, body in mine.items():
            left += self._put(key, body, 0) or key in kept
        return left, len(mine) - left

    def take(self, channels: Collection[str]) -> list[tuple[str, Notification]]:
        """What other processes left, with its channel, the oldest first; from now on it is this one's."""
        for key in list(self._settled):
            self._delete(key)
        now_ns = self._clock.unix_ns()
        taken = []
        for key, body in self._records.waiting():
            with self._lock:
                if key in self._mine or key in self._settled:
                    continue
            found = self._read(body)
            if found is None or body.get("channel") not in channels or body.get("until_unix_ns", 0) > now_ns:
                continue
            if self._records.delete_waiting(key) and now_ns - found.at_unix_ns < TOO_LATE_NS:
                taken.append((body["channel"], found))
        taken.sort(key=lambda one: one[1].at_unix_ns)
        for channel, found in taken:
            self.keep(channel, found)
        return taken

    def _read(self, body: dict[str, Any]) -> Notification | None:
        incident = self._records.incident_of(body.get("incident") or {})
        if incident is None or not isinstance(body.get("at_unix_ns"), int):
            return None
        return Notification(
            event=str(body.get("event")),
            at_unix_ns=body["at_unix_ns"],
            incident=incident,
            severity=str(body.get("severity")),
            is_late=True,
        )

    def _put(self, key: str, body: dict[str, Any], until_unix_ns: int) -> bool:
        return self._records.put_waiting(key, body | {"until_unix_ns": until_unix_ns})

    def _delete(self, key: str) -> None:
        done = self._records.delete_waiting(key) is not None
        with self._lock:
            (self._settled.discard if done else self._settled.add)(key)


def _key(channel: str, notification: Notification) -> str:
    return f"{channel}/{notification.key}"
