"""What recording a value costs: ``python -m bench.monitor.recording_cases ROUNDS``; prints JSON.

ns of thread CPU time, in the peers' environment. In each round every case takes its turn, in random order; an
empty loop is measured right after it and subtracted. At the end each case must hold what it was given.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Histogram

from genesis_performance.monitor import PerformanceMonitor
from genesis_performance.operations import CORE

BATCH_NS = 3_000_000
Once = Callable[[], object]


def bound_add(add: Once) -> Callable[[int], None]:
    def loop(times: int) -> None:
        for _ in range(times):
            add()

    return loop


def cases() -> tuple[dict[str, Callable[[int], None]], dict[str, Callable[[], float]], PerformanceMonitor]:
    """The loops, and what each has counted."""
    monitor = PerformanceMonitor(service_name="bench")
    registry = CollectorRegistry()
    theirs = Counter("orders", "orders", ["queue", "region"], registry=registry)
    waits = Histogram("waits", "seconds", ["queue", "region"], registry=registry)
    labels = {"queue": "mail", "region": "eu"}
    bound = monitor.counter("bound", labels)
    values = monitor.distribution("values", labels)
    child, observed = theirs.labels("bound", "eu"), waits.labels("bound", "eu")
    record = monitor.record_performance_metric

    def recorded(times: int) -> None:
        for _ in range(times):
            record("labelled", 1.0, {"queue": "mail", "region": "eu"})

    def by_position(times: int) -> None:
        for _ in range(times):
            theirs.labels("mail", "eu").inc()

    def by_name(times: int) -> None:
        for _ in range(times):
            theirs.labels(queue="named", region="eu").inc()

    def seen(times: int) -> None:
        for _ in range(times):
            waits.labels("mail", "eu").observe(1.0)

    def value(times: int) -> None:
        record = values.record
        for _ in range(times):
            record(1.0)

    def observe(times: int) -> None:
        observe = observed.observe
        for _ in range(times):
            observe(1.0)

    def sample(name: str, queue: str) -> Callable[[], float]:
        return lambda: registry.get_sample_value(name, {"queue": queue, "region": "eu"}) or 0.0

    loops: dict[str, Callable[[int], None]] = {
        "counter": bound_add(bound.add),
        "prometheus counter": bound_add(child.inc),
        "labelled": recorded,
        "prometheus labels().inc()": by_position,
        "prometheus labels(name=).inc()": by_name,
        "prometheus labels().observe()": seen,
        "distribution": value,
        "prometheus histogram": observe,
    }
    held: dict[str, Callable[[], float]] = {
        "prometheus counter": sample("orders_total", "bound"),
        "prometheus labels().inc()": sample("orders_total", "mail"),
        "prometheus labels(name=).inc()": sample("orders_total", "named"),
        "prometheus labels().observe()": sample("waits_count", "mail"),
        "prometheus histogram": sample("waits_count", "bound"),
    }
    return loops, held, monitor


def empty(times: int) -> None:
    for _ in range(times):
        pass


def main() -> None:
    rounds = int(sys.argv[1])
    loops, held, monitor = cases()
    given = dict.fromkeys(loops, 0)

    def batch(name: str, times: int) -> int:
        loop = loops[name]
        begin = time.thread_time_ns()
        loop(times)
        middle = time.thread_time_ns()
        empty(times)
        given[name] += times
        return 2 * middle - begin - time.thread_time_ns()

    sizes = {}
    for name in loops:
        batch(name, 1)  # the first value opens what is opened once, and says nothing about a batch
        sizes[name] = 50
        while batch(name, sizes[name]) < BATCH_NS:
            sizes[name] *= 2
    taken: dict[str, list[float]] = {name: [] for name in loops}
    order = list(loops)
    for _ in range(rounds):
        random.shuffle(order)
        for name in order:
            taken[name].append(batch(name, sizes[name]) / sizes[name])
    wrong = {name: count() for name, count in held.items() if count() != given[name]}
    ours = sum(times for name, times in given.items() if name not in held)
    if wrong or monitor.health()["recorded"] != ours:
        sys.exit(f"not everything was counted: {wrong}, {monitor.health()['recorded']} of {ours}")
    found = {name: statistics.median(values) for name, values in taken.items()}
    print(json.dumps({"core": CORE, **found}))


if __name__ == "__main__":
    main()
