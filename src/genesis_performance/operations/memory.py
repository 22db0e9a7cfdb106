"""The memory that recorded counters live in, and its layout.

A cell is what one thread recorded of one operation: a block of counters, and a block of 32 buckets for
each octave of durations that occurred. Both are made of signed 64-bit words, zeroed when handed out. Only
the thread that a cell belongs to writes it. ``SEQUENCE`` is odd while it does, so that a reader of a
file (another process, or the successor of a killed one) knows a torn cell from a whole one.

By default the words are on the heap. A ``Memory`` hands out others, for example those of a mapped file.
"""

from __future__ import annotations

from typing import Any, Protocol

Labels = tuple[tuple[str, str], ...]

MAX_NAME_LENGTH = 256

COUNTER_WORDS = 8
SEQUENCE, STARTED, ERRORS, SUM_NS, MIN_NS, MAX_NS, CPU_NS, CPU_SAMPLES = range(COUNTER_WORDS)

OCTAVE_WORDS = 32
OCTAVES = 59
"""Of durations up to 2**63 ns: octave 0 holds those below 32 ns, octave n those of n + 5 bits."""

NO_MIN = (1 << 63) - 1
"""``MIN_NS`` of a cell that holds no execution yet."""


class Memory(Protocol):
    """Hands out zeroed memory; called once for each cell and octave, possibly by several threads."""

    def counters(self, name: str, labels: Labels) -> Any:
        """A writable buffer of ``COUNTER_WORDS`` words for one thread's cell."""
        ...

    def octave(self, counters: Any, octave: int) -> Any:
        """A writable buffer of ``OCTAVE_WORDS`` words for the cell that ``counters`` was made for."""
        ...
