"""Counters of one operation in one thread, for the recorder written in Python."""

from __future__ import annotations

from collections.abc import MutableSequence
from typing import TYPE_CHECKING, Any

from .memory import COUNTER_WORDS, MIN_NS, NO_MIN, OCTAVE_WORDS, OCTAVES

if TYPE_CHECKING:
    from .memory import Labels, Memory

Words = MutableSequence[int]


class Cell:
    """What one thread recorded of one operation. Only that thread writes it, so no lock is needed.

    Args:
        memory: where the words are; None is the heap.
    """

    __slots__ = ("_buffer", "_memory", "error_types", "name", "octaves", "words")

    def __init__(self, memory: Memory | None, name: str, labels: Labels) -> None:
        self.name = name
        self.error_types: dict[str, int] | None = None
        self.octaves: list[Words | None] = [None] * OCTAVES
        self._memory = memory
        self._buffer: Any = None
        # A list is twice as fast as a view of a buffer, and nobody else reads the heap.
        self.words: Words = [0] * COUNTER_WORDS
        if memory is not None:
            self._buffer = memory.counters(name, labels)
            self.words = _words(self._buffer, COUNTER_WORDS)
        self.words[MIN_NS] = NO_MIN

    def new_octave(self, number: int) -> Words:
        """Buckets for durations that did not occur before."""
        octave: Words = [0] * OCTAVE_WORDS
        if self._memory is not None:
            octave = _words(self._memory.octave(self._buffer, number), OCTAVE_WORDS)
        self.octaves[number] = octave
        return octave

    def counters(self) -> tuple[int, ...]:
        """The words that ``memory`` names."""
        return tuple(self.words)

    def buckets(self) -> dict[int, int]:
        """Bucket index to number of executions."""
        return {
            (number << 5) + place: count
            for number, octave in enumerate(self.octaves)
            if octave is not None
            for place, count in enumerate(octave)
            if count
        }


def _words(buffer: Any, count: int) -> Words:
    words = memoryview(buffer).cast("B").cast("q")
    if len(words) < count:
        raise ValueError(f"a buffer of {len(words)} words was handed out; {count} are needed")
    return words  # type: ignore[return-value] # what is used of it, it has
