"""When each channel is told what: in order, not too often, and again after a failure.

A channel has a lane of its own, so that one that fails holds up only itself. Within a lane the order is kept:
nobody is told that an incident closed before it is told that it opened.

Source: AWS Architecture Blog, "Exponential Backoff And Jitter" (full jitter).
"""

from __future__ import annotations

import logging
import random
from collections import Counter, deque
from collections.abc import Callable, Sequence

from ...export.clock import Clock
from ...export.limits import Complaints
from .channel import Channel, ChannelError
from .notification import DIGEST, Notification

log = logging.getLogger(__name__)

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
MINUTE_S = 60.0


class Delivery:
    """Notifications on their way to every channel. One thread calls ``turn``, any may call ``put``.

    Args:
        timeout_s: of one try.
        retry_s: for how long a notification is tried again.
        max_per_minute: of one channel, a digest included.
        queue_size: of one channel.
        settled: called with a channel's name and what it was told, or will never be told.
        chance: between 0 and 1, for tests.
    """

    def __init__(
        self,
        channels: Sequence[Channel],
        *,
        clock: Clock,
        timeout_s: float = 10.0,
        retry_s: float = 300.0,
        max_per_minute: int = 10,
        queue_size: int = 200,
        settled: Callable[[str, Notification], object] = lambda _channel, _notification: None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._complaints = Complaints(log, clock=clock.monotonic)
        self._clock = clock
        self._timeout_s = timeout_s
        self._retry_s = retry_s
        self._max_per_minute = max_per_minute
        self._queue_size = queue_size
        self._settled = settled
        self._chance = chance
        self._lanes = [_Lane(channel) for channel in channels]

    @property
    def channels(self) -> list[str]:
        return [lane.name for lane in self._lanes]

    def put(self, notification: Notification, only: str | None = None) -> None:
        """Tell every channel, or only one; what a full queue has no room for is dropped and counted."""
        now = self._clock.monotonic()
        for lane in self._lanes:
            if only not in {None, lane.name}:
                continue
            if len(lane.waiting) >= self._queue_size:
                self.counts["dropped"] += 1
                self._complaints.add(
                    "dropped",
                    "%s: more than %d notifications wait; new ones are dropped",
                    lane.name,
                    self._queue_size,
                )
                self._settled(lane.name, notification)
                continue
            lane.waiting.append((notification, now))

    @property
    def is_idle(self) -> bool:
        """Whether every channel was told everything."""
        return all(not lane.waiting and not lane.held for lane in self._lanes)

    def turn(self, *, is_last: bool = False) -> float | None:
        """Tell what is due; seconds until the next turn, None when nothing waits.

        Args:
            is_last: the process ends: no pause is kept, and what is held back is told.
        """
        waits = [self._serve(lane, is_last=is_last) for lane in self._lanes]
        return min((wait for wait in waits if wait is not None), default=None)

    def _serve(self, lane: _Lane, *, is_last: bool) -> float | None:
        now = self._clock.monotonic()
        while lane.sent and now - lane.sent[0] >= MINUTE_S:
            lane.sent.popleft()
        if not is_last and now < lane.next_try:
            return lane.next_try - now
        if lane.held and (is_last or len(lane.sent) < self._max_per_minute):
            self._make_digest(lane, now)
        if not lane.waiting:
            return self._until_free(lane, now) if lane.held else None
        entry = lane.waiting[0]
        if entry[0].event != DIGEST and not is_last and len(lane.sent) >= self._max_per_minute:
            self._hold(lane)
            return 0.0
        self._try(lane, entry, now)
        if not lane.waiting:
            return self._until_free(lane, now) if lane.held else None
        return max(lane.next_try - self._clock.monotonic(), 0.0)

    def _try(self, lane: _Lane, entry: _Entry, now: float) -> None:
        try:
            lane.channel.send(entry[0], timeout_s=self._timeout_s)
        except ChannelError as error:
            self._failed(lane, entry, error)
            return
        except Exception as error:  # noqa: BLE001 - a channel's own mistake must not stop the others
            # Where no thread can be started any more, the next process may.
            may_retry = isinstance(error, RuntimeError)
            said = f"{type(error).__name__}: {error}"
            self._failed(lane, entry, ChannelError(said, may_retry=may_retry))
            return
        lane.sent.append(now)
        lane.pause_s, lane.next_try = FIRST_PAUSE_S, 0.0
        self.counts["delivered"] += 1
        self._over(lane, entry)

    def _over(self, lane: _Lane, entry: _Entry) -> None:
        lane.waiting.popleft()
        self._settled(lane.name, entry[0])

    def _failed(self, lane: _Lane, entry: _Entry, error: ChannelError) -> None:
        since = entry[1]
        now = self._clock.monotonic()
        wait_s = max(self._chance() * lane.pause_s, error.after_s)
        if error.may_retry and now + wait_s - since <= self._retry_s:
            self.counts["tried again"] += 1
            if lane.pause_s == FIRST_PAUSE_S:  # said at once, and once: a short process has no second try
                self._complaints.add("waits", "%s is not told of an incident yet: %s", lane.name, error)
            lane.pause_s = min(2 * lane.pause_s, LONGEST_PAUSE_S)
            lane.next_try = now + wait_s
            return
        lane.next_try = now + error.after_s
        self.counts["failed"] += 1
        self._over(lane, entry)
        self._complaints.add("failed", "%s was not told of an incident: %s", lane.name, error)

    def _hold(self, lane: _Lane) -> None:
        """Keep back everything that waits, for one digest."""
        while lane.waiting:
            lane.held.append(lane.waiting.popleft()[0])
            self.counts["held back"] += 1
        while len(lane.held) > self._queue_size:
            self._settled(lane.name, lane.held.popleft())
            self.counts["dropped"] += 1

    def _make_digest(self, lane: _Lane, now: float) -> None:
        held = list(lane.held)
        lane.held.clear()
        while lane.waiting:  # whoever puts one meanwhile finds it told after the digest
            held.append(lane.waiting.popleft()[0])
        digest = Notification(event=DIGEST, at_unix_ns=self._clock.unix_ns(), held=tuple(held))
        lane.waiting.appendleft((held[0] if len(held) == 1 else digest, now))

    def _until_free(self, lane: _Lane, now: float) -> float:
        return max(lane.sent[0] + MINUTE_S - now, 0.0) if lane.sent else 0.0


_Entry = tuple[Notification, float]
"""With the time since which it waits."""


class _Lane:
    """What one channel still has to be told."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.name = channel.name
        self.waiting: deque[_Entry] = deque()
        self.held: deque[Notification] = deque()
        self.sent: deque[float] = deque()
        self.next_try = 0.0
        self.pause_s = FIRST_PAUSE_S
