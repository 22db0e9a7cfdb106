"""Rows of a cache hit: against a bare dictionary, the peers, ``await``, and eight threads."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

from bench.peers import Peers, note
from bench.row import Row, at_most, below, printed

CASES = Path(__file__).with_name("hit_cases.py")
ROUNDS = 101
FASTER_THAN = ("cachetools", "moka-py", "theine", "aws-secretsmanager-caching")
TITLES = {"cachetools": "cachetools TTLCache + RLock", "lru-dict": "lru-dict (no lifetimes)"}


def rows(peers: Peers) -> Iterator[Row]:
    note("cost of a hit")
    command = [peers.python, CASES, str(ROUNDS)]
    done = subprocess.run(command, env=peers.environment, check=True, stdout=subprocess.PIPE, text=True)
    found = json.loads(done.stdout)
    ns, threads, tails = found["ns"], found["threads"], found["tails"]
    yield printed("bare dict + monotonic TTL check", ns["bare"], "ns")
    yield printed("sync hit", ns["sync"], "ns")
    yield at_most("sync hit against a bare dict + monotonic TTL check", ns["sync"] / ns["bare"], "x", 1.5)
    for name in FASTER_THAN:
        title = TITLES.get(name, name)
        if name in ns:
            yield printed(title, ns[name], "ns")
            yield below(f"sync hit against {title}", ns["sync"] / ns[name], "x", 1)
    if "lru-dict" in ns:
        yield printed(TITLES["lru-dict"], ns["lru-dict"], "ns")
    yield printed("sync hit inside an operation", ns["in an operation"], "ns")
    yield at_most("await hit / sync hit", ns["await"] / ns["sync"], "x", 2)
    yield at_most("8 threads against 1, per hit", _ratio(threads, "sync"), "x", 1.3)
    yield printed("  the bare dict's", _ratio(threads, "bare"), "x")
    for name, title in (("sync", "a hit"), ("bare", "the bare dict"), ("cachetools", "the locked cache")):
        if name in tails:
            yield printed(f"8 threads, {title}: p99", tails[name]["p99"], "ns")
            yield printed("  p99.9", tails[name]["p99.9"], "ns")
    if "cachetools" in tails:
        yield printed("8 threads against 1, the locked cache", _ratio(threads, "cachetools"), "x")
        against = tails["sync"]["p99"] / tails["cachetools"]["p99"]
        yield at_most("p99 of a hit against the locked cache, 8 threads", against, "x", 0.02)


def _ratio(threads: dict[str, float], case: str) -> float:
    return threads[f"{case} on 8"] / threads[f"{case} on 1"]
