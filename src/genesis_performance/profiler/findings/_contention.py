"""Whether threads waited for the GIL, from what a session has measured.

No clock of the system counts that wait. Three that only come together do:

1. For a good part of the session the process used about one core, although it may use more.
2. In stacks that use CPU, threads spent clearly more wall than CPU time: they wanted to run and did not.
3. The sampler itself, one more thread that wants the GIL, came late by about a switch interval.

Code that releases the GIL makes the process use more than one core (1) or lets the sampler in (3); a single
busy thread has no wall time beyond its CPU time (2); other processes that take the CPU leave less than a
core.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from ._looking import SessionFacts
from ._stacks import Counted, counted

MIN_CORES = 1.5
"""Cores that the process may use; with fewer, waiting for the GIL and for the CPU look the same."""

ONE_CORE = (85.0, 125.0)
"""Percent of a core between two resource samples: the GIL's holder, and what is done beside it."""

MIN_BUSY_S = 1.0
"""Less time at one core is one burst."""

RUNNING_RATIO = 0.05
"""A stack with less CPU per wall time mostly waits for something else; twenty threads that share a core have
as much each."""

MIN_SAMPLES = 20
"""Of a thread, for its CPU per wall time to mean something."""

MIN_LOST = 0.25
"""Wall time lost per busy time: below it, on average, less than every fourth moment has a thread waiting."""

LATE_RATIO = 0.5
"""Of the switch interval: a sampler that meets a held GIL waits for one or more, on average at least half."""


@dataclass(frozen=True, slots=True)
class Contention:
    """Threads that wanted the GIL at the same time."""

    busy_s: float  # time at about one core
    lost_s: float  # wall time beyond CPU time of the threads that wanted to run
    threads: dict[str, tuple[int, int]]  # name to CPU and wall time in those stacks, ns
    running: tuple[Counted, ...]
    late_ns: int
    switch_interval_s: float


def contention(facts: SessionFacts) -> Contention | None:
    """What threads lost to the GIL; None where that is not shown by all three measurements."""
    report, stacks, sampler = facts.report, facts.stacks, facts.sampler
    if stacks is None or sampler is None or not sampler.switch_interval_s or report.cpu_count < MIN_CORES:
        return None
    busy_s = sum(_busy(facts))
    if busy_s < MIN_BUSY_S or not report.duration_s:
        return None
    interval_ns = sampler.switch_interval_s * 1e9
    if sampler.late_ns < LATE_RATIO * interval_ns * min(busy_s / report.duration_s, 1.0):
        return None
    running = [entry for entry in counted(stacks) if entry.cpu_ns > RUNNING_RATIO * entry.wall_ns]
    threads: dict[str, list[int]] = {}
    for entry in running:
        sums = threads.setdefault(entry.record.thread, [0, 0, 0])
        for index, value in enumerate((entry.cpu_ns, entry.wall_ns, entry.samples)):
            sums[index] += value
    wanting = {name: (cpu, wall) for name, (cpu, wall, samples) in threads.items() if samples >= MIN_SAMPLES}
    if len(wanting) < 2:
        return None
    lost_s = sum(max(wall - cpu, 0) for cpu, wall in wanting.values()) / 1e9
    if lost_s < MIN_LOST * busy_s:
        return None
    return Contention(
        busy_s=busy_s,
        lost_s=lost_s,
        threads=wanting,
        running=tuple(entry for entry in running if entry.record.thread in wanting),
        late_ns=sampler.late_ns,
        switch_interval_s=sampler.switch_interval_s,
    )


def _busy(facts: SessionFacts) -> Iterator[float]:
    """Seconds between resource samples in which the process used about one core."""
    for before, after in pairwise(facts.report.resources):
        if ONE_CORE[0] <= after.cpu_percent <= ONE_CORE[1] and after.at_unix_ns > before.at_unix_ns:
            yield (after.at_unix_ns - before.at_unix_ns) / 1e9
