"""What a cache hit costs: ``python hit_cases.py ROUNDS``, run in the peers' environment; prints JSON.

ns of thread CPU time. In each round every case takes its turn, in random order; a case and its empty loop are
measured one after the other, and their difference is the cost. Twenty secrets are read one after the other,
and every case has to bring the same values.
"""

from __future__ import annotations

import contextlib
import json
import random
import statistics
import sys
import threading
import time
from array import array
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from typing import Any

from genesis_performance import PerformanceProfiler, ProfilerConfig
from genesis_performance.gcp.secret_version import SecretVersion
from genesis_performance.secrets import OptimizedSecretManager

TTL_S = 3600.0  # none runs out while it is measured
BATCH_NS = 3_000_000
THREADS = 8
HITS_A_THREAD = 40_000
WAITS_A_THREAD = 20_000
NAMES = tuple(f"secret-{number}" for number in range(20))
VALUES = {name: f"value of {name}, of a usual length" for name in NAMES}

Get = Callable[[str], object]
Batch = Callable[[int], int]
"""Reads every name that many times; returns its thread CPU time in ns, the empty loop subtracted."""


def bare() -> Get:
    """What the figures compare with: a dictionary and a monotonic deadline, no lock, no count."""
    monotonic = time.monotonic
    kept = {name: (value, monotonic() + TTL_S) for name, value in VALUES.items()}

    def get(name: str) -> object:
        entry = kept.get(name)
        if entry is not None and monotonic() < entry[1]:
            return entry[0]
        return None

    return get


def ours() -> OptimizedSecretManager:
    manager = OptimizedSecretManager(
        "p",
        cache_ttl_s=TTL_S,
        access=lambda name, timeout_s: SecretVersion(
            f"{name.parent}/versions/1", VALUES[name.secret].encode()
        ),
    )
    for name in NAMES:
        manager.get_secret_sync(name)
    return manager


def cachetools_locked() -> Get:
    from cachetools import TTLCache

    kept, lock = TTLCache(1000, TTL_S), threading.RLock()
    kept.update(VALUES)

    def get(name: str) -> object:
        with lock:
            return kept.get(name)

    return get


def moka() -> Get:
    from moka_py import Moka

    kept = Moka(1000, ttl=TTL_S)
    for name, value in VALUES.items():
        kept.set(name, value)
    return kept.get


def theine() -> Get:
    from datetime import timedelta

    from theine import Cache

    kept = Cache(1000)
    for name, value in VALUES.items():
        kept.set(name, value, timedelta(seconds=TTL_S))
    get = kept.get
    return lambda name: get(name)[0]


def aws() -> Get:
    """With a client that answers from memory: only the cache is measured."""
    from aws_secretsmanager_caching import SecretCache, SecretCacheConfig

    class Client:
        def describe_secret(self, SecretId: str) -> dict[str, Any]:  # noqa: N803 - the service's own names
            return {"VersionIdsToStages": {"1": ["AWSCURRENT"]}}

        def get_secret_value(self, SecretId: str, VersionId: str) -> dict[str, Any]:  # noqa: N803
            return {"SecretString": VALUES[SecretId]}

    return SecretCache(SecretCacheConfig(secret_refresh_interval=TTL_S), Client()).get_secret_string


def lru_dict() -> Get:
    """It knows no lifetime: shown as what a cache in C costs without one."""
    from lru import LRU

    kept = LRU(1000)
    kept.update(VALUES)
    return kept.get


PEERS: dict[str, Callable[[], Get]] = {
    "cachetools": cachetools_locked,
    "moka-py": moka,
    "theine": theine,
    "aws-secretsmanager-caching": aws,
    "lru-dict": lru_dict,
}


def empty(times: int) -> None:
    for _ in range(times):
        for _name in NAMES:
            pass


def of(get: Get) -> Batch:
    def batch(times: int) -> int:
        begin = time.thread_time_ns()
        for _ in range(times):
            for name in NAMES:
                get(name)
        middle = time.thread_time_ns()
        empty(times)
        return 2 * middle - begin - time.thread_time_ns()

    return batch


def of_await(get: Callable[[str], Coroutine[Any, Any, object]]) -> Batch:
    """In one coroutine: a hit never suspends, so no event loop takes part."""

    async def hits(times: int) -> int:
        begin = time.thread_time_ns()
        for _ in range(times):
            for name in NAMES:
                await get(name)
        middle = time.thread_time_ns()
        empty(times)
        return 2 * middle - begin - time.thread_time_ns()

    def batch(times: int) -> int:
        try:
            hits(times).send(None)
        except StopIteration as ended:
            return int(ended.value)
        raise RuntimeError("a hit waited for something")

    return batch


def in_operation(get: Get) -> Batch:
    profiler = PerformanceProfiler(ProfilerConfig(cpu="never", enable_persistent_storage=False))
    batch = of(get)

    def inside(times: int) -> int:
        with profiler.profile_context("request"):
            return batch(times)

    return inside


def medians(cases: dict[str, Batch], rounds: int) -> dict[str, float]:
    """ns a hit, of each case."""
    times = {name: batch_size(batch) for name, batch in cases.items()}
    taken: dict[str, list[float]] = {name: [] for name in cases}
    order = list(cases)
    for _ in range(rounds):
        random.shuffle(order)
        for name in order:
            taken[name].append(cases[name](times[name]) / (times[name] * len(NAMES)))
    return {name: statistics.median(values) for name, values in taken.items()}


def batch_size(batch: Batch) -> int:
    times = 10
    while True:
        begin = time.thread_time_ns()
        batch(times)
        if time.thread_time_ns() - begin >= BATCH_NS:
            return times
        times *= 2


def on_threads(threads: int, batch: Batch) -> float:
    """CPU time of all threads a hit, ns; the loop around it subtracted."""
    times = HITS_A_THREAD // len(NAMES)
    ready = threading.Barrier(threads)
    taken: list[int] = []

    def work() -> None:
        batch(10)
        ready.wait()
        taken.append(batch(times))

    run([work] * threads)
    return sum(taken) / (threads * times * len(NAMES))


def waits_on_threads(get: Get) -> Counter[int]:
    """Wall times of hits while eight threads do nothing else, the reading of the clock included; ns."""
    ready = threading.Barrier(THREADS)
    waits: list[array[int]] = []

    def work() -> None:
        mine = array("q", bytes(8 * WAITS_A_THREAD))
        clock = time.perf_counter_ns
        ready.wait()
        at = 0
        for _ in range(WAITS_A_THREAD // len(NAMES)):
            for name in NAMES:
                begin = clock()
                get(name)
                mine[at] = clock() - begin
                at += 1
        waits.append(mine)

    run([work] * THREADS)
    return Counter(wait for mine in waits for wait in mine)


def tails(cases: dict[str, Get], rounds: int) -> dict[str, dict[str, float]]:
    """Of all hits of all rounds together: a lock is fast until its waiters queue up, which comes and goes."""
    taken: dict[str, Counter[int]] = {name: Counter() for name in cases}
    order = list(cases)
    for _ in range(rounds):
        random.shuffle(order)
        for name in order:
            taken[name] += waits_on_threads(cases[name])
    return {
        name: {"p99": _quantile(waits, 0.99), "p99.9": _quantile(waits, 0.999)}
        for name, waits in taken.items()
    }


def _quantile(waits: Counter[int], share: float) -> float:
    wanted, seen = waits.total() * share, 0
    for wait in sorted(waits):
        seen += waits[wait]
        if seen >= wanted:
            return float(wait)
    raise ValueError("no hits were timed")


def run(work: list[Callable[[], None]]) -> None:
    running = [threading.Thread(target=one) for one in work]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()


def in_turns(cases: dict[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    taken: dict[str, list[float]] = {name: [] for name in cases}
    order = list(cases)
    for _ in range(rounds):
        random.shuffle(order)
        for name in order:
            taken[name].append(cases[name]())
    return {name: statistics.median(values) for name, values in taken.items()}


def available() -> Iterator[tuple[str, Get]]:
    for name, make in PEERS.items():
        with contextlib.suppress(ImportError):
            yield name, make()


def main() -> None:
    rounds = int(sys.argv[1])
    manager = ours()
    sync = manager.get_secret_sync
    gets = {"bare": bare(), "sync": sync, **dict(available())}
    for case, get in gets.items():
        if {name: get(name) for name in NAMES} != VALUES:
            raise RuntimeError(f"{case} brings other values")
    cases = {case: of(get) for case, get in gets.items()}
    cases |= {"await": of_await(manager.get_secret), "in an operation": in_operation(sync)}
    costs = medians(cases, rounds)
    on = {case: get for case, get in gets.items() if case in ("bare", "sync", "cachetools")}
    several = {
        (case, threads): partial(on_threads, threads, of(get))
        for case, get in on.items()
        for threads in (1, THREADS)
    }
    few = max(rounds // 7, 5)
    by_threads = {f"{case} on {threads}": ns for (case, threads), ns in in_turns(several, few).items()}
    on_several = tails(on, 4 * few)
    print(json.dumps({"ns": costs, "threads": by_threads, "tails": on_several}))


if __name__ == "__main__":
    main()
