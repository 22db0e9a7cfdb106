"""What SQLite's result codes mean to the user of a store.

Source: https://www.sqlite.org/rescode.html
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from ..errors import StoreError

_NO_ACCESS = {sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_AUTH}
_NO_SPACE = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def is_corrupt(error: sqlite3.Error) -> bool:
    return _code(error) in _CORRUPT


def is_busy(error: sqlite3.Error) -> bool:
    return _code(error) in _BUSY


def is_input_output(error: sqlite3.Error) -> bool:
    return _code(error) == sqlite3.SQLITE_IOERR


def no_access(path: Path, reason: object) -> StoreError:
    return StoreError(
        f"the history store {path} can not be opened for writing: {reason}; "
        "allow this user to write the file and its directory, or set storage.url to another path"
    )


def translated(error: sqlite3.Error, path: Path) -> StoreError:
    """The error in words, with what to do about it."""
    code = _code(error)
    if code in _NO_ACCESS:
        return no_access(path, error)
    if code in _NO_SPACE:
        return StoreError(
            f"the history store {path} could not be written: {error}; free some space on its disk or lower "
            "storage.max_size_mb. What was written before is kept"
        )
    if code in _BUSY:
        return StoreError(
            f"the history store {path} is held by another process: {error}; nothing was written, try again"
        )
    return StoreError(f"the history store {path}: {error}")


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
