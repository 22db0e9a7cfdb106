"""Add up the blocks of a region, whoever wrote it; what is damaged is left out and counted."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping

from .blocks import (
    BUCKETS,
    CHUNK_BYTES,
    COUNTER,
    DISTRIBUTION,
    GAUGE,
    HEADER_BYTES,
    LAST,
    OCTAVE,
    OPERATION,
    PER_BLOCK,
    SERIES,
    SET_AT,
    SHIFT,
    SQUARES,
    SUM,
    TOTAL,
    Header,
    SeriesText,
    parsed,
    read_series,
)
from .mapped_file import Log, ReadFile
from .region import Region
from .totals import (
    DistributionTotal,
    GaugeTotal,
    Known,
    OperationTotal,
    Total,
    Totals,
    add_all,
    moments,
)

OPERATION_WORDS, OCTAVE_WORDS = 8, 32
_SEQUENCE, _ERRORS, _SUM_NS = 0, 2, 3  # as operations.memory has them; a test holds them together

MOST = 1 << 53
"""No count is so large; a larger one is damage."""

ATTEMPTS = 50  # to read a file while nothing is moved in it


class Reader:
    """Reads one region again and again; what was checked once is not checked again."""

    def __init__(self) -> None:
        self.damaged = 0
        self._headers: dict[int, Header | None] = {}
        self._texts: dict[int, SeriesText | None] = {}

    def of_region(self, region: Region) -> Totals:
        """The totals of memory that this process writes."""
        return self._totals(region.chunks(), None)

    def of_live_file(self, file: ReadFile) -> Totals | None:
        """The totals of a file that its process goes on writing; None when it moved blocks all the time."""
        for attempt in range(ATTEMPTS):
            before = file.generation()
            if not before & 1:
                totals = self._totals(file.chunks(), None)
                if file.generation() == before:
                    return totals
            time.sleep(0.0002 * attempt)
        return None

    def of_dead_file(self, file: ReadFile) -> Totals:
        """The totals of a file that nobody writes any more."""
        return self._totals(file.chunks(), file.log())

    def _totals(self, chunks: Mapping[int, memoryview], log: Log | None) -> Totals:
        reading = _Reading(self, chunks, log)
        reading.run()
        self.damaged = reading.damaged
        return reading.totals()

    def header(self, word: int) -> Header | None:
        try:
            return self._headers[word]
        except KeyError:
            found = self._headers[word] = parsed(word)
            return found

    def text(self, place: int, about: int, payload: memoryview) -> SeriesText | None:
        found = self._texts.get(place)
        if found is None:
            try:
                found = read_series(bytes(payload), about)
            except (ValueError, json.JSONDecodeError):
                found = None
            if found is not None:
                self._texts[place] = found
        return found


class _Reading:
    """One pass over all blocks."""

    def __init__(self, reader: Reader, chunks: Mapping[int, memoryview], log: Log | None) -> None:
        self.damaged = 0
        self._reader = reader
        self._chunks = chunks
        self._log = log
        self._texts: dict[int, SeriesText] = {}
        self._cells: list[tuple[int, Header, int]] = []  # place, header, second word
        self._words: dict[int, memoryview] = {}

    def run(self) -> None:
        for start, chunk in self._chunks.items():
            words = self._words[start] = chunk[: len(chunk) // 16 * 16].cast("q")
            at, whole = 0, True
            while at < len(words):
                word = words[at]
                header = self._reader.header(word) if word else None
                if header is None or at * 8 + header.bytes > len(chunk):
                    if not word and whole:
                        break  # nothing was written from here on
                    self.damaged += whole and bool(word)
                    whole = False
                    at += 2  # to the next block that is whole
                    continue
                whole = True
                self._block(start + at * 8 + HEADER_BYTES, header, words[at + 1], chunk)
                at += header.bytes // 8

    def totals(self) -> Totals:
        totals: Totals = {}
        counts: dict[int, dict[int, int]] = {}  # of a distribution's cell
        for place, header, about in self._cells:
            if header.kind == BUCKETS:
                found = self._counts(place, PER_BLOCK)
                own = counts.setdefault(about, {})
                for index, count in found.items():
                    own[header.number * PER_BLOCK + index] = count
        for place, header, about in self._cells:
            if header.kind == BUCKETS:
                continue
            text = self._texts.get(about)
            if text is None or _series_kind(header.kind) != text.key.kind:
                self.damaged += 1
                continue
            total = self._total(place, header, counts)
            if total is None:
                self.damaged += 1
                continue
            add_all(totals, {text.key: Known(total, text.unit, text.start_unix_ns)})
        return totals

    def _block(self, place: int, header: Header, about: int, chunk: memoryview) -> None:
        if header.kind == SERIES:
            offset = place % CHUNK_BYTES
            text = self._reader.text(place, about, chunk[offset : offset + header.bytes - HEADER_BYTES])
            if text is None:
                self.damaged += 1
            else:
                self._texts[place] = text
        elif header.kind in _CELLS:
            self._cells.append((place, header, about))

    def _total(self, place: int, header: Header, counts: dict[int, dict[int, int]]) -> Total | None:
        if header.kind == OCTAVE:
            found = self._counts(place, OCTAVE_WORDS)
            return OperationTotal({header.number * OCTAVE_WORDS + index: n for index, n in found.items()})
        if header.kind == OPERATION:
            words = self._payload(place, OPERATION_WORDS)
            for _ in range(5):  # odd: its thread is writing
                if not words[_SEQUENCE] & 1:
                    break
                words = self._payload(place, OPERATION_WORDS)
            errors, sum_ns = words[_ERRORS], words[_SUM_NS]
            return OperationTotal({}, errors, sum_ns) if errors >= 0 and sum_ns >= 0 else None
        numbers = self._floats(place, 4 if header.kind == DISTRIBUTION else 2)
        if not all(map(math.isfinite, numbers)) and header.kind != DISTRIBUTION:
            return None
        if header.kind == COUNTER:
            return Total(numbers[TOTAL])
        if header.kind == GAUGE:
            return GaugeTotal(numbers[SET_AT], numbers[LAST])
        own = counts.get(place, {})
        mean, squares = moments(sum(own.values()), numbers[SHIFT], numbers[SUM], numbers[SQUARES])
        return DistributionTotal(own, mean, squares) if math.isfinite(mean) else None

    def _counts(self, place: int, length: int) -> dict[int, int]:
        words = self._payload(place, length)
        found = {index: count for index, count in enumerate(words) if count}
        if found and not (min(found.values()) >= 0 and max(found.values()) < MOST):
            self.damaged += 1
            return {}
        return found

    def _payload(self, place: int, length: int) -> list[int]:
        log = self._log
        if log is not None and place == log.to:
            return [*log.values, *[0] * length][:length]
        if log is not None and place == log.source:
            return [0] * length
        at = place % CHUNK_BYTES // 8
        return self._words[place - at * 8][at : at + length].tolist()

    def _floats(self, place: int, length: int) -> list[float]:
        at = place % CHUNK_BYTES // 8
        return self._words[place - at * 8][at : at + length].cast("B").cast("d").tolist()  # type: ignore[return-value]


_CELLS = frozenset({COUNTER, GAUGE, DISTRIBUTION, BUCKETS, OPERATION, OCTAVE})


def _series_kind(kind: int) -> int:
    return OPERATION if kind == OCTAVE else kind
