"""What the cache keeps: an immutable value, and the slot whose value is swapped as a whole.

Nothing here shows a payload: not ``repr``, not pickle, not copy.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, NoReturn

from .names import SecretName


class Entry:
    """One payload as it was read. Never changed: a slot gets a new one."""

    __slots__ = ("checked_at", "data", "expires_at", "refresh_at", "text", "version")

    def __init__(
        self,
        data: bytes,
        version: str,
        *,
        checked_at: float,
        expires_at: float,
        refresh_at: float,
    ) -> None:
        self.data = data
        self.text = _decoded(data)
        self.version = version  # the number that "latest" or an alias stood for
        self.checked_at = checked_at  # when the read that brought it was sent
        self.expires_at = expires_at
        self.refresh_at = refresh_at

    def until(self, expires_at: float) -> Entry:
        """The same payload, served until then."""
        return Entry(
            self.data,
            self.version,
            checked_at=self.checked_at,
            expires_at=expires_at,
            refresh_at=expires_at,
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


NOTHING = Entry(b"", "", checked_at=float("-inf"), expires_at=float("-inf"), refresh_at=float("inf"))
"""In a slot without a value: always expired."""


class Slot:
    """One secret version of the cache: its value and its counters.

    ``hits`` and ``used_at`` are written without a lock. Under the GIL nothing is lost; on a free-threaded
    build some counts may be, and only statistics and eviction depend on them.
    """

    __slots__ = (
        "calls",
        "changes",
        "entry",
        "failures",
        "generation",
        "hits",
        "hits_at_check",
        "keys",
        "label",
        "misses",
        "missing",
        "missing_until",
        "name",
        "retry_at",
        "used_at",
    )

    def __init__(self, name: SecretName, now: float) -> None:
        self.name = name
        self.label = name.label
        self.keys: set[Hashable] = set()  # the callers' own forms of the name
        self.entry = NOTHING
        self.hits = 0
        self.misses = 0
        self.calls = 0
        self.failures = 0
        self.changes = 0  # times that a read brought another version than the one before
        self.hits_at_check = 0
        self.used_at = now
        self.retry_at = float("-inf")  # not refreshed in the background before
        self.generation = 0  # counts invalidations: a read from before one is not kept
        self.missing: Exception | None = None
        self.missing_until = float("-inf")
