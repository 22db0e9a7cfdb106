"""The history store in one SQLite file, shared by threads and processes of one machine.

Write-ahead log, so that readers never wait for a writer; each thread of each process has a connection of
its own. A file that SQLite can not read is kept aside and a new one started: history is worth less than a
service that starts.

Source: https://www.sqlite.org/wal.html, https://www.sqlite.org/howtocorrupt.html (connections and fork)
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

from ..errors import InvalidInputError, StoreError, StoreVersionError, UnknownNameError
from .kinds import STATE, Kind
from .sqlite_errors import is_busy, is_corrupt, is_input_output, no_access, translated
from .sqlite_file import FileId, abandon, file_id, set_aside
from .store import Record, Records

log = logging.getLogger(__name__)

SCHEMA_VERSION = 1
APPLICATION_ID = 0x47505246  # "GPRF": tells our file from another program's database
BUSY_TIMEOUT_S = 10.0
PRUNE_EVERY_BYTES = 1_000_000  # written by this process since the size was looked at last
SHRINK_TO = 0.9  # of the cap, so that the next record does not prune again

_SCHEMA = f"""
CREATE TABLE records (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    at_unix_ns INTEGER NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX records_by_key ON records (kind, key, at_unix_ns);
CREATE INDEX records_by_time ON records (kind, at_unix_ns);
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
"""

R = TypeVar("R")


class _Open(NamedTuple):
    connection: sqlite3.Connection
    file: FileId


class SqliteStore:
    """A ``Store`` in one file.

    Args:
        path: of the file; its directory is made at the first write.
        max_size_mb: the oldest records are deleted when the file grows beyond it.
        retention_days: age at which a record is deleted.
        clock: nanoseconds since the epoch.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        max_size_mb: float = 256.0,
        retention_days: int = 90,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        if not max_size_mb > 0 or not retention_days > 0:
            raise InvalidInputError(
                f"max_size_mb={max_size_mb!r}, retention_days={retention_days!r}; both must be above 0"
            )
        self.path = Path(path).absolute()
        self._max_bytes = int(max_size_mb * 1_000_000)
        self._retention_ns = int(retention_days * 86_400 * 1e9)
        self._clock = clock
        self._lock = threading.Lock()
        self._open: dict[int, _Open] = {}  # by thread
        self._written_bytes = PRUNE_EVERY_BYTES  # the first write looks at age and size
        _stores.add(self)
        weakref.finalize(self, _close_all, self._open, self.path)

    def __repr__(self) -> str:
        return f"SqliteStore({str(self.path)!r})"

    def append(
        self, kind: Kind | str, key: str, body: Mapping[str, Any], at_unix_ns: int | None = None
    ) -> int:
        return self._insert(kind, key, body, at_unix_ns, replace=False)

    def put(self, kind: Kind | str, key: str, body: Mapping[str, Any]) -> int:
        return self._insert(kind, key, body, None, replace=True)

    def get(self, kind: Kind | str, key: str) -> dict[str, Any] | None:
        newest = self.list(kind, key, limit=1)
        return newest[0].body if newest else None

    def list(
        self,
        kind: Kind | str,
        key: str | None = None,
        since_unix_ns: int | None = None,
        limit: int | None = None,
        newest_first: bool = True,
    ) -> Records:
        where, values = "kind = ?", [_kind(kind).value]  # type: str, list[Any]
        if key is not None:
            where, values = f"{where} AND key = ?", [*values, _key(key)]
        if since_unix_ns is not None:
            where, values = f"{where} AND at_unix_ns >= ?", [*values, _time(since_unix_ns)]
        order = "DESC" if newest_first else "ASC"
        # Only fixed words are put into the text; every value is bound.
        text = (
            f"SELECT id, kind, key, at_unix_ns, body FROM records WHERE {where} "  # noqa: S608
            f"ORDER BY at_unix_ns {order}, id {order} LIMIT ?"
        )
        values.append(-1 if limit is None else max(0, limit))
        if not self.path.exists():
            return []  # a question must not create the file
        rows = self._run(lambda connection: connection.execute(text, values).fetchall())
        return [record for row in rows if (record := self._record(row))]

    def delete(self, kind: Kind | str, key: str | None = None) -> int:
        name, wanted = _kind(kind).value, None if key is None else _key(key)
        if not self.path.exists():
            return 0

        def work(connection: sqlite3.Connection) -> int:
            text = "DELETE FROM records WHERE kind = ? AND (? IS NULL OR key = ?)"
            with _transaction(connection):
                return connection.execute(text, (name, wanted, wanted)).rowcount

        return self._run(work)

    def prune(self, now_unix_ns: int | None = None) -> int:
        oldest = (self._clock() if now_unix_ns is None else _time(now_unix_ns)) - self._retention_ns
        if not self.path.exists():
            return 0
        return self._run(lambda connection: self._prune(connection, oldest))

    def close(self) -> None:
        with self._lock:
            _close_all(self._open, self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _insert(
        self, kind: Kind | str, key: str, body: Mapping[str, Any], at_unix_ns: int | None, *, replace: bool
    ) -> int:
        name, key = _kind(kind), _key(key)
        text = _text(name, key, body)
        if len(text) > self._max_bytes / 4:
            raise InvalidInputError(
                f"{name} {key!r} is {len(text) / 1e6:.1f} MB; a record may be a quarter of "
                f"storage.max_size_mb, which is {self._max_bytes / 1e6:g}"
            )
        row = (name.value, key, self._clock() if at_unix_ns is None else _time(at_unix_ns), text)

        def work(connection: sqlite3.Connection) -> int:
            with _transaction(connection):
                if replace:
                    connection.execute("DELETE FROM records WHERE kind = ? AND key = ?", row[:2])
                cursor = connection.execute(
                    "INSERT INTO records (kind, key, at_unix_ns, body) VALUES (?, ?, ?, ?)", row
                )
            return cursor.lastrowid or 0

        record_id = self._run(work)
        self._written_bytes += len(text)
        if self._written_bytes >= PRUNE_EVERY_BYTES:
            self._written_bytes = 0
            self.prune()
        return record_id

    def _record(self, row: tuple[int, str, str, int, str]) -> Record | None:
        record_id, kind, key, at_unix_ns, text = row
        try:
            body = json.loads(text)
        except ValueError as error:  # a broken disk: the other records are still good
            log.warning("history store %s: record %d can not be read: %s", self.path, record_id, error)
            return None
        return Record(id=record_id, kind=Kind(kind), key=key, at_unix_ns=at_unix_ns, body=body)

    def _prune(self, connection: sqlite3.Connection, oldest_unix_ns: int) -> int:
        state = tuple(kind.value for kind in STATE)
        marks = ", ".join("?" * len(state))
        deleted = 0
        with _transaction(connection):
            deleted += connection.execute(
                f"DELETE FROM records WHERE at_unix_ns < ? AND kind NOT IN ({marks})",  # noqa: S608 - marks
                (oldest_unix_ns, *state),
            ).rowcount
        while _used_bytes(connection) > self._max_bytes * (SHRINK_TO if deleted else 1):
            with _transaction(connection):
                batch = connection.execute(
                    "DELETE FROM records WHERE id IN (SELECT id FROM records "  # noqa: S608 - marks
                    f"ORDER BY kind IN ({marks}), at_unix_ns, id "
                    "LIMIT max(1, (SELECT count(*) FROM records) / 20))",
                    state,
                ).rowcount
            deleted += batch
            if not batch:
                break
        if deleted:
            # A script, because execute() stops after the first page. The file shrinks once the log is in it.
            connection.executescript("PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE);")
            log.info("history store %s: %d old records deleted", self.path, deleted)
        return deleted

    def _run(self, work: Callable[[sqlite3.Connection], R]) -> R:
        """Do the work on this thread's connection.

        Where the file is corrupt, or its files were exchanged under the connection, the work is done again on
        a new one.
        """
        try:
            return work(self._connection())
        except sqlite3.Error as error:
            if not (is_corrupt(error) or is_input_output(error) or self._was_replaced()):
                raise translated(error, self.path) from error
            self._drop({threading.get_ident()})
            if is_corrupt(error):
                set_aside(self.path, self._clock(), error)
        try:
            return work(self._connection())
        except sqlite3.Error as error:
            raise translated(error, self.path) from error

    def _connection(self) -> sqlite3.Connection:
        thread = threading.get_ident()
        opened = self._open.get(thread)
        if opened and opened.file == file_id(self.path):
            return opened.connection
        self._drop(set(self._open) - {each.ident for each in threading.enumerate()} | {thread})
        while True:
            before = file_id(self.path)
            connection = self._connect()
            found = file_id(self.path)
            if before in (None, found):  # else another process put the file aside in this moment
                break
            abandon(connection)
        with self._lock:
            self._open[thread] = _Open(connection, found)
        return connection

    def _was_replaced(self) -> bool:
        """The file of this thread's connection was put aside or deleted while it worked."""
        opened = self._open.get(threading.get_ident())
        return opened is not None and opened.file != file_id(self.path)

    def _drop(self, threads: set[int]) -> None:
        with self._lock:
            _close_all({thread: self._open.pop(thread) for thread in threads & set(self._open)}, self.path)

    def _connect(self) -> sqlite3.Connection:
        try:
            self._make_directory()
        except OSError as error:
            raise no_access(self.path, error.strerror or error) from error
        connection = sqlite3.connect(
            self.path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _make_directory(self) -> None:
        directory = self.path.parent
        if directory.is_dir():
            return
        directory.mkdir(parents=True, exist_ok=True)
        if directory.name == ".genesis":
            (directory / ".gitignore").write_text("*\n")

    def _prepare(self, connection: sqlite3.Connection) -> None:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            self._create(connection)
            version = connection.execute("PRAGMA user_version").fetchone()[0]
        if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
            raise StoreError(
                f"{self.path} is a SQLite database of another program; set storage.url to a path of its own"
            )
        if version > SCHEMA_VERSION:
            raise StoreVersionError(
                f"the history store {self.path} has schema version {version}, this Genesis Performance knows "
                f"versions up to {SCHEMA_VERSION}; upgrade it (pip install --upgrade genesis-performance) or "
                "set storage.url to another path"
            )
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.text_factory = _decoded

    def _create(self, connection: sqlite3.Connection) -> None:
        deadline = time.monotonic() + BUSY_TIMEOUT_S
        while True:
            try:
                if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
                    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # only before the first page
                    connection.execute("PRAGMA journal_mode = WAL").fetchall()
                with _transaction(connection):
                    if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
                        for statement in _SCHEMA.split(";"):
                            connection.execute(statement)
            except sqlite3.OperationalError as error:
                # Changing to the log needs the file alone, and SQLite does not wait for that.
                if not is_busy(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
            else:
                return


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _used_bytes(connection: sqlite3.Connection) -> int:
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def _kind(kind: Kind | str) -> Kind:
    try:
        return Kind(kind)
    except ValueError:
        raise UnknownNameError(f"unknown kind {kind!r}; known are {', '.join(Kind)}") from None


def _key(key: str) -> str:
    if not isinstance(key, str) or not key:
        raise InvalidInputError(f"key is {key!r}; it must be a text of at least one character")
    return key.encode("utf-8", "backslashreplace").decode()  # half a surrogate pair can not be stored


def _decoded(stored: bytes) -> str:
    return stored.decode("utf-8", "replace")


def _time(at_unix_ns: int) -> int:
    if not isinstance(at_unix_ns, int) or not -(2**63) < at_unix_ns < 2**63:
        raise InvalidInputError(f"time is {at_unix_ns!r}; it must be an int, nanoseconds since the epoch")
    return at_unix_ns


def _text(kind: Kind, key: str, body: Mapping[str, Any]) -> str:
    if not isinstance(body, Mapping):
        raise InvalidInputError(f"body of {kind} {key!r} is a {type(body).__name__}; it must be a mapping")
    try:
        return json.dumps(dict(body), allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInputError(f"body of {kind} {key!r} can not be stored as JSON: {error}") from error


def _close_all(opened: dict[int, _Open], path: Path) -> None:
    current = file_id(path)
    for each in opened.values():
        if each.file == current:
            each.connection.close()
        else:
            abandon(each.connection)
    opened.clear()


_stores: weakref.WeakSet[SqliteStore] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    """Leave the parent's connections alone: even closing one here could release its locks."""
    for store in _stores:
        for each in store._open.values():
            abandon(each.connection)
        store._open.clear()
        store._lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
