"""Where recorded values are: chunks that are handed out block by block.

Handing out is safe against other threads, and against a signal handler or finaliser that does the same in
the middle of it: what both take is reserved in one step.
"""

from __future__ import annotations

import threading

from .blocks import (
    CHUNK_BYTES,
    FREE,
    HEADER_BYTES,
    SERIES,
    SeriesKey,
    SeriesText,
    about_text,
    first_word,
    rounded,
    series_text,
)

WORD = 8


class RegionFullError(Exception):
    """There is no more room: the disk is full, or the region has reached its limit."""


class _Chunk:
    __slots__ = ("bytes", "floats", "start", "used", "words")

    def __init__(self, memory: memoryview, start: int) -> None:
        self.start = start
        self.bytes = memory
        self.words = memory.cast("q")
        self.floats = memory.cast("d")
        self.used = 0


class Region:
    """Memory on the heap. ``MappedFile`` has the same in a file."""

    is_mapped = False
    is_full = False

    def __init__(self, *, max_bytes: int = 64 * 1024 * 1024) -> None:
        self.lock = threading.RLock()
        self.max_bytes = max_bytes
        self._chunks: dict[int, _Chunk] = {}
        self._newest: _Chunk | None = None
        self._reserved = 0
        self._series: dict[SeriesKey, int] = {}
        self._free: dict[int, list[int]] = {}

    @property
    def size(self) -> int:
        return len(self._chunks) * CHUNK_BYTES

    def chunks(self) -> dict[int, memoryview]:
        """Every chunk by the place that it starts at."""
        return {start: chunk.bytes for start, chunk in list(self._chunks.items())}

    def take_over(self, other: Region) -> list[int]:
        """Have room for all chunks of the other one, where they are returned; no more are made there."""
        with other.lock:
            other.max_bytes = 0
            for start in sorted(other._chunks):
                self._chunks[start] = _Chunk(self._more(start), start)
            self._reserved = other._reserved
            self._series = dict(other._series)
        return sorted(self._chunks)

    def series(self, text: SeriesText) -> int:
        """The place of a series, written when it is new.

        Raises:
            RegionFullError: there is no room for it.
        """
        with self.lock:
            place = self._series.get(text.key)
            if place is None:
                written = series_text(text)
                place = self._place(SERIES, 0, rounded(len(written)), about_text(written), written)
                self._series[text.key] = place
            return place

    def allocate(self, kind: int, payload_bytes: int, about: int, number: int = 0) -> int:
        """The place of a new block, all zero.

        Raises:
            RegionFullError: there is no room for it.
        """
        with self.lock:
            return self._place(kind, number, rounded(payload_bytes), about, b"")

    def free(self, place: int, payload_bytes: int) -> None:
        """Let a block be used again; its payload must be zero by now."""
        size = rounded(payload_bytes)
        with self.lock:
            self._head(place, FREE, 0, size, 0)
            self._free.setdefault(size, []).append(place)

    def move(self, source: int, to: int, values: list[int]) -> None:
        """Set the words at ``to``, and those at ``source`` to zero."""
        target, emptied = self.words(to, len(values)), self.words(source, len(values))
        for index, value in enumerate(values):
            target[index] = value
            emptied[index] = 0

    def words(self, place: int, count: int) -> memoryview:
        """The payload of a block as signed integers."""
        chunk = self._chunk(place)
        at = (place - chunk.start) // WORD
        return chunk.words[at : at + count]

    def floats(self, place: int, count: int) -> memoryview[float]:
        """The payload of a block as floating-point numbers."""
        chunk = self._chunk(place)
        at = (place - chunk.start) // WORD
        return chunk.floats[at : at + count]

    def _place(self, kind: int, number: int, size: int, about: int, payload: bytes) -> int:
        free = self._free.get(size) if not payload else None
        try:
            place = free.pop() if free else self._reserve(size)
        except IndexError:  # taken by who interrupted us
            place = self._reserve(size)
        if payload:
            chunk = self._chunk(place)
            chunk.bytes[place - chunk.start : place - chunk.start + len(payload)] = payload
        self._head(place, kind, number, size, about)
        return place

    def _head(self, place: int, kind: int, number: int, size: int, about: int) -> None:
        chunk = self._chunk(place)
        at = (place - chunk.start) // WORD
        if chunk.words[at - 2]:  # used again: it must at no time belong to the new owner by the old kind
            chunk.words[at - 2] = first_word(FREE, 0, size)
        chunk.words[at - 1] = about
        chunk.words[at - 2] = first_word(kind, number, size)

    def _reserve(self, size: int) -> int:
        while True:
            chunk = self._newest
            if chunk is not None:
                chunk.used = end = chunk.used + size  # one step: whoever interrupts gets what follows
                if end <= CHUNK_BYTES:
                    return chunk.start + end - size + HEADER_BYTES
            self._grow()

    def _grow(self) -> None:
        self._reserved = end = self._reserved + CHUNK_BYTES
        try:
            if end > self.max_bytes:
                self.is_full = True
                raise RegionFullError(f"the limit of {self.max_bytes} bytes is reached")
            chunk = _Chunk(self._more(end - CHUNK_BYTES), end - CHUNK_BYTES)
        except BaseException:
            if self._reserved == end:
                self._reserved -= CHUNK_BYTES
            raise
        self._chunks[chunk.start] = self._newest = chunk

    def _more(self, start: int) -> memoryview:
        """The next chunk, all zero.

        Raises:
            RegionFullError: there is none.
        """
        del start
        return memoryview(bytearray(CHUNK_BYTES))

    def _chunk(self, place: int) -> _Chunk:
        return self._chunks[place - place % CHUNK_BYTES]
