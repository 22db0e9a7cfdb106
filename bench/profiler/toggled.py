"""What a session costs a busy process, in percent of CPU: ``python toggled.py`` in the peers' environment.

Slices with and without a session take turns in pairs of random order. Each does the same work; what counts is
the CPU time of the whole process, the sampler's thread included.
"""

from __future__ import annotations

import random
import statistics
import time

from genesis_performance import PerformanceProfiler, ProfilerConfig

PAIRS = 151
UNITS = 30  # of work in a slice: about a tenth of a second
WARM_UNITS = 10


def leaf(number: int) -> int:
    return number * number % 7


def work(units: int) -> None:
    for _ in range(units):
        total = 0
        for number in range(60_000):
            total += leaf(number)


def slice_ns(profiler: PerformanceProfiler | None) -> int:
    profile_id = profiler.start_profiling() if profiler else ""
    work(WARM_UNITS)  # starting and stopping a session waits for its threads, and an idle core wakes slowly
    begin = time.process_time_ns()
    work(UNITS)
    taken = time.process_time_ns() - begin
    if profiler:
        profiler.stop_profiling(profile_id)
    return taken


def main() -> None:
    profiler = PerformanceProfiler(ProfilerConfig(enable_persistent_storage=False))
    slice_ns(profiler)  # loads what a session loads
    added = []
    for _ in range(PAIRS):
        order: list[PerformanceProfiler | None] = [profiler, None]
        random.shuffle(order)
        taken = {given is not None: slice_ns(given) for given in order}
        added.append(100 * (taken[True] / taken[False] - 1))
    lower, _, upper = statistics.quantiles(added, n=4)
    # Of the median of values spread as these are, were they normal.
    error = 1.25 * (upper - lower) / 1.35 / PAIRS**0.5
    print(statistics.median(added), error)


if __name__ == "__main__":
    main()
