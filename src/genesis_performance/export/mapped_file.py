"""A region in a file that outlives the process.

The file is locked with ``flock`` for as long as the process lives, whatever ends it: who gets the lock
knows that nobody writes the file any more. It has its name only once it is locked. The first page says who
wrote it, and holds a redo log of one entry. Chunks are allocated on the disk before they are mapped.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

try:
    import fcntl
except ImportError:  # Windows: ``SharedFolder`` says so
    fcntl = None  # type: ignore[assignment]

from .blocks import CHUNK_BYTES, LAYOUT
from .lockable import close_file, is_open, open_file
from .region import Region, RegionFullError

PAGE_BYTES = mmap.ALLOCATIONGRANULARITY
MAGIC = int.from_bytes(b"GENCELLS", "little")
SUFFIX, UNNAMED = ".cells", ".unnamed"

# Words of the first page. GENERATION is odd while what is added up moves from one block to another.
_MAGIC, _LAYOUT, _TEXT_LENGTH, _TEXT_CHECK, GENERATION, WANTED_NS, _LOG_CHECK = range(7)
_LOG_FROM, _LOG_TO, _LOG_COUNT, _LOG_VALUES = 8, 9, 10, 11
_TEXT_AT = 2048

MAX_SPAN_BYTES = 16 * CHUNK_BYTES
MAX_LOGGED = 64  # words of one entry


class Log(NamedTuple):
    """A move that was begun: the words at ``to`` are these, those at ``source`` are zero."""

    source: int
    to: int
    values: tuple[int, ...]


class MappedFile(Region):
    """The file that this process writes.

    Args:
        removed: the file that this one stands for, as somebody has removed that.

    Raises:
        OSError: it can not be made: the disk is full or read-only, or the file system has no locks.
    """

    is_mapped = True

    def __init__(
        self, folder: Path, *, max_bytes: int = 64 * 1024 * 1024, removed: MappedFile | None = None
    ) -> None:
        super().__init__(max_bytes=max_bytes)
        self.pid = os.getpid()
        # Under the same name: who still reads the removed one must not count both.
        self.path, self._fd = _locked_file(folder, removed)
        # A map holds a copy of what it was made from. That must not be what is locked: the copy in the child
        # of a fork would keep the lock when this process is gone.
        self._unlocked_fd = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        self._page = memoryview(mmap.mmap(self._unlocked_fd, PAGE_BYTES)).cast("q")
        self._span: memoryview = memoryview(b"")
        self._span_start = 0
        self.is_open = True
        self._removed = removed  # it stays locked: who reads it sees that its process lives
        self._copied: list[int] = []
        if removed is not None:
            self._copied = self.take_over(removed)
            self.follow()

    @property
    def is_removed(self) -> bool:
        """Whether somebody has removed it: no other process finds it any more."""
        return self.is_open and not os.fstat(self._fd).st_nlink

    def want(self, monotonic_ns: int) -> None:
        """Say that this process waits for what it recorded until then to be sent."""
        self._page[WANTED_NS] = monotonic_ns

    def sync(self) -> None:
        """Write to the disk what has changed. Lets other threads run meanwhile."""
        if self.is_open:
            getattr(os, "fdatasync", os.fsync)(self._fd)  # macOS has only the latter

    def follow(self) -> None:
        """Copy what threads still record into the file that was removed."""
        if self._removed is not None:
            self._removed.follow()
            for start in self._copied:
                self._chunks[start].bytes[:] = self._removed.chunks()[start]

    def touch(self) -> None:
        """Look used: folders for temporary files are cleared of what nobody changed for days."""
        if self.is_open:
            os.utime(self._fd)

    def move(self, source: int, to: int, values: list[int]) -> None:
        """Set the words at ``to``, and those at ``source`` to zero, both or none of them."""
        page, count = self._page, len(values)
        page[GENERATION] += 1
        page[_LOG_FROM], page[_LOG_TO], page[_LOG_COUNT] = source, to, count
        page[_LOG_VALUES : _LOG_VALUES + count] = memoryview(_packed(values)).cast("q")
        page[_LOG_CHECK] = _check(source, to, values)
        super().move(source, to, values)
        page[_LOG_CHECK] = 0
        page[GENERATION] += 1

    def close(self) -> None:
        """Write no more; from now on the file is that of a process that ended."""
        if self.is_open:
            self.is_open = False
            close_file(self._fd)
            os.close(self._unlocked_fd)
            if self._removed is not None:
                self._removed.close()

    def _more(self, start: int) -> memoryview:
        if not self.is_open:
            raise RegionFullError("the file is closed")
        with self.lock:
            # Interrupted here, two may be made; each is within the file, and one of them stays unused.
            if not self._span_start <= start < self._span_start + len(self._span):
                span = min(max(start, CHUNK_BYTES), MAX_SPAN_BYTES)  # each map costs a file descriptor
                try:
                    # Not only made longer: a page that the disk has no room for would kill the process.
                    _allocate(self._unlocked_fd, PAGE_BYTES + start, span)
                    mapped = mmap.mmap(self._unlocked_fd, span, offset=PAGE_BYTES + start)
                except (OSError, ValueError) as error:
                    raise RegionFullError(str(error)) from error
                self._span, self._span_start = memoryview(mapped), start
            at = start - self._span_start
            return self._span[at : at + CHUNK_BYTES]


class ReadFile:
    """The file of any process, for reading.

    Raises:
        OSError: it is gone, or can not be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = open_file(path, os.O_RDONLY)
        self._map = memoryview(b"")
        self.inode = os.fstat(self._fd).st_ino
        self._refresh()

    def close(self) -> None:
        """Also lets go of the lock, where it was taken."""
        if is_open(self._fd):
            fcntl.flock(self._fd, fcntl.LOCK_UN)  # maps hold copies of it
            close_file(self._fd)
        self._fd = -1

    def try_lock(self) -> bool:
        """Whether its process has ended; from then on the lock is ours."""
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    @property
    def is_ours(self) -> bool:
        """Whether it is one of these files at all, whatever its layout."""
        return len(self._map) >= PAGE_BYTES and self._word(_MAGIC) == MAGIC

    @property
    def is_known(self) -> bool:
        """Whether its layout is that of this version."""
        return self.is_ours and self._word(_LAYOUT) == LAYOUT

    def identity(self) -> dict[str, object]:
        """Who wrote it: ``pid``, ``started``, ``boot_id``; empty when that is damaged."""
        length = self._word(_TEXT_LENGTH)
        text = bytes(self._map[_TEXT_AT : _TEXT_AT + max(min(length, 1024), 0)])
        if not text or zlib.crc32(text) != self._word(_TEXT_CHECK):
            return {}
        found: dict[str, object] = json.loads(text)
        return found

    def generation(self) -> int:
        return self._word(GENERATION)

    def wanted_ns(self) -> int:
        """Until when its process wants what it recorded to be sent; 0 when it does not."""
        return self._word(WANTED_NS) if self.is_ours else 0

    def chunks(self) -> dict[int, memoryview]:
        """Every chunk, the last one shorter where the file was cut."""
        self._refresh()
        ends = len(self._map) - (len(self._map) - PAGE_BYTES) % 16 if len(self._map) > PAGE_BYTES else 0
        return {
            start - PAGE_BYTES: self._map[start : min(start + CHUNK_BYTES, ends)]
            for start in range(PAGE_BYTES, ends, CHUNK_BYTES)
        }

    def log(self) -> Log | None:
        """The move that the process had begun when it ended."""
        check, count = self._word(_LOG_CHECK), self._word(_LOG_COUNT)
        if not check or not 0 <= count <= MAX_LOGGED:
            return None
        values = tuple(self._word(_LOG_VALUES + index) for index in range(count))
        source, to = self._word(_LOG_FROM), self._word(_LOG_TO)
        return Log(source, to, values) if _check(source, to, values) == check else None

    def _word(self, index: int) -> int:
        return int.from_bytes(self._map[index * 8 : index * 8 + 8], "little", signed=True)

    def _refresh(self) -> None:
        size = os.fstat(self._fd).st_size if self._fd >= 0 else 0
        if size > len(self._map):
            self._map = memoryview(mmap.mmap(self._fd, size, prot=mmap.PROT_READ))


def _locked_file(folder: Path, removed: MappedFile | None) -> tuple[Path, int]:
    """A new file, named only once it is locked: an unlocked one would be taken for that of a dead process."""
    for _ in range(20):
        name = f"{os.getpid()}-{os.urandom(6).hex()}"
        unnamed, path = folder / (name + UNNAMED), folder / (removed.path.name if removed else name + SUFFIX)
        fd = open_file(unnamed, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _allocate(fd, 0, PAGE_BYTES)
            _write_identity(fd)
            for start, memory in (removed.chunks() if removed else {}).items():
                os.pwrite(fd, memory, PAGE_BYTES + start)
            unnamed.rename(path)
        except (BlockingIOError, FileNotFoundError):  # somebody tidied up just then
            close_file(fd)
            continue
        except BaseException:
            close_file(fd)
            with contextlib.suppress(OSError):
                unnamed.unlink()
            raise
        return path, fd
    raise OSError(f"no file could be made in {folder}: each was taken away at once")


def _allocate(fd: int, start: int, size: int) -> None:
    """Have the disk keep room for zeros.

    Raises:
        OSError: there is none.
    """
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(fd, start, size)
    else:  # macOS
        os.pwrite(fd, bytes(size), start)


def _write_identity(fd: int) -> None:
    text = json.dumps(
        {
            "pid": os.getpid(),
            "started": _started(),
            "boot_id": _text_of("/proc/sys/kernel/random/boot_id"),
            "made_unix_ns": time.time_ns(),
        }
    ).encode()
    os.pwrite(fd, text, _TEXT_AT)
    os.pwrite(fd, _packed([MAGIC, LAYOUT, len(text), zlib.crc32(text)]), 0)


def _started() -> int:
    """When this process started, in clock ticks since the boot; 0 where it is not known."""
    fields = _text_of("/proc/self/stat").rpartition(")")[2].split()
    return int(fields[19]) if len(fields) > 19 else 0


def _text_of(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def _packed(values: list[int]) -> bytes:
    return b"".join(value.to_bytes(8, "little", signed=True) for value in values)


def _check(source: int, to: int, values: tuple[int, ...] | list[int]) -> int:
    return zlib.crc32(_packed([source, to, *values])) or 1  # zero means that there is no entry


def files(folder: Path, suffix: str = SUFFIX) -> Iterator[Path]:
    """Every file of a process in the folder, in order of name."""
    with contextlib.suppress(FileNotFoundError):
        yield from sorted(path for path in folder.iterdir() if path.name.endswith(suffix))
