"""What the cache keeps: an immutable value, and the slot whose value is swapped as a whole.

Nothing here shows a payload: not ``repr``, not pickle, not copy.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, NoReturn

from .adaptive import Pace
from .names import SecretName
from .patterns import Activity

NEVER = float("-inf")


class Entry:
    """One payload as it was read. Never changed: a slot gets a new one."""

    __slots__ = (
        "asked",
        "checked_at",
        "data",
        "expires_at",
        "refresh_at",
        "since",
        "text",
        "text_until",
        "version",
    )

    def __init__(
        self,
        data: bytes,
        version: str,
        *,
        checked_at: float,
        since: int,
        asked: int,
        refresh_at: float,
        expires_at: float,
    ) -> None:
        self.data = data
        self.version = version  # the number that "latest" or an alias stood for
        self.checked_at = checked_at  # when the read that brought it was sent
        self.since = since  # tick at which the first read in a row that brought this version was over
        self.asked = asked  # tick at which the last of them was sent
        self.refresh_at = refresh_at  # a use from then on starts a read in the background
        self.expires_at = expires_at  # not served from then on
        self.text: Any = _decoded(data)  # None for what is not text
        # The fast path serves text only; what is none ends in the slow one, which says so.
        self.text_until = refresh_at if self.text is not None else NEVER

    def until(self, expires_at: float, refresh_at: float | None = None) -> Entry:
        """The same payload, served until then."""
        return Entry(
            self.data,
            self.version,
            checked_at=self.checked_at,
            since=self.since,
            asked=self.asked,
            refresh_at=min(expires_at, expires_at if refresh_at is None else refresh_at),
            expires_at=expires_at,
        )

    def __repr__(self) -> str:
        return f"<Entry of version {self.version}, payload left out>"

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("a secret's payload is not pickled or copied")


def _decoded(data: bytes) -> str | None:
    """As text, or None for what is not UTF-8.

    The error itself would carry the payload, so it ends here.
    """
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


NOTHING = Entry(b"", "", checked_at=NEVER, since=0, asked=0, refresh_at=NEVER, expires_at=NEVER)
"""In a slot without a value: always expired."""


class Slot:
    """One secret version of the cache: its value and its counters.

    ``hits`` and ``used_at`` are written without a lock. Under the GIL nothing is lost; on a free-threaded
    build some counts may be, and only statistics, eviction and the next refresh depend on them.
    """

    __slots__ = (
        "activity",
        "calls",
        "changes",
        "entry",
        "failures",
        "feedback_at",
        "generation",
        "heat",
        "heat_at",
        "hits",
        "hits_at_check",
        "keys",
        "label",
        "last_version",
        "misses",
        "missing",
        "missing_until",
        "name",
        "outages",
        "pace",
        "preloads",
        "rechecks",
        "seen_parent",
        "used_at",
        "uses_seen",
    )

    def __init__(self, name: SecretName, now: float) -> None:
        self.name = name
        self.label = name.label
        self.keys: set[Hashable] = set()  # the callers' own forms of the name
        self.entry = NOTHING
        self.hits = 0
        self.misses = 0
        self.preloads = 0  # of the hits and misses, those that only preloaded
        self.calls = 0
        self.failures = 0
        self.outages = 0  # transient failures in a row
        self.changes = 0  # times that a read brought another version than the one before
        self.last_version = ""
        self.seen_parent = ""  # the secret as Secret Manager calls it: with the project's number
        self.hits_at_check = 0
        self.pace = Pace(now)
        self.activity = Activity(now)
        self.used_at = now
        self.heat = 0.0  # decayed count of uses, the first ``uses_seen`` of them, as of ``heat_at``
        self.heat_at = 0.0  # a turn of the cache
        self.uses_seen = 0
        self.feedback_at = NEVER  # last read because a caller said that the value was rejected
        self.rechecks = 0  # reads still to come because a notice told of a change that is not seen yet
        self.generation = 0  # counts invalidations: a read from before one is not kept
        self.missing: Exception | None = None
        self.missing_until = NEVER

    @property
    def uses(self) -> int:
        return self.hits + self.misses

    @property
    def is_used(self) -> bool:
        """Whether it was used since its last check."""
        return self.hits > self.hits_at_check
