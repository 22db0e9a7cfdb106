"""CPU and memory of this process as gauges."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from ..model.series import Metric, Point, Series
from .catalog import CPU_UTILIZATION, MEMORY_BYTES
from .labels import Labels


class ProcessSeries:
    """CPU share since the last call, and resident memory now."""

    def __init__(self, labels: Labels, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._labels = labels
        self._monotonic = monotonic
        self._last: tuple[float, float] | None = None  # when, and CPU seconds until then

    def series(self, now_unix_ns: int) -> list[Series]:
        """Both gauges; the CPU's from the second call on, as it needs an interval."""
        import psutil

        made = [self._gauge(MEMORY_BYTES, psutil.Process().memory_info().rss, now_unix_ns)]
        now, cpu_s = self._monotonic(), time.process_time()
        if self._last is not None and now > self._last[0]:
            busy = (cpu_s - self._last[1]) / (now - self._last[0]) / _cpus()
            made.append(self._gauge(CPU_UTILIZATION, max(busy, 0.0), now_unix_ns))
        self._last = (now, cpu_s)
        return made

    def _gauge(self, metric: Metric, value: float, now_unix_ns: int) -> Series:
        return Series(
            metric=metric, labels=self._labels, points=(Point(end_unix_ns=now_unix_ns, value=value),)
        )


def _cpus() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        return os.cpu_count() or 1
