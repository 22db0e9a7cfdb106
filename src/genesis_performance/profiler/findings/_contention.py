"""Whether threads waited for the GIL, from what a session has measured.

No clock of the system counts that wait. Four that only come together do:

1. For a good part of the session the process used about one core, although it may use more.
2. In stacks that use CPU, threads spent clearly more wall than CPU time: they wanted to run and did not.
3. The sampler itself, one more thread that wants the GIL, came late by about a switch interval.
4. The process changed threads about as often as the switch interval makes a holder of the GIL give way.

A single busy thread has no wall time beyond its CPU time (2). Code that releases the GIL uses more than one
core (1), lets the sampler in (3) and is not made to give way (4). Where other processes take the CPU, 1 to
3 may come together without any contention; then 4 does not (measured on two cores under foreign load: two
threads that hash, 510 changes a second; two that run Python, 6,100, with a switch interval of 0.2 ms).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from ...model.profile import ResourceSample
from ._looking import SessionFacts
from ._stacks import Counted, awaited_at, counted

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

MAX_SWITCH_INTERVAL_S = 0.001
"""With the usual 5 ms threads give way no more often than the system preempts them: no evidence then."""

CHANGES_RATIO = 0.3
"""Changes of thread per switch interval of busy time; a contended GIL makes one or more, on cores that others
use as well down to half of one (measured), threads that do not contend a tenth."""


@dataclass(frozen=True, slots=True)
class Wanting:
    """Threads that wanted to run at the same time, more than did."""

    busy: tuple[tuple[ResourceSample, ResourceSample], ...]  # neighbours between which one core was used
    busy_s: float
    lost_s: float  # wall time beyond CPU time of the threads that wanted to run
    threads: dict[str, tuple[int, int]]  # name to CPU and wall time in those stacks, ns
    running: tuple[Counted, ...]


@dataclass(frozen=True, slots=True)
class Contention:
    """Threads that wanted the GIL at the same time."""

    wanting: Wanting
    late_ns: int
    switch_interval_s: float
    changes_per_s: float  # context switches in busy time


def wanting(facts: SessionFacts) -> Wanting | None:
    """What threads lost while the process used one core, to the GIL or to others that wanted the CPU."""
    report, stacks = facts.report, facts.stacks
    if stacks is None or report.cpu_count < MIN_CORES:
        return None
    busy = tuple(_busy(report.resources))
    busy_s = sum(_seconds(pair) for pair in busy)
    if busy_s < MIN_BUSY_S:
        return None
    running = [
        entry
        for entry in counted(stacks)
        if entry.cpu_ns > RUNNING_RATIO * entry.wall_ns and not awaited_at(stacks, entry.record)
    ]
    sums: dict[str, list[int]] = {}
    for entry in running:
        total = sums.setdefault(entry.record.thread, [0, 0, 0])
        for index, value in enumerate((entry.cpu_ns, entry.wall_ns, entry.samples)):
            total[index] += value
    threads = {name: (cpu, wall) for name, (cpu, wall, samples) in sums.items() if samples >= MIN_SAMPLES}
    lost_s = sum(max(wall - cpu, 0) for cpu, wall in threads.values()) / 1e9
    if len(threads) < 2 or lost_s < MIN_LOST * busy_s:
        return None
    return Wanting(
        busy=busy,
        busy_s=busy_s,
        lost_s=lost_s,
        threads=threads,
        running=tuple(entry for entry in running if entry.record.thread in threads),
    )


def contention(facts: SessionFacts) -> Contention | None:
    """What threads lost to the GIL; None where that is not shown by all four measurements."""
    sampler, duration_s = facts.sampler, facts.report.duration_s
    if sampler is None or not 0 < sampler.switch_interval_s <= MAX_SWITCH_INTERVAL_S or duration_s <= 0:
        return None
    found = wanting(facts)
    if found is None:
        return None
    # The sampler waits in the busy part of the session only, its lateness is a mean over all of it.
    late_ns = LATE_RATIO * sampler.switch_interval_s * 1e9 * min(found.busy_s / duration_s, 1.0)
    changes = sum(after.context_switches - before.context_switches for before, after in found.busy)
    changes_per_s = changes / found.busy_s
    if sampler.late_ns < late_ns or changes_per_s < CHANGES_RATIO / sampler.switch_interval_s:
        return None
    return Contention(found, sampler.late_ns, sampler.switch_interval_s, changes_per_s)


def _busy(samples: tuple[ResourceSample, ...]) -> Iterator[tuple[ResourceSample, ResourceSample]]:
    for before, after in pairwise(samples):
        if ONE_CORE[0] <= after.cpu_percent <= ONE_CORE[1] and after.at_unix_ns > before.at_unix_ns:
            yield before, after


def _seconds(pair: tuple[ResourceSample, ResourceSample]) -> float:
    return (pair[1].at_unix_ns - pair[0].at_unix_ns) / 1e9
