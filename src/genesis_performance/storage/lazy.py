"""A part's store: opened at first use, closed by whoever opened it."""

from __future__ import annotations

import threading

from .store import Store, open_store


class LazyStore:
    """Stands for the store a part was given, or for the one it opens itself when it first needs it.

    Args:
        given: a store, which its owner closes; a URL; or None for the configured store.
    """

    def __init__(self, given: Store | str | None) -> None:
        self._is_own = given is None or isinstance(given, str)
        self._url = given if isinstance(given, str) else None
        self._store = None if given is None or isinstance(given, str) else given
        self._lock = threading.Lock()

    def opened(self) -> Store:
        with self._lock:
            if self._store is None:
                self._store = open_store(self._url)
            return self._store

    def close(self) -> None:
        """Close the store, if it was opened here."""
        with self._lock:
            if self._is_own and self._store is not None:
                self._store.close()
