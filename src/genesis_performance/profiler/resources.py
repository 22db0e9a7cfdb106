"""Samples the resources of this process during a session, in a thread of its own."""

from __future__ import annotations

import os
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from operator import attrgetter
from typing import TYPE_CHECKING

from ..model.profile import ResourceSample
from .limits import Throttling, cpu_limit, memory_limit_bytes, throttling

if TYPE_CHECKING:
    import psutil

MAX_SAMPLES = 10_000
"""Then two samples become one and the interval doubles: a session may run for days."""

_FIELDS = ResourceSample.__slots__
_ROW = struct.Struct("<qdqdqqqq")  # of these fields
_values = attrgetter(*_FIELDS)


class ResourceSampler:
    """CPU, memory, I/O and context switches of this process, every ``interval_s`` seconds.

    What can not be read here (a restricted ``/proc``, another system) is 0 in every sample and said once in
    ``notes``. Nothing raises.

    Args:
        interval_s: seconds between two samples.
        with_cpu, with_memory: what is left out is 0 in every sample.
        wall_clock_ns, clock_ns, cpu_clock_ns: epoch, monotonic and process CPU clocks in nanoseconds.
    """

    def __init__(
        self,
        interval_s: float,
        *,
        with_cpu: bool = True,
        with_memory: bool = True,
        wall_clock_ns: Callable[[], int] = time.time_ns,
        clock_ns: Callable[[], int] = time.perf_counter_ns,
        cpu_clock_ns: Callable[[], int] = time.process_time_ns,
    ) -> None:
        self._interval_s = interval_s
        self._with_cpu = with_cpu
        self._with_memory = with_memory
        self._wall_clock_ns = wall_clock_ns
        self._clock_ns = clock_ns
        self._cpu_clock_ns = cpu_clock_ns
        # All that it will ever take, at once: a sampler that grew would find its own memory growing.
        self._rows = bytearray()
        self._count = 0
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._process: psutil.Process | None = None
        self._pid = os.getpid()
        self._stopped = False
        self._first_throttling = Throttling()
        self.notes: list[str] = []
        self.cpu_count = cpu_limit()
        self.memory_limit_bytes = 0

    def start(self) -> None:
        """Begin; called once."""
        self._rows = bytearray(b"\1") * (_ROW.size * (MAX_SAMPLES + 1))  # not zeros: pages that are there
        try:
            import psutil

            self._process = psutil.Process()
        except Exception as error:  # noqa: BLE001 - psutil raises many kinds where /proc is restricted
            self._note(f"memory and I/O can not be read here: {_said(error)}")
        self.memory_limit_bytes = memory_limit_bytes(_machine_bytes())
        self._first_throttling = throttling()
        self._first_io = self._io()
        self._first_switches = self._switches()
        self._last_ns, self._last_cpu_ns = self._clock_ns(), self._cpu_clock_ns()
        thread = threading.Thread(target=self._run, name="genesis-resources", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # no thread to be had, or the interpreter ends
            self._note(f"resources are sampled only once, at the end: {error}")
        else:
            self._thread = thread

    def stop(self) -> tuple[ResourceSample, ...]:
        """End the thread and return the samples; a last one is taken, so that short sessions have one.

        The child of a fork has no such thread and gets what the parent had sampled.
        """
        if not self._stopped and os.getpid() == self._pid:
            self._stopped = True
            self._ended.set()
            if self._thread is not None:
                self._thread.join()
            self._sample()
            self._note_throttling()
        return tuple(self._taken())

    def _taken(self) -> list[ResourceSample]:
        rows = memoryview(self._rows)[: self._count * _ROW.size]
        return [ResourceSample(**dict(zip(_FIELDS, row, strict=True))) for row in _ROW.iter_unpack(rows)]

    def _run(self) -> None:
        while not self._ended.wait(self._interval_s):
            self._sample()
            if self._count >= MAX_SAMPLES:
                kept, self._count = halved(self._taken()), 0
                for sample in kept:
                    self._keep(sample)
                self._interval_s *= 2

    def _sample(self) -> None:
        now_ns, cpu_ns = self._clock_ns(), self._cpu_clock_ns()
        elapsed_ns = now_ns - self._last_ns
        cpu_percent = 0.0
        if self._with_cpu and elapsed_ns > 0:
            cpu_percent = 100 * max(cpu_ns - self._last_cpu_ns, 0) / elapsed_ns
        self._last_ns, self._last_cpu_ns = now_ns, cpu_ns
        memory_bytes = self._memory() if self._with_memory else 0
        read_bytes, write_bytes = self._io()
        limit = self.memory_limit_bytes
        self._keep(
            ResourceSample(
                at_unix_ns=self._wall_clock_ns(),
                cpu_percent=cpu_percent,
                memory_bytes=memory_bytes,
                memory_percent=100 * memory_bytes / limit if limit > 0 else 0.0,
                read_bytes=max(read_bytes - self._first_io[0], 0),
                write_bytes=max(write_bytes - self._first_io[1], 0),
                threads=self._threads(),
                context_switches=max(self._switches() - self._first_switches, 0),
            )
        )

    def _keep(self, sample: ResourceSample) -> None:
        _ROW.pack_into(self._rows, self._count * _ROW.size, *_values(sample))
        self._count += 1

    def _memory(self) -> int:
        if self._process is None:
            return 0
        try:
            return int(self._process.memory_info().rss)
        except Exception as error:  # noqa: BLE001
            self._note(f"memory can not be read here: {_said(error)}")
            return 0

    def _io(self) -> tuple[int, int]:
        """Bytes that reached the storage layer; 0 where they can not be read."""
        if self._process is None:
            return 0, 0
        try:
            counters = self._process.io_counters()
        except Exception as error:  # noqa: BLE001 - also AttributeError: not on every system
            self._note(f"I/O can not be read here: {_said(error)}")
            return 0, 0
        return counters.read_bytes, counters.write_bytes

    def _switches(self) -> int:
        """Of all threads; ``/proc/self/status``, which psutil reads, counts the main thread's alone."""
        try:
            import resource
        except ImportError:
            self._note("context switches can not be read on this system")
            return 0
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return usage.ru_nvcsw + usage.ru_nivcsw

    def _threads(self) -> int:
        try:
            return self._process.num_threads() if self._process else threading.active_count()
        except Exception:  # noqa: BLE001
            return threading.active_count()  # Python's own at least

    def _note_throttling(self) -> None:
        now, first = throttling(), self._first_throttling
        stopped = now.throttled - first.throttled
        if stopped > 0:
            seconds = (now.throttled_ns - first.throttled_ns) / 1e9
            self._note(
                f"the CPU quota of {self.cpu_count:g} cores stopped the container in {stopped} of "
                f"{now.periods - first.periods} periods, for {seconds:.2f} s in all"
            )

    def _note(self, text: str) -> None:
        if text not in self.notes:
            import logging  # most sessions say nothing

            self.notes.append(text)
            logging.getLogger(__name__).info("profiling session: %s", text)


def halved(samples: list[ResourceSample]) -> list[ResourceSample]:
    """Two samples become one; CPU is the mean of both, the rest as it was at the later one."""
    whole = len(samples) // 2 * 2
    pairs = zip(samples[0:whole:2], samples[1:whole:2], strict=True)
    merged = [
        replace(later, cpu_percent=(earlier.cpu_percent + later.cpu_percent) / 2) for earlier, later in pairs
    ]
    return merged + samples[whole:]


def _machine_bytes() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return _psutil_bytes()


def _psutil_bytes() -> int:
    try:
        import psutil

        return int(psutil.virtual_memory().total)
    except Exception:  # noqa: BLE001 - unknown: memory is then in percent of nothing, 0
        return 0


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
