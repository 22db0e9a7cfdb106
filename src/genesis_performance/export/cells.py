"""Cells for recorded values: in the process's file where there is room, else on the heap.

The recorder of operations takes its memory from here (``operations.memory.Memory``).
"""

from __future__ import annotations

import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..model.operation import OVERFLOW_NAME
from .blocks import OCTAVE, OPERATION, SeriesKey, SeriesText
from .catalog import ENVIRONMENT, OPERATION_DURATION, SERVICE, STATUS
from .catalog import OPERATION as OPERATION_LABEL
from .labels import Labels, clean_labels
from .limits import Complaints, SeriesBudget
from .reading import OCTAVE_WORDS, OPERATION_WORDS
from .redaction import redact
from .region import Region, RegionFullError

SERIES_PER_OPERATION = 3  # duration, count ok, count error
MILLISECOND_NS = 1_000_000

_OWN = frozenset({SERVICE, OPERATION_LABEL, ENVIRONMENT, STATUS})
_ERRORS, _SUM_NS, _MIN_NS, _MAX_NS = 2, 3, 4, 5
_WORD = 8


class Cells:
    """The regions of one process and destination.

    Args:
        make: makes the region of the cells at the first of them: a ``MappedFile``, or one on the heap.
    """

    def __init__(self, make: Callable[[], Region], complaints: Complaints) -> None:
        self.made: Region | None = None
        self.spare: Region | None = None
        self._make = make
        self._complaints = complaints

    @property
    def main(self) -> Region:
        """Where cells are made while there is room."""
        if self.made is None:
            made = self._make()
            self.made = self.made or made  # whoever interrupted us was first
        return self.made

    def on_the_heap(self) -> list[Region]:
        """Regions that no other process can read."""
        return [one for one in (self.made, self.spare) if one is not None and not one.is_mapped]

    def new(self, text: SeriesText, kind: int, payload_bytes: int, number: int = 0) -> tuple[Region, int]:
        """A new cell of a series: where it is."""
        if self.spare is None or not self.main.is_full:
            try:
                return self.main, self.main.allocate(kind, payload_bytes, self.main.series(text), number)
            except RegionFullError:
                pass  # counted where it goes on
        return self.on_heap(text, kind, payload_bytes, number)

    def on_heap(self, text: SeriesText, kind: int, payload_bytes: int, number: int = 0) -> tuple[Region, int]:
        """A new cell that a kill loses."""
        self._complaints.add(
            "buffer full",
            "metric %s goes on on the heap, where a kill loses it: the disk, or the %d MB that a process may "
            "use, are full",
            text.key.name,
            self.main.max_bytes >> 20,
        )
        spare = self.spare
        if spare is None:
            spare = self.spare = Region(max_bytes=1 << 40)  # bounded by the budget of series
        return spare, spare.allocate(kind, payload_bytes, spare.series(text), number)

    def restart(self) -> None:
        """In the child of a fork: start with a region of its own."""
        self.made = self.spare = None


class _Operation:
    """What one thread of a recorder writes."""

    __slots__ = ("gone", "octaves", "place", "region", "text", "words")

    def __init__(self, text: SeriesText, region: Region, place: int) -> None:
        self.text = text
        self.region = region
        self.place = place
        self.octaves: dict[int, tuple[Region, int]] = {}
        self.words: memoryview | None = None
        self.gone: Any = None


class OperationMemory:
    """Memory for recorders; what their ended threads leave is added up, and used again."""

    def __init__(
        self,
        cells: Cells,
        *,
        budget: SeriesBudget,
        complaints: Complaints,
        unix_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._cells = cells
        self._budget = budget
        self._complaints = complaints
        self._unix_ns = unix_ns
        self.restart()

    def restart(self) -> None:
        """In the child of a fork: what the parent's recorders wrote is forgotten."""
        self._texts: dict[SeriesKey, SeriesText] = {}
        self._by_words: dict[int, _Operation] = {}
        self._ended: deque[_Operation] = deque()
        self._sums: dict[SeriesKey, _Operation] = {}
        self._copies: dict[SeriesKey, _Operation] = {}

    def counters(self, name: str, labels: Labels) -> memoryview:
        """A writable buffer for one thread's cell of an operation."""
        made = self._made(self.text(name, labels))
        words = made.region.words(made.place, OPERATION_WORDS).cast("B")
        self._by_words[id(words)] = made
        key = id(words)
        made.gone = weakref.ref(words, lambda _: self._end(key))
        return words

    def octave(self, counters: Any, octave: int) -> memoryview:
        """A writable buffer of buckets for that cell."""
        made = self._by_words[id(counters)]
        region, place = self._octave(made, octave)
        return region.words(place, OCTAVE_WORDS).cast("B")

    def copy(
        self, name: str, labels: Labels, *, errors: int, sum_ns: int, buckets: Mapping[int, int]
    ) -> None:
        """Keep totals that are counted elsewhere; they replace those of the last call."""
        key = self.text(name, labels).key
        made = self._copies.get(key)
        if made is None:
            made = self._copies[key] = self._made(self._texts[key])
        words = made.region.words(made.place, OPERATION_WORDS)
        words[_SUM_NS], words[_ERRORS] = sum_ns, errors
        for index, count in buckets.items():
            region, place = made.octaves.get(index >> 5) or self._octave(made, index >> 5)
            region.words(place, OCTAVE_WORDS)[index & 31] = count

    def tidy(self) -> None:
        """Add up what ended threads left; their blocks are used again."""
        while self._ended:
            made = self._ended.popleft()
            if made.region is not self._cells.made and made.region is not self._cells.spare:
                continue  # of a file that was closed
            sums = self._sums.get(made.text.key)
            try:
                if sums is None or sums.region is not made.region:
                    self._sums[made.text.key] = made  # the first one takes up the others
                    continue
                self._add(made, sums)
            except RegionFullError:
                return

    def text(self, name: str, labels: Labels) -> SeriesText:
        """What the operation is called outside; ``__other__`` where there are too many."""
        own: Iterable[tuple[object, object]] = [item for item in labels if item[0] not in _OWN]
        # Places stay free for the labels that are ours, and for those that a metric adds.
        clean = clean_labels(list(own)[:24], (), self._complaints, name)
        key = SeriesKey(OPERATION, redact(name), clean)
        text = self._texts.get(key)
        if text is not None:
            return text
        if key.name != OVERFLOW_NAME and not self._budget.take(SERIES_PER_OPERATION):
            self._complaints.add(
                "operation folded",
                "more than %d series in this process (monitoring.max_series); operation %s and later new "
                "ones are exported as %s. Use the route template as name",
                self._budget.max_series,
                key.name,
                OVERFLOW_NAME,
            )
            return self.text(OVERFLOW_NAME, ())
        start_unix_ns = self._unix_ns() - MILLISECOND_NS  # an interval must not be empty
        return self._texts.setdefault(key, SeriesText(key, OPERATION_DURATION.unit, start_unix_ns))

    def _made(self, text: SeriesText) -> _Operation:
        region, place = self._cells.new(text, OPERATION, OPERATION_WORDS * _WORD)
        return _Operation(text, region, place)

    def _octave(self, made: _Operation, octave: int) -> tuple[Region, int]:
        found = self._cells.new(made.text, OCTAVE, OCTAVE_WORDS * _WORD, octave)
        made.octaves[octave] = found
        return found

    def _end(self, key: int) -> None:
        made = self._by_words.pop(key, None)
        if made is not None:
            self._ended.append(made)

    def _add(self, made: _Operation, sums: _Operation) -> None:
        words = made.region.words(made.place, OPERATION_WORDS).tolist()
        before = sums.region.words(sums.place, OPERATION_WORDS).tolist()
        both = [a + b for a, b in zip(words, before, strict=True)]
        both[0] = 0
        both[_MIN_NS] = min(words[_MIN_NS], before[_MIN_NS])
        both[_MAX_NS] = max(words[_MAX_NS], before[_MAX_NS])
        self._move(made.region, made.place, sums.place, both)
        for octave, (region, place) in list(made.octaves.items()):
            known = sums.octaves.get(octave)
            if known is None or known[0] is not region:
                sums.octaves[octave] = (region, place)  # as it is
            else:
                counts = region.words(place, OCTAVE_WORDS).tolist()
                own = region.words(known[1], OCTAVE_WORDS).tolist()
                self._move(region, place, known[1], [a + b for a, b in zip(counts, own, strict=True)])

    def _move(self, region: Region, source: int, to: int, values: list[int]) -> None:
        region.move(source, to, values)
        region.free(source, len(values) * _WORD)
