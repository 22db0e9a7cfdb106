"""What happens to the file: corruption, versions, permissions, full disks, many processes and forks."""

import logging
import multiprocessing
import os
import resource
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from genesis_performance.errors import StoreError, StoreVersionError
from genesis_performance.storage import Kind
from genesis_performance.storage.sqlite import SqliteStore

NOBODY = 65534


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    with SqliteStore(path) as store:
        yield store


@pytest.fixture
def read_only_directory() -> Iterator[Path]:
    """A directory that this user may read but not write, even when the tests run as root."""
    directory = Path(tempfile.mkdtemp())
    directory.chmod(0o555)
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    yield directory
    if root:
        os.seteuid(0)
    directory.chmod(0o755)
    shutil.rmtree(directory)


def asides(path: Path) -> list[Path]:
    return sorted(path.parent.glob(f"{path.name}.corrupt-*Z"))


@pytest.mark.parametrize("content", [b"not a database at all, " * 100, b"\x00" * 5000])
def test_a_corrupt_file_is_kept_aside_and_a_new_one_started(
    path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path.write_bytes(content)
    with SqliteStore(path) as store:
        store.append(Kind.RUN, "a", {"n": 1})
        assert store.get(Kind.RUN, "a") == {"n": 1}
    (aside,) = asides(path)
    assert aside.read_bytes() == content
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert str(path) in warnings[0]
    assert str(aside) in warnings[0]


def filled(path: Path) -> None:
    with SqliteStore(path) as store:
        for number in range(200):
            store.append(Kind.RUN, str(number), {"text": "x" * 1000})


def test_a_truncated_file_is_kept_aside_too(path: Path) -> None:
    filled(path)
    os.truncate(path, path.stat().st_size // 2)
    with SqliteStore(path) as store:
        store.append(Kind.RUN, "new", {})
        store.list(Kind.RUN)
        assert [record.key for record in store.list(Kind.RUN)] == ["new"]
    assert len(asides(path)) == 1


def test_a_file_that_breaks_while_it_is_open_is_replaced(path: Path) -> None:
    filled(path)
    with SqliteStore(path) as store:
        store.list(Kind.RUN)
        store.close()
        content = bytearray(path.read_bytes())
        content[4096:] = b"\xff" * (len(content) - 4096)
        path.write_bytes(content)
        assert store.list(Kind.RUN) == []
        store.append(Kind.RUN, "new", {})
        assert len(store.list(Kind.RUN)) == 1


def test_a_record_that_broke_is_left_out_and_told(
    path: Path, store: SqliteStore, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(3):
        store.append(Kind.RUN, str(number), {"n": number})
    raw = sqlite3.connect(path, isolation_level=None)
    raw.execute("UPDATE records SET body = CAST(x'7b22ff' AS TEXT) WHERE key = '1'")
    raw.close()
    assert [record.key for record in store.list(Kind.RUN)] == ["2", "0"]
    assert "record 2 can not be read" in caplog.text


def test_another_users_connection_follows_to_the_new_file(path: Path) -> None:
    with SqliteStore(path) as first, SqliteStore(path) as second:
        first.append(Kind.RUN, "a", {})
        second.append(Kind.RUN, "b", {})
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).rename(path.with_name("aside" + suffix))
        first.append(Kind.RUN, "c", {})
        second.append(Kind.RUN, "d", {})
        first.close()
        assert [record.key for record in second.list(Kind.RUN)] == ["d", "c"]
    with SqliteStore(path) as third:
        assert len(third.list(Kind.RUN)) == 2


def test_a_deleted_file_is_started_again(path: Path, store: SqliteStore) -> None:
    store.append(Kind.RUN, "a", {})
    for each in path.parent.iterdir():
        each.unlink()
    store.append(Kind.RUN, "b", {})
    assert [record.key for record in store.list(Kind.RUN)] == ["b"]


def test_an_empty_file_is_a_new_store(path: Path) -> None:
    path.touch()
    with SqliteStore(path) as store:
        store.append(Kind.RUN, "a", {})
    assert asides(path) == []


def test_a_newer_store_is_refused_with_both_versions_and_untouched(path: Path, store: SqliteStore) -> None:
    store.append(Kind.RUN, "a", {})
    store.close()
    raw = sqlite3.connect(path)
    raw.execute("PRAGMA user_version = 7")
    raw.close()
    with pytest.raises(StoreVersionError, match=r"version 7.*up to 1.*upgrade"):
        store.append(Kind.RUN, "b", {})
    assert asides(path) == []


def test_another_programs_database_is_refused_and_untouched(path: Path, store: SqliteStore) -> None:
    raw = sqlite3.connect(path)
    raw.execute("CREATE TABLE users (id)")
    raw.close()
    content = path.read_bytes()
    with pytest.raises(StoreError, match="another program"):
        store.append(Kind.RUN, "b", {})
    assert path.read_bytes() == content


def test_a_read_only_directory_is_an_error_with_path_and_remedy(read_only_directory: Path) -> None:
    path = read_only_directory / "history.db"
    with SqliteStore(path) as store, pytest.raises(StoreError, match="allow this user to write") as caught:
        store.append(Kind.RUN, "a", {})
    assert str(path) in str(caught.value)


def test_a_directory_that_can_not_be_made_is_an_error_with_path_and_remedy(read_only_directory: Path) -> None:
    with (
        SqliteStore(read_only_directory / "sub" / "history.db") as store,
        pytest.raises(StoreError, match=r"sub/history\.db can not be opened.*storage\.url"),
    ):
        store.append(Kind.RUN, "a", {})


def test_a_directory_in_place_of_the_file_is_an_error(path: Path, store: SqliteStore) -> None:
    path.mkdir()
    with pytest.raises(StoreError, match=r"history\.db can not be opened"):
        store.append(Kind.RUN, "a", {})


def test_a_file_in_place_of_the_directory_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        SqliteStore(tmp_path / "file" / "history.db") as store,
        pytest.raises(StoreError, match=r"storage\.url"),
    ):
        store.append(Kind.RUN, "a", {})


def test_a_full_disk_is_an_error_and_loses_nothing_that_was_kept(store: SqliteStore) -> None:
    for number in range(5):
        store.append(Kind.RUN, str(number), {"text": "x" * 1000})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, hard))  # writing beyond it fails, as on a full disk
    try:
        with pytest.raises(StoreError, match=r"could not be written.*free some space"):  # noqa: PT012
            for number in range(5, 400):
                store.append(Kind.RUN, str(number), {"text": "x" * 1000})
                kept = number
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert {record.key for record in store.list(Kind.RUN)} == {str(number) for number in range(kept + 1)}
    store.append(Kind.RUN, "after", {})


def test_a_store_held_by_another_is_an_error_after_the_wait(
    path: Path, store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("genesis_performance.storage.sqlite.BUSY_TIMEOUT_S", 0.05)
    store.append(Kind.RUN, "a", {})
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    store.close()
    with pytest.raises(StoreError, match="held by another process"):
        store.append(Kind.RUN, "b", {})
    other.execute("ROLLBACK")
    other.close()
    store.append(Kind.RUN, "b", {})


def write_many(path: Path, name: str, count: int, start: "threading.Barrier") -> None:
    start.wait()
    with SqliteStore(path) as store:
        for number in range(count):
            store.append(Kind.RUN, name, {"n": number})
            store.put(Kind.BASELINE, "shared", {"by": name})


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Six processes that take turns may each wait for long where others have the processors."""
    monkeypatch.setattr("genesis_performance.storage.sqlite.BUSY_TIMEOUT_S", 100.0)


@pytest.mark.usefixtures("patient")
def test_many_processes_start_one_store_and_lose_nothing(path: Path) -> None:
    spawning = multiprocessing.get_context("fork")
    start = spawning.Barrier(6)
    writers = [
        spawning.Process(target=write_many, args=(path, f"writer {number}", 40, start)) for number in range(6)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(200)
    assert [writer.exitcode for writer in writers] == [0] * 6
    with SqliteStore(path) as store:
        assert len(store.list(Kind.RUN)) == 240
        assert len(store.list(Kind.BASELINE)) == 1
        for number in range(6):
            own = store.list(Kind.RUN, f"writer {number}", newest_first=False)
            assert [record.body["n"] for record in own] == list(range(40))
    raw = sqlite3.connect(path)
    assert raw.execute("PRAGMA auto_vacuum").fetchone()[0] == 2
    assert raw.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert raw.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    raw.close()


@pytest.mark.usefixtures("patient")
def test_many_processes_that_find_a_corrupt_file_put_it_aside_once(path: Path) -> None:
    path.write_bytes(b"garbage" * 1000)
    forking = multiprocessing.get_context("fork")
    start = forking.Barrier(4)
    writers = [forking.Process(target=write_many, args=(path, str(n), 10, start)) for n in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(200)
    assert [writer.exitcode for writer in writers] == [0] * 4
    assert len(asides(path)) == 1
    with SqliteStore(path) as store:
        assert len(store.list(Kind.RUN)) == 40


def test_threads_share_a_store(store: SqliteStore) -> None:
    def write(name: str) -> None:
        for number in range(25):
            store.append(Kind.RUN, name, {"n": number})

    threads = [threading.Thread(target=write, args=(str(n),)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.list(Kind.RUN)) == 100


def test_connections_of_ended_threads_are_closed(store: SqliteStore) -> None:
    for number in range(5):
        thread = threading.Thread(target=store.append, args=(Kind.RUN, str(number), {}))
        thread.start()
        thread.join()
    store.append(Kind.RUN, "last", {})
    assert len(store._open) == 1


def test_a_forked_child_writes_through_a_connection_of_its_own(store: SqliteStore) -> None:
    store.append(Kind.RUN, "parent", {})
    forking = multiprocessing.get_context("fork")
    child = forking.Process(target=store.append, args=(Kind.RUN, "child", {}))
    child.start()
    child.join(60)
    assert child.exitcode == 0
    store.append(Kind.RUN, "parent", {})
    assert sorted(record.key for record in store.list(Kind.RUN)) == ["child", "parent", "parent"]
