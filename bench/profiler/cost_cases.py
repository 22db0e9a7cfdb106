"""What one operation costs, ns of thread CPU time by case: ``python cost_cases.py FLOOR_FOLDER ROUNDS``.

Runs in the peers' environment and prints JSON. In each round every case takes its turn, in random order; a
case and its empty loop of the same shape are measured one after the other, and their difference is the cost.
"""

from __future__ import annotations

import contextlib
import json
import random
import statistics
import sys
import threading
import time
import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any

from genesis_performance import PerformanceProfiler, ProfilerConfig
from genesis_performance.operations import CORE

BATCH_NS = 3_000_000
STEPS = 20
THREADS = (1, 2, 8, 32)
NAMES = (1, 20, 200)
OPERATIONS_A_THREAD = 40_000

Batch = Callable[[int], int]
"""Does a case a number of times; returns its thread CPU time in ns, the empty loop subtracted."""


def timed(loop: Callable[[int], None], empty: Callable[[int], None]) -> Batch:
    def batch(times: int) -> int:
        begin = time.thread_time_ns()
        loop(times)
        middle = time.thread_time_ns()
        empty(times)
        return 2 * middle - begin - time.thread_time_ns()

    return batch


def of_context(make: Callable[[str], Any]) -> Batch:
    def loop(times: int) -> None:
        for _ in range(times):
            with make("operation"):
                pass

    def empty(times: int) -> None:
        for _ in range(times):
            pass

    return timed(loop, empty)


def of_decorator(decorate: Callable[[Any], Any]) -> Batch:
    """A decorated function against the same one without decorator."""

    def plain() -> None:
        pass

    decorated = decorate(plain)

    def calls(function: Callable[[], None]) -> Callable[[int], None]:
        def loop(times: int) -> None:
            for _ in range(times):
                function()

        return loop

    return timed(calls(decorated), calls(plain))


@types.coroutine
def suspended(times: int) -> Generator[None, None, None]:
    for _ in range(times):
        yield


def of_coroutine(decorate: Callable[[Any], Any], steps: int) -> Batch:
    """A decorated coroutine of that many steps against a plain one, driven by hand without a loop."""

    async def plain() -> None:
        if steps > 1:
            await suspended(steps - 1)

    decorated = decorate(plain)

    def calls(function: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[int], None]:
        def loop(times: int) -> None:
            for _ in range(times):
                send = function().send
                try:
                    while True:
                        send(None)
                except StopIteration:
                    pass

        return loop

    return timed(calls(decorated), calls(plain))


def profiler(cpu: Any) -> PerformanceProfiler:
    return PerformanceProfiler(ProfilerConfig(cpu=cpu, enable_persistent_storage=False))


@contextlib.contextmanager
def empty_context(name: str) -> Generator[None, None, None]:
    yield


def own_cases() -> dict[str, Batch]:
    import floor  # built by the bench

    never, sampled = profiler("never"), profiler("sampled")
    labels = {"method": "GET"}
    return {
        "floor": of_context(floor.null),
        "never": of_context(never.profile_context),
        "sampled": of_context(sampled.profile_context),
        "labels": of_context(lambda name: never.profile_context(name, labels)),
        "sync": of_decorator(never.profile_function),
        "async 1": of_coroutine(never.profile_function, 1),
        f"async {STEPS}": of_coroutine(never.profile_function, STEPS),
    }


def peer_cases() -> dict[str, Batch]:
    cases = {"contextmanager": of_context(empty_context)}
    with contextlib.suppress(ImportError):
        from prometheus_client import CollectorRegistry, Histogram

        histogram = Histogram("operation", "seconds", registry=CollectorRegistry())
        cases["prometheus"] = of_context(lambda name, time=histogram.time: time())
    with contextlib.suppress(ImportError):
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

        exporter = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(BatchSpanProcessor(exporter))
        spans = of_context(provider.get_tracer("bench").start_as_current_span)

        def batch(times: int) -> int:
            exporter.clear()
            return spans(times)

        cases["opentelemetry"] = batch
    return cases


def medians(cases: dict[str, Batch], rounds: int) -> dict[str, float]:
    """ns an execution, of each case."""
    times = {name: batch_size(batch) for name, batch in cases.items()}
    taken: dict[str, list[float]] = {name: [] for name in cases}
    order = list(cases)
    for _ in range(rounds):
        random.shuffle(order)
        for name in order:
            taken[name].append(cases[name](times[name]) / times[name])
    return {name: statistics.median(values) for name, values in taken.items()}


def batch_size(batch: Batch) -> int:
    """Executions that take about BATCH_NS, the empty loop included."""
    times = 50
    while True:
        begin = time.thread_time_ns()
        batch(times)
        if time.thread_time_ns() - begin >= BATCH_NS:
            return times
        times *= 2


def on_threads(threads: int, names: int) -> float:
    """CPU time of all threads by operation, ns; the loop around it subtracted."""
    make = profiler("never").profile_context
    # The list is always as long: only the number of different names changes.
    order = [f"operation {number % names}" for number in range(200)]
    ready = threading.Barrier(threads)
    taken: list[int] = []

    def work() -> None:
        for name in order:
            with make(name):
                pass
        ready.wait()
        begin = time.thread_time_ns()
        for _ in range(OPERATIONS_A_THREAD // 200):
            for name in order:
                with make(name):
                    pass
        middle = time.thread_time_ns()
        for _ in range(OPERATIONS_A_THREAD // 200):
            for _name in order:
                pass
        taken.append(2 * middle - begin - time.thread_time_ns())

    running = [threading.Thread(target=work) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return sum(taken) / (threads * OPERATIONS_A_THREAD)


def grid(rounds: int) -> dict[str, float]:
    """Cost by number of threads and of operation names."""
    cells = [(threads, names) for threads in THREADS for names in NAMES]
    taken: dict[tuple[int, int], list[float]] = {cell: [] for cell in cells}
    for _ in range(rounds):
        random.shuffle(cells)
        for cell in cells:
            taken[cell].append(on_threads(*cell))
    return {
        f"{threads} x {names}": statistics.median(taken[threads, names]) for threads, names in sorted(taken)
    }


def main() -> None:
    sys.path.insert(0, sys.argv[1])
    rounds = int(sys.argv[2])
    costs: dict[str, Any] = {"core": CORE}
    if CORE == "compiled":
        costs |= medians(own_cases() | peer_cases(), rounds)
        costs["grid"] = grid(max(5, rounds // 7))
    else:
        costs |= medians(own_cases(), rounds)
    print(json.dumps(costs))


if __name__ == "__main__":
    main()
