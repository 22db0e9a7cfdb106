"""How long reads of Secret Manager took, as a histogram."""

from __future__ import annotations

import threading
from collections import Counter

from ..stats.histogram import bucket_index, quantile

NS_PER_MS = 1e6


class Latencies:
    """Durations of reads, counted in buckets of 1.6 % width."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._counts: Counter[int] = Counter()
        self._max_ns = 0

    def record(self, duration_ns: int) -> None:
        with self.lock:
            self._counts[bucket_index(duration_ns)] += 1
            self._max_ns = max(self._max_ns, duration_ns)

    def quantile_ms(self, q: float) -> float | None:
        """The quantile ``q``, None before the first read."""
        with self.lock:
            if not self._counts:
                return None
            return quantile(self._counts, q, max_ns=self._max_ns) / NS_PER_MS
