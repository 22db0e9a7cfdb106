"""CPU and memory as gauges: of this process, or of all that share its series."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection

from ..model.series import Metric, Point, Series
from .catalog import CPU_UTILIZATION, MEMORY_BYTES
from .labels import Labels


class ProcessSeries:
    """CPU share since the last call, and resident memory now; both are sums over the processes.

    Args:
        pids: the processes; one that can not be seen is left out. By default this one.
    """

    def __init__(
        self,
        labels: Labels,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        pids: Callable[[], Collection[int]] | None = None,
    ) -> None:
        self._labels = labels
        self._monotonic = monotonic
        self._pids = pids
        self._last: tuple[float, dict[int, float]] | None = None  # when, and CPU seconds until then

    def series(self, now_unix_ns: int) -> list[Series]:
        """Both gauges; the CPU's from the second call on, as it needs an interval."""
        memory, cpu_s = self._figures()
        made = [self._gauge(MEMORY_BYTES, memory, now_unix_ns)]
        now = self._monotonic()
        if self._last is not None and now > self._last[0]:
            before = self._last[1]
            spent = sum(seconds - before.get(pid, seconds) for pid, seconds in cpu_s.items())
            busy = spent / (now - self._last[0]) / _cpus()
            made.append(self._gauge(CPU_UTILIZATION, max(busy, 0.0), now_unix_ns))
        self._last = (now, cpu_s)
        return made

    def _figures(self) -> tuple[int, dict[int, float]]:
        """Bytes in memory, and CPU seconds by process."""
        import psutil

        own = os.getpid()
        memory, cpu_s = psutil.Process().memory_info().rss, {own: time.process_time()}
        for pid in set(self._pids() if self._pids is not None else ()) - {own}:
            try:
                process = psutil.Process(pid)
                memory += process.memory_info().rss
                times = process.cpu_times()
            except psutil.Error:
                continue
            cpu_s[pid] = times.user + times.system
        return memory, cpu_s

    def _gauge(self, metric: Metric, value: float, now_unix_ns: int) -> Series:
        return Series(
            metric=metric, labels=self._labels, points=(Point(end_unix_ns=now_unix_ns, value=value),)
        )


def _cpus() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        return os.cpu_count() or 1
