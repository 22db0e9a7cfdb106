"""Samples the resources of this process during a session, in a thread of its own."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..model.profile import ResourceSample
from .limits import cpu_limit, memory_limit_bytes

if TYPE_CHECKING:
    import psutil

log = logging.getLogger(__name__)

MAX_SAMPLES = 10_000
"""Then every second sample is dropped and the interval doubled: a session may run for days."""


class ResourceSampler:
    """CPU, memory, I/O and context switches of this process, every ``interval_s`` seconds.

    Args:
        interval_s: seconds between two samples.
        with_cpu, with_memory: what is left out is 0 in every sample.
        wall_clock_ns: epoch clock.
    """

    def __init__(
        self,
        interval_s: float,
        *,
        with_cpu: bool = True,
        with_memory: bool = True,
        wall_clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._interval_s = interval_s
        self._with_cpu = with_cpu
        self._with_memory = with_memory
        self._wall_clock_ns = wall_clock_ns
        self._samples: list[ResourceSample] = []
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._process: psutil.Process | None = None
        self.notes: list[str] = []
        self.cpu_count = cpu_limit()
        self.memory_limit_bytes = 0

    def start(self) -> None:
        import psutil

        self._process = psutil.Process()
        self.memory_limit_bytes = memory_limit_bytes(psutil.virtual_memory().total)
        self._first_io = self._io()
        self._first_switches = self._switches()
        self._process.cpu_percent(None)  # the first call only sets the mark
        self._thread = threading.Thread(target=self._run, name="genesis-resources", daemon=True)
        self._thread.start()

    def stop(self) -> tuple[ResourceSample, ...]:
        """End the thread and return the samples; a last one is taken, so that short sessions have one."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        self._sample()
        return tuple(self._samples)

    def _run(self) -> None:
        while not self._ended.wait(self._interval_s):
            self._sample()
            if len(self._samples) >= MAX_SAMPLES:
                self._samples = self._samples[::2]
                self._interval_s *= 2

    def _sample(self) -> None:
        import psutil

        process = self._process
        if process is None:
            return
        try:
            memory_bytes = process.memory_info().rss if self._with_memory else 0
            read_bytes, write_bytes = self._io()
            self._samples.append(
                ResourceSample(
                    at_unix_ns=self._wall_clock_ns(),
                    cpu_percent=process.cpu_percent(None) if self._with_cpu else 0.0,
                    memory_bytes=memory_bytes,
                    memory_percent=100 * memory_bytes / self.memory_limit_bytes,
                    read_bytes=read_bytes - self._first_io[0],
                    write_bytes=write_bytes - self._first_io[1],
                    threads=process.num_threads(),
                    context_switches=self._switches() - self._first_switches,
                )
            )
        except (psutil.Error, OSError) as error:
            self._note(f"a resource sample could not be taken: {error}")

    def _io(self) -> tuple[int, int]:
        assert self._process is not None
        try:
            counters = self._process.io_counters()
        except Exception as error:  # noqa: BLE001 - psutil raises many kinds where /proc is restricted
            self._note(f"I/O can not be read here: {error}")
            return 0, 0
        return counters.read_bytes, counters.write_bytes

    def _switches(self) -> int:
        assert self._process is not None
        counted = self._process.num_ctx_switches()
        return int(counted.voluntary + counted.involuntary)

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)
            log.info("profiling session: %s", text)
