"""The folder that all processes of one service share: who of them sends, and all their values together.

Who holds the lock ``writer`` sends. Everybody may read. Only the writer changes ``totals`` and removes files.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: there is no folder, everything is on the heap
    fcntl = None  # type: ignore[assignment]

from .blocks import GAUGE
from .folded import NAME, DamagedError, Folded, load, save, set_aside
from .limits import Complaints
from .lockable import close_file, open_file
from .mapped_file import UNNAMED, MappedFile, ReadFile, files
from .place import make_own
from .reading import Reader
from .totals import Known, Sums, Totals, add_all

LOCK_NAME, DAMAGED = "writer", ".damaged"
MOST_DEAD = 64
"""So many files of ended processes wait for an acknowledgement; more are folded without it."""

MOST_DAMAGED = 8  # kept for who wants to look into them

_SENT_NS, _NEWEST_NS, _PID, _ENDS = range(4)  # words of the lock's file


@dataclass(frozen=True, slots=True)
class SharedHealth:
    """What is known of the folder."""

    folder: str
    writer_pid: int  # 0: there is none at the moment
    files: int
    bytes: int
    lost: dict[str, int]


class _Seen:
    """One file, and what was read of it last."""

    __slots__ = ("file", "is_dead", "reader")

    def __init__(self, file: ReadFile) -> None:
        self.file = file
        self.reader = Reader()
        self.is_dead = False


class SharedFolder:
    """One process's view of the folder.

    Raises:
        OSError: it can not be made, or belongs to somebody else.
    """

    def __init__(self, folder: Path, complaints: Complaints, *, new_task_id: str) -> None:
        self.path = folder
        self._complaints = complaints
        self._new_task_id = new_task_id
        _make(folder)
        self._fresh()

    def _fresh(self) -> None:
        self._lock_fd = -1
        self._seen: dict[str, _Seen] = {}
        self._folded: Folded | None = None  # while this process is the writer
        self._merged_dead: list[str] = []
        self._forget_sums()

    def _forget_sums(self) -> None:
        self._sums = Sums()
        self._of_folded: tuple[Totals, list[Known]] = ({}, [])

    def new_file(self) -> MappedFile:
        """A file for what this process records.

        Raises:
            OSError: there is no room for it.
        """
        _make(self.path)
        return MappedFile(self.path)

    def replace(self, removed: MappedFile) -> MappedFile:
        """A file for what one holds that somebody has removed.

        Raises:
            OSError: there is no room for it.
        """
        _make(self.path)
        return MappedFile(self.path, max_bytes=removed.max_bytes, removed=removed)

    @property
    def leads(self) -> bool:
        """Whether this process is the writer."""
        return self._folded is not None

    @property
    def folded(self) -> Folded:
        """What the writer knows; changed in place, then kept with ``keep``."""
        assert self._folded is not None
        return self._folded

    def try_lead(self) -> bool:
        """Become the writer unless another process is; True when this process is it.

        Raises:
            OSError: the folder can not be used.
        """
        if self._folded is not None and self._still_ours():
            return True
        _make(self.path)
        fd = open_file(self.path / LOCK_NAME, os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            close_file(fd)
            self.resign()
            return False
        except BaseException:
            close_file(fd)
            raise
        # Where somebody has removed everything, it goes on as it was.
        kept = self._folded if not (self.path / NAME).exists() else None
        if kept is None:
            self.resign()
        else:
            close_file(self._lock_fd)
        self._lock_fd = fd
        try:
            if kept is None:
                self._folded = self._loaded()
            else:
                save(self.path, kept)
            self._write(_SENT_NS, 0)  # the clock of an earlier boot says nothing
            self._write(_PID, os.getpid())
            self._write(_ENDS, 0)
        except BaseException:
            self.resign()
            raise
        return True

    def resign(self) -> None:
        """Let another process send."""
        fd, self._lock_fd = self._lock_fd, -1
        if fd >= 0:
            with contextlib.suppress(OSError):
                os.pwrite(fd, bytes(8), _PID * 8)
            close_file(fd)
        for seen in self._seen.values():
            seen.file.close()
        self._seen.clear()
        self._folded = None
        self._merged_dead = []
        self._forget_sums()  # they hold the memory of all files

    def after_fork_in_child(self) -> None:
        """The lock and the files are the parent's; ``lockable`` has closed this process's copies."""
        self._fresh()

    # ---- what the writer tells the others

    def sent(self, began_ns: int) -> None:
        """What was recorded until ``began_ns`` (monotonic clock) has been acknowledged."""
        self._write(_SENT_NS, began_ns)

    def date(self, newest_unix_ns: int) -> None:
        """Points with this end time are about to be sent; no later ones may be older."""
        self._write(_NEWEST_NS, newest_unix_ns)

    def end(self) -> None:
        """The writer is about to end: what is recorded from now on may be left to others."""
        if self._lock_fd >= 0:
            self._write(_ENDS, 1)

    @property
    def writer_ends(self) -> bool:
        return bool(self._words()[_ENDS])

    def sent_ns(self) -> int:
        """Until when (monotonic clock) what was recorded has been acknowledged; 0 when that is not known."""
        return self._words()[_SENT_NS]

    def newest_unix_ns(self) -> int:
        """End time of the newest point that anybody may have sent."""
        return self._words()[_NEWEST_NS]

    def wanted_ns(self) -> int:
        """The latest time that some process wants to be sent until."""
        return max((seen.file.wanted_ns() for seen in self._seen.values() if not seen.is_dead), default=0)

    def look(self) -> None:
        """See which files there are now, so that ``wanted_ns`` knows all of them."""
        for _ in self._current():
            pass

    # ---- all values together

    def merged(self, *, without: str = "") -> Totals:
        """What all processes have recorded, those that ended too.

        Args:
            without: name of a file that is left out.

        Raises:
            OSError: the folder can not be read.
        """
        if self._folded is not None:
            return self._added_up(self._folded, leading=True, without=without)
        for _ in range(10):
            before = _stamp(self.path)
            try:
                folded = load(self.path) or Folded("")
            except DamagedError:
                folded = Folded("")
            totals = self._added_up(folded, leading=False, without=without)
            if _stamp(self.path) == before:
                break
        for seen in self._seen.values():
            seen.file.close()
        self._seen.clear()
        return totals

    def keep(self) -> None:
        """Write what the writer knows.

        Raises:
            OSError: the disk is full or read-only.
        """
        folded = self.folded
        folded.files = {name for name in folded.files if (self.path / name).exists()}
        save(self.path, folded)

    @property
    def merged_dead(self) -> frozenset[str]:
        """Files of ended processes that were in ``merged`` the last time."""
        return frozenset(self._merged_dead)

    def fold(self, acknowledged: Collection[str]) -> None:
        """Take ended processes' files into the sums, once an export with their values was acknowledged.

        Args:
            acknowledged: the names of such files; without one, all are taken when there are too many.

        Raises:
            OSError: the sums could not be written; the files stay.
        """
        dead = [name for name in self._merged_dead if name in acknowledged]
        if not dead and len(self._merged_dead) > MOST_DEAD:
            dead = self._merged_dead
        if not dead:
            return
        self._merged_dead = [name for name in self._merged_dead if name not in dead]
        folded = self.folded
        taken = Folded(folded.task_id, {}, set(folded.files), folded.starts, dict(folded.lost))
        add_all(taken.totals, folded.totals.values())
        for name in dead:
            seen = self._seen[name]
            # The last value of a gauge has been sent; it is not the value any more.
            add_all(taken.totals, (known for known in seen.reader.known if known.key.kind != GAUGE))
            taken.files.add(name)
            if seen.reader.damaged:
                _count(taken.lost, "damaged blocks", seen.reader.damaged)
        save(self.path, taken)
        self._folded = taken
        for name in dead:
            self._remove(name)
            taken.files.discard(name)

    def health(self) -> SharedHealth:
        """Who writes, how many files there are, and what was lost."""
        try:
            lost = dict(self._folded.lost if self._folded else (load(self.path) or Folded("")).lost)
        except (DamagedError, OSError):
            lost = {}
        found = list(files(self.path))
        size = 0
        for path in found:
            with contextlib.suppress(OSError):
                size += path.stat().st_size
        return SharedHealth(str(self.path), self._words()[_PID], len(found), size, lost)

    def pids(self) -> list[int]:
        """Processes that record, as far as the writer knows."""
        found = (seen.file.identity().get("pid") for seen in self._seen.values() if not seen.is_dead)
        return [pid for pid in found if isinstance(pid, int)]

    def _loaded(self) -> Folded:
        try:
            known = load(self.path)
            if known is None and self.newest_unix_ns():
                raise DamagedError(f"{self.path / NAME} was removed")
            if known is None:
                known = Folded(self._new_task_id)
                save(self.path, known)  # a successor must send under the same task id
            return known
        except (DamagedError, ValueError, KeyError, TypeError) as error:
            set_aside(self.path)
            self._complaints.add(
                "totals damaged",
                "%s: series begin at zero under a new task id; what was not sent until now is lost",
                error,
            )
        # What the files hold may have been sent under the old task id: only what comes from now on counts.
        folded = Folded(self._new_task_id, lost={"damaged totals": 1})
        add_all(folded.totals, self._added_up(Folded(""), leading=True).values(), -1)
        save(self.path, folded)
        return folded

    def _added_up(self, folded: Folded, *, leading: bool, without: str = "") -> Totals:
        if folded.totals is not self._of_folded[0]:
            self._of_folded = folded.totals, list(folded.totals.values())
        places = [self._of_folded[1]]
        dead: list[str] = []
        for name, seen in self._current(skip=folded.files, leading=leading):
            if leading and not seen.is_dead and seen.file.try_lock():
                seen.is_dead = True
                seen.reader.read_dead(seen.file)
                self._complain(name, seen)
            elif not seen.is_dead:
                seen.reader.read_live(seen.file)
            if name != without:
                places.append(seen.reader.known)
            if seen.is_dead:
                dead.append(name)
        self._merged_dead = dead
        return (self._sums if leading and not without else Sums()).of(places)

    def _current(self, skip: set[str] | None = None, leading: bool = False) -> Iterator[tuple[str, _Seen]]:
        skip = skip if skip is not None else (self._folded.files if self._folded else set())
        there = {path.name: path for path in files(self.path)}
        for name, path in there.items():
            if name in skip:
                if leading:  # folded, and we died before it was removed
                    self._remove(name)
                continue
            seen = self._opened(name, path)
            if seen is not None and seen.file.is_known:
                yield name, seen
            elif seen is not None and leading:
                self._look_at_strange(name, seen.file)
        for name in [name for name in self._seen if name not in there]:
            seen = self._seen[name]
            if leading and name not in skip:
                yield name, seen  # somebody removed it: its process, if it runs, is about to replace it
            else:
                self._seen.pop(name).file.close()
        if leading:
            self._tidy_unnamed()

    def _opened(self, name: str, path: Path) -> _Seen | None:
        seen = self._seen.get(name)
        try:
            if seen is not None and not seen.is_dead and path.stat().st_ino != seen.file.inode:
                self._seen.pop(name).file.close()  # it was removed, and its process has replaced it
        except OSError:
            return seen  # removed just now
        if name not in self._seen:
            try:
                self._seen[name] = _Seen(ReadFile(path))
            except OSError:
                return None  # removed meanwhile
        return self._seen[name]

    def _look_at_strange(self, name: str, file: ReadFile) -> None:
        if file.is_ours:
            self._complaints.add("foreign file", "the file %s is of another version and left alone", name)
        elif file.try_lock():
            self._set_aside(name)

    def _complain(self, name: str, seen: _Seen) -> None:
        if seen.reader.damaged:
            self._complaints.add(
                "damaged file",
                "%d blocks of %s are damaged and left out; the others are counted",
                seen.reader.damaged,
                name,
                count=seen.reader.damaged,
            )

    def _remove(self, name: str) -> None:
        seen = self._seen.pop(name, None)
        path = self.path / name
        with contextlib.suppress(OSError):
            if (
                seen is not None
                and seen.reader.damaged
                and len(list(files(self.path, DAMAGED))) < MOST_DAMAGED
            ):
                path.replace(path.with_suffix(DAMAGED))
            else:
                path.unlink()
        if seen is not None:
            seen.file.close()

    def _set_aside(self, name: str) -> None:
        """A file that nobody can read: its first page is damaged."""
        self._complaints.add("damaged file", "the file %s is damaged and can not be read", name)
        if self._folded is not None:
            _count(self._folded.lost, "damaged files", 1)
        path = self.path / name
        with contextlib.suppress(OSError):
            if len(list(files(self.path, DAMAGED))) < MOST_DAMAGED:
                path.replace(path.with_suffix(DAMAGED))
            else:
                path.unlink()
        self._seen.pop(name).file.close()

    def _tidy_unnamed(self) -> None:
        """Files of processes that died before they named them."""
        for path in files(self.path, UNNAMED):
            with contextlib.suppress(OSError):
                file = ReadFile(path)
                if file.try_lock():
                    path.unlink()
                file.close()

    def _still_ours(self) -> bool:
        """Whether the lock is the one that others find: somebody may have removed its file."""
        try:
            there, ours = (self.path / LOCK_NAME).stat(), os.fstat(self._lock_fd)
        except OSError:
            return False
        return there.st_ino == ours.st_ino

    def _words(self) -> tuple[int, ...]:
        try:
            with (self.path / LOCK_NAME).open("rb") as file:
                text = file.read(32).ljust(32, b"\0")
        except OSError:
            text = bytes(32)
        return tuple(int.from_bytes(text[at : at + 8], "little") for at in range(0, 32, 8))

    def _write(self, word: int, value: int) -> None:
        os.pwrite(self._lock_fd, value.to_bytes(8, "little"), word * 8)


def _make(folder: Path) -> None:
    if fcntl is None:
        raise OSError("this system has no flock")
    make_own(folder)


def _stamp(folder: Path) -> tuple[int, int] | None:
    try:
        found = (folder / NAME).stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def _count(counts: dict[str, int], what: str, number: int) -> None:
    counts[what] = counts.get(what, 0) + number
