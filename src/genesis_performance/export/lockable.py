"""File descriptors that carry locks: the child of a fork must not keep a copy of one.

A copy would hold the lock when this process is gone. A fork waits for the few microseconds in which a
descriptor is open and not yet noted.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

_lock = threading.RLock()
_open: set[int] = set()


def open_file(path: Path, flags: int) -> int:
    """Open a file that may be locked.

    Raises:
        OSError: as ``os.open``.
    """
    with _lock:
        fd = os.open(path, flags | os.O_CLOEXEC, 0o600)
        _open.add(fd)
        return fd


def close_file(fd: int) -> None:
    """Close it, unless that happened; in the child of a fork it has."""
    with _lock:
        if fd in _open:
            _open.discard(fd)
            os.close(fd)


def is_open(fd: int) -> bool:
    return fd in _open


def _before_fork() -> None:
    _lock.acquire()


def _after_fork_in_parent() -> None:
    _lock.release()


def _after_fork_in_child() -> None:
    global _lock  # noqa: PLW0603 - the parent's is held by the fork
    _lock = threading.RLock()
    while _open:
        os.close(_open.pop())


def close_copies_in_children() -> None:
    """Called once, before anything is registered that opens such files in the child of a fork."""
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child
    )
