"""Counters of one operation in one thread, for the recorder written in Python."""

from __future__ import annotations

import threading
from collections.abc import Callable, MutableSequence
from typing import TYPE_CHECKING, Any

from .memory import COUNTER_WORDS, MIN_NS, NO_MIN, OCTAVE_WORDS, OCTAVES, SEQUENCE

if TYPE_CHECKING:
    from types import CodeType

    from .execution import Execution
    from .memory import Labels, Memory
    from .pure import RecorderCore

Words = MutableSequence[int]


class Here:
    """One thread, and the innermost execution on it. One that can be suspended is in its context instead."""

    __slots__ = ("thread_id", "top")

    def __init__(self) -> None:
        self.thread_id = threading.get_ident()
        self.top: Execution | None = None


_local = threading.local()
threads: dict[int, Here] = {}
"""By thread id. A later thread with the same id takes the place of one that ended."""


def here() -> Here:
    """The calling thread."""
    try:
        found: Here = _local.here
    except AttributeError:
        found = _local.here = Here()
        threads[found.thread_id] = found
    return found


class Cell:
    """What one thread recorded of one operation. Only that thread writes it, so no lock is needed.

    On the heap the counters are the attributes. Memory that was handed out gets a copy of them with each
    execution: writing there directly would cost twice as much for everybody.

    Args:
        memory: where the words are; None is the heap.
    """

    __slots__ = (
        "_buffer",
        "_words",
        "clock_ns",
        "code",
        "cpu_mask",
        "cpu_ns",
        "cpu_samples",
        "error_types",
        "errors",
        "here",
        "idle",
        "key",
        "max_ns",
        "memory",
        "min_ns",
        "name",
        "octaves",
        "recorder",
        "started",
        "sum_ns",
    )

    recorder: RecorderCore
    key: Any
    clock_ns: Callable[[], int]
    cpu_mask: int

    def __init__(self, memory: Memory | None, name: str, labels: Labels) -> None:
        self.name = name
        self.memory = memory
        self.here = here()
        self.code: CodeType | None = None  # that entered last, if there was nothing unusual about it
        self.idle: Execution | None = None  # to be used again
        self.started = self.errors = self.sum_ns = self.max_ns = self.cpu_ns = self.cpu_samples = 0
        self.min_ns = NO_MIN
        self.error_types: dict[str, int] | None = None
        self.octaves: list[Words | None] = [None] * OCTAVES
        self._buffer: Any = None
        self._words: Words | None = None
        if memory is not None:
            self._buffer = memory.counters(name, labels)
            self._words = _words(self._buffer, COUNTER_WORDS)
            self._words[MIN_NS] = NO_MIN

    def record(self, duration_ns: int, failed: bool) -> None:
        """Count one execution that ended; ``Execution`` does the same in place where nothing is unusual."""
        words = self._words
        if words is not None:
            words[SEQUENCE] += 1
        # A clock that went backwards must not leave a negative duration in the sums.
        if duration_ns < 0:
            duration_ns = 0
        self.sum_ns += duration_ns
        if duration_ns < self.min_ns:
            self.min_ns = duration_ns
        if duration_ns > self.max_ns:
            self.max_ns = duration_ns
        self.errors += failed
        # As stats.histogram.bucket_index.
        shift = duration_ns.bit_length() - 6
        octave = self.octaves[shift + 1 if shift >= 0 else 0] or self.new_octave(max(shift + 1, 0))
        octave[(duration_ns >> max(shift, 0)) & 31] += 1
        if words is not None:
            self.write(words)
            words[SEQUENCE] += 1

    def write(self, words: Words) -> None:
        """Copy the counters into memory that was handed out."""
        for place, value in enumerate(self.counters()[1:], start=1):
            words[place] = value

    def new_octave(self, number: int) -> Words:
        """Buckets for durations that did not occur before."""
        octave: Words = [0] * OCTAVE_WORDS
        if self.memory is not None:
            try:
                octave = _words(self.memory.octave(self._buffer, number), OCTAVE_WORDS)
            except Exception:  # noqa: BLE001 - memory that is full or broken is no reason to lose them
                self.recorder.count_failure(
                    "the memory for counters gave none; %r goes on on the heap", self.name
                )
        self.octaves[number] = octave
        return octave

    def counters(self) -> tuple[int, ...]:
        """The words that ``memory`` names."""
        return (
            0,
            self.started,
            self.errors,
            self.sum_ns,
            self.min_ns,
            self.max_ns,
            self.cpu_ns,
            self.cpu_samples,
        )

    def buckets(self) -> dict[int, int]:
        """Bucket index to number of executions."""
        return {
            (number << 5) + place: count
            for number, octave in enumerate(self.octaves)
            if octave is not None
            for place, count in enumerate(octave)
            if count
        }

    def detach(self) -> None:
        """Write the memory no more: in the child of a fork it is the parent's."""
        self.memory = self._buffer = self._words = None
        self.octaves = [None if octave is None else list(octave) for octave in self.octaves]


def _words(buffer: Any, count: int) -> Words:
    words = memoryview(buffer).cast("B").cast("q")
    if len(words) < count:
        raise ValueError(f"a buffer of {len(words)} words was handed out; {count} are needed")
    return words  # type: ignore[return-value] # what is used of it, it has
