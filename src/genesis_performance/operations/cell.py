"""Counters of one operation in one thread, and their sum over threads."""

from __future__ import annotations

from collections import Counter

MAX_ERROR_TYPES = 20


class Cell:
    """What one thread recorded of one operation. Only that thread writes it, so no lock is needed."""

    __slots__ = (
        "buckets",
        "cpu_ns",
        "cpu_samples",
        "error_types",
        "errors",
        "max_ns",
        "min_ns",
        "started",
        "sum_ns",
    )

    def __init__(self) -> None:
        self.started = 0
        self.errors = 0
        self.sum_ns = 0
        self.min_ns = 1 << 62
        self.max_ns = 0
        self.buckets: dict[int, int] = {}
        self.cpu_ns = 0
        self.cpu_samples = 0
        self.error_types: dict[str, int] | None = None

    def record(self, duration_ns: int) -> None:
        # A clock that went backwards must not leave a negative duration in the sums.
        if duration_ns < 0:
            duration_ns = 0
        self.sum_ns += duration_ns
        if duration_ns < self.min_ns:
            self.min_ns = duration_ns
        if duration_ns > self.max_ns:
            self.max_ns = duration_ns
        # The same index as stats.histogram.bucket_index, in place: a call would cost as much again.
        shift = duration_ns.bit_length() - 6
        index = duration_ns if shift < 0 else (shift << 5) + (duration_ns >> shift)
        buckets = self.buckets
        buckets[index] = buckets.get(index, 0) + 1

    def record_error(self, kind: type[BaseException]) -> None:
        self.errors += 1
        types = self.error_types
        if types is None:
            types = self.error_types = {}
        name = kind.__qualname__
        if name not in types and len(types) >= MAX_ERROR_TYPES:
            name = "other"
        types[name] = types.get(name, 0) + 1

    def add(self, other: Cell) -> None:
        """Add another thread's counters. Copies first: the other thread may be writing."""
        self.started += other.started
        self.errors += other.errors
        self.sum_ns += other.sum_ns
        self.min_ns = min(self.min_ns, other.min_ns)
        self.max_ns = max(self.max_ns, other.max_ns)
        for index, count in list(other.buckets.items()):
            self.buckets[index] = self.buckets.get(index, 0) + count
        self.cpu_ns += other.cpu_ns
        self.cpu_samples += other.cpu_samples
        if other.error_types:
            self.error_types = dict(Counter(self.error_types) + Counter(dict(other.error_types)))
