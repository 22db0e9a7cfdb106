"""Read what is in the blocks of a region, whoever writes it; what is damaged is left out and counted.

A region is read again and again. Where the cells of recorded metrics are is found out once, because blocks
are only added and those stay what they are; then only their values are read. Blocks of operations are used
again when a thread has ended, so their headers are looked at each time.
"""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Mapping
from itertools import compress
from typing import Any

from .blocks import (
    BUCKETS,
    COUNTER,
    DISTRIBUTION,
    FREE,
    GAUGE,
    HEADER_BYTES,
    OCTAVE,
    OPERATION,
    PER_BLOCK,
    SERIES,
    Header,
    SeriesKey,
    SeriesText,
    parsed,
    read_series,
)
from .cell_values import MOST, CellValue, Chunk, Spread, cell_value
from .mapped_file import Log, ReadFile
from .region import Region
from .totals import Known, OperationTotal, Sums, Totals

OPERATION_WORDS, OCTAVE_WORDS = 8, 32
_SEQUENCE, _ERRORS, _SUM_NS = 0, 2, 3  # as operations.memory has them; a test holds them together

ATTEMPTS = 50  # to read a file while nothing is moved in it

_PAYLOAD = {  # bytes that a block of the kind has at least
    COUNTER: 16,
    GAUGE: 16,
    DISTRIBUTION: 32,
    BUCKETS: PER_BLOCK * 8,
    OPERATION: OPERATION_WORDS * 8,
    OCTAVE: OCTAVE_WORDS * 8,
}
_USED_AGAIN = frozenset({FREE, OPERATION, OCTAVE})

_octave_at = struct.Struct(f"{OCTAVE_WORDS}Q").unpack_from
_operation_at = struct.Struct(f"{OPERATION_WORDS}q").unpack_from
_header_at = struct.Struct("2q").unpack_from

Chunks = Mapping[int, memoryview]


class Reader:
    """Reads one region again and again, for one thread at a time.

    Attributes:
        known: what was found so far, a series once for each of its cells; it only grows.
        damaged: blocks that the last reading left out; of a file that is written yet, those it looked at.
    """

    def __init__(self) -> None:
        self.known: list[Known] = []
        self.damaged = 0
        self._lock = threading.RLock()
        self._is_busy = False
        self._sums = Sums()
        self._headers: dict[int, Header | None] = {}
        self._chunks: dict[int, Chunk] = {}
        self._texts: dict[int, SeriesText] = {}
        self._shared: dict[Any, Any] = {}
        self._spreads: dict[int, Spread] = {}  # by place
        self._used_again: list[tuple[int, int]] = []  # start of the chunk, place of the header in it
        self._operations: dict[int, Known] = {}  # by place of their series
        self._by_key: dict[SeriesKey, Known] = {}  # these too
        self._waiting: list[tuple[int, int, Header, int]] = []  # for the block that they belong to
        self._new: list[CellValue] = []  # without a value so far
        self._lost = 0  # blocks that will not be found again

    def of_region(self, region: Region) -> Totals:
        """The totals of memory that this process writes."""
        with self._lock:
            if self._is_busy:  # we interrupted ourselves
                return Reader().of_region(region)
            self._is_busy = True
            try:
                chunks = region.chunks()
                self._read(chunks)
                self._take(self._of_operations(chunks, None))
                return self._sums.of([self.known])
            finally:
                self._is_busy = False

    def of_dead_file(self, file: ReadFile) -> Totals:
        """The totals of a file that nobody writes any more."""
        self.read_dead(file)
        return self._sums.of([self.known])

    def read_dead(self, file: ReadFile) -> None:
        """Bring ``known`` up to date with a file that nobody writes any more."""
        chunks = file.chunks()
        self._read(chunks)
        self._take(self._of_operations(chunks, file.log()))
        self.damaged += sum(one.damaged() for one in self.known if isinstance(one, CellValue))

    def read_live(self, file: ReadFile) -> None:
        """Bring ``known`` up to date with a file that its process goes on writing.

        Where it moves blocks all the time, its operations stay as they were.
        """
        chunks = file.chunks()
        self._read(chunks)
        for attempt in range(ATTEMPTS):
            before = file.generation()
            if not before & 1:
                found = self._of_operations(chunks, None)
                if file.generation() == before:
                    self._take(found)
                    return
            time.sleep(0.0002 * attempt)

    # ---- where things are

    def _read(self, chunks: Chunks) -> None:
        self.damaged = self._lost
        for start, memory in chunks.items():
            self._find(start, memory)
        if self._waiting:
            self._settle()
        self.damaged += self._lost + sum(header.kind != BUCKETS for _, _, header, _ in self._waiting)
        if self._new:
            self.known += [one for one in self._new if one.read() is not None]
            self._new = [one for one in self._new if one.value is None]
            self.damaged += len(self._new)

    def _find(self, start: int, memory: memoryview) -> None:
        """Go on behind what was found in the chunk before."""
        chunk = self._chunks.get(start)
        if chunk is None:
            chunk = self._chunks[start] = Chunk()
        chunk.map(memory)
        words = memory[: len(memory) // 16 * 16].cast("q")
        at, is_damaged = chunk.end, False
        while at < len(words):
            word = words[at]
            header = self._header(word) if word else None
            if header is None or at * 8 + header.bytes > len(memory):
                if not word and not is_damaged:
                    break  # nothing was written from here on
                is_damaged = True
                at += 2  # to the next block that is whole
                continue
            self._lost += is_damaged
            is_damaged = False
            self._block(start, at * 8, header, words[at + 1], memory)
            at += header.bytes // 8
            chunk.end = at
        self.damaged += is_damaged

    def _header(self, word: int) -> Header | None:
        try:
            return self._headers[word]
        except KeyError:
            found = parsed(word)
            if found is not None and found.bytes < HEADER_BYTES + _PAYLOAD.get(found.kind, 0):
                found = None
            self._headers[word] = found
            return found

    def _block(self, start: int, at: int, header: Header, about: int, memory: memoryview) -> None:
        if header.kind == SERIES:
            text = self._text(memory[at + HEADER_BYTES : at + header.bytes], about)
            if text is None:
                self._lost += 1
            else:
                self._texts[start + at + HEADER_BYTES] = text
        elif header.kind in _USED_AGAIN:
            self._used_again.append((start, at))
        elif header.kind in _PAYLOAD:
            self._waiting.append((start, at, header, about))

    def _text(self, payload: memoryview, about: int) -> SeriesText | None:
        """What a series says, None when that is damaged, or can not be sent."""
        try:
            found = read_series(bytes(payload), about)
        except (ValueError, TypeError, RecursionError):
            return None
        if found is None or type(found.key.kind) is not int or type(found.start_unix_ns) is not int:
            return None
        kind, name, labels = found.key
        texts = name, found.unit, *(text for label in labels for text in label)
        if not all(type(text) is str for text in texts) or not 0 <= found.start_unix_ns < 1 << 63:
            return None
        # Many series have the same names and labels, and each text of a file is a new one.
        share = self._shared.setdefault
        key = SeriesKey(kind, share(name, name), tuple(share(label, label) for label in labels))
        return SeriesText(key, share(found.unit, found.unit), found.start_unix_ns)

    def _settle(self) -> None:
        """Tell blocks what they belong to; who does not find it waits for the next reading."""
        waiting, self._waiting = self._waiting, []
        waiting.sort(key=lambda one: one[2].kind == BUCKETS)  # after the cells
        for start, at, header, about in waiting:
            place, text = at + HEADER_BYTES, self._texts.get(about)
            if header.kind == BUCKETS and about in self._spreads:
                self._spreads[about].add(header.number, self._chunks[start], place)
            elif header.kind == BUCKETS or text is None or text.key.kind != header.kind:
                self._waiting.append((start, at, header, about))
            else:
                made = cell_value(text, self._chunks[start], place)
                self._new.append(made)
                if isinstance(made, Spread):
                    self._spreads[start + place] = made

    def _of_operations(self, chunks: Chunks, log: Log | None) -> _Operations:
        """What their blocks say, whichever are theirs by now."""
        found = _Operations()
        for start, at in self._used_again:
            memory, place = chunks[start], at + HEADER_BYTES
            word, about = _header_at(memory, at)
            header = self._header(word)
            if header is not None and header.kind == FREE:
                continue
            known = self._operations.get(about) or self._operation(about)
            if header is None or header.kind not in _WORDS_AT or known is None:
                found.damaged += 1
                continue
            total = found.totals.get(known)
            if total is None:
                total = found.totals[known] = OperationTotal()
            words = _WORDS_AT[header.kind](memory, place)
            for _ in range(5):
                if header.kind == OCTAVE or not words[_SEQUENCE] & 1:
                    break
                words = _operation_at(memory, place)  # odd: its thread is writing
            if log is not None and start + place in {log.source, log.to}:
                words = (*(log.values if start + place == log.to else ()), *(0,) * len(words))[: len(words)]
            found.damaged += not _add(total, header, words)
        return found

    def _operation(self, place: int) -> Known | None:
        """That of the series at a place."""
        text = self._texts.get(place)
        if text is None or text.key.kind != OPERATION:
            return None
        # Who was interrupted while it made the series may have made it twice.
        known = self._by_key.setdefault(text.key, Known(text.key, None, text.unit, text.start_unix_ns))
        return self._operations.setdefault(place, known)

    def _take(self, found: _Operations) -> None:
        self.damaged += found.damaged
        for known, total in found.totals.items():
            if known.value is None:
                self.known.append(known)
            known.value = total


class _Operations:
    """What one look at the blocks of operations found."""

    def __init__(self) -> None:
        self.damaged = 0
        self.totals: dict[Known, OperationTotal] = {}


_WORDS_AT = {OPERATION: _operation_at, OCTAVE: _octave_at}


def _add(total: OperationTotal, header: Header, words: tuple[int, ...]) -> bool:
    """Add one block; False when it is damaged."""
    if header.kind == OPERATION:
        errors, sum_ns = words[_ERRORS], words[_SUM_NS]
        if errors < 0 or sum_ns < 0:
            return False
        total.errors += errors
        total.sum_ns += sum_ns
        return True
    if not 0 <= sum(words) < MOST:
        return False
    first, buckets = header.number * OCTAVE_WORDS, total.buckets
    own = dict(zip(compress(range(first, first + OCTAVE_WORDS), words), filter(None, words), strict=True))
    if buckets.keys().isdisjoint(own):
        buckets.update(own)
    else:  # of another thread
        for index, count in own.items():
            buckets[index] = buckets.get(index, 0) + count
    return True
