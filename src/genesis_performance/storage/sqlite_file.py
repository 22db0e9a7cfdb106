"""The files of a SQLite store: which file is open, and putting a corrupt one aside."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from ..errors import StoreError
from .sqlite_errors import is_corrupt

log = logging.getLogger(__name__)

FileId = tuple[int, int] | None


def file_id(path: Path) -> FileId:
    """Device and inode: they change when another process put the file aside or deleted it."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def abandon(connection: sqlite3.Connection) -> None:
    """Never close this connection, not even at exit.

    Its file is another process's by now: inherited over a fork, where closing may release the parent's
    locks, or put aside, where closing would delete the write-ahead log of the new file under the old name.
    """
    _abandoned.append(connection)
    with contextlib.suppress(ImportError, AttributeError):  # other interpreters than CPython
        import ctypes

        ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))


_abandoned: list[sqlite3.Connection] = []


def set_aside(path: Path, now_unix_ns: int, reason: object) -> None:
    """Rename a corrupt file and its log, unless another process did so already.

    Raises:
        StoreError: it can not be renamed.
    """
    with _alone(path):
        if not path.exists() or not _is_corrupt(path):
            return
        when = datetime.fromtimestamp(now_unix_ns / 1e9, tz=UTC).strftime("%Y%m%dT%H%M%S%fZ")
        aside = path.with_name(f"{path.name}.corrupt-{when}")
        try:
            path.rename(aside)
            for suffix in ("-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    path.with_name(path.name + suffix).rename(aside.with_name(aside.name + suffix))
        except OSError as error:
            raise StoreError(
                f"the history store {path} is corrupt and can not be renamed: {error}; move it away, or set "
                "storage.url to another path"
            ) from error
    log.warning(
        "the history store %s is corrupt (%s): it is kept as %s and a new one is started", path, reason, aside
    )


def _is_corrupt(path: Path) -> bool:
    connection = sqlite3.connect(path, timeout=1)
    try:
        return bool(connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok")
    except sqlite3.Error as error:
        return is_corrupt(error)
    finally:
        connection.close()


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One process at a time; where the system has no file locks, none."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    with path.with_name(path.name + ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
