"""Rows of refreshing: every policy over the same traces, against a plain cache with a lifetime."""

from __future__ import annotations

import math
import multiprocessing
import os
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise

from bench.peers import note
from bench.row import Row, at_least, at_most, below, printed
from bench.secrets.population import DAYS, SECRETS, SEEDS, trace
from bench.secrets.simulator import Policy, Tally, on_demand, simulate
from genesis_performance.config.secret_manager import SecretManagerSection

TTL_S = 300.0
WIDE_S = 3600.0
CURVE_S = (15.0, 30.0, 60.0, 120.0, TTL_S, 600.0, 900.0, 1800.0, WIDE_S)  # lifetimes of the plain cache
CHECKED_DAYS = 2.0
HARD = SecretManagerSection(cache_ttl_s=TTL_S)
SOFT = SecretManagerSection(cache_ttl_s=TTL_S, max_staleness_s=WIDE_S)

POLICIES = {
    "hard bound": Policy(HARD, refreshes=True),
    "soft bound": Policy(SOFT, refreshes=True),
    "soft bound, with create times": Policy(SOFT, refreshes=True, lists=True),
    "push + 1 h safety poll": Policy(
        SecretManagerSection(cache_ttl_s=TTL_S, safety_poll_s=WIDE_S), refreshes=True, notices=True
    ),
    "hard bound, rejected values reported": Policy(HARD, refreshes=True, feedback="invalidate"),
    "hard bound, through with_secret": Policy(HARD, refreshes=True, feedback="with_secret"),
}

Tallies = dict[str, Tally]


def rows() -> Iterator[Row]:
    note("checking the simulator")
    check()
    note(f"{SECRETS} secrets, {DAYS} days, {len(SEEDS)} seeds, {len(POLICIES)} policies")
    tallies = simulated()
    plain = tallies[_plain(TTL_S)]
    hard, push = tallies["hard bound"], tallies["push + 1 h safety poll"]
    for name in (_plain(TTL_S), *POLICIES):
        yield from _shown(name, tallies[name])
    yield at_most("hard bound: API calls against TTL on demand", hard.calls / plain.calls, "x", 1.25)
    yield at_most(
        "hard bound: reads that block, against TTL on demand", _blocked(hard) / _blocked(plain), "x", 0.2
    )
    yield below("hard bound: reads that block", 100 * _blocked(hard), "%", 0.5)
    yield at_most("hard bound: longest that an old value was served", hard.longest_s, "s", TTL_S)
    for name, goal in (("soft bound", 2.5), ("soft bound, with create times", 4)):
        fewer = calls_at(tallies, tallies[name].stale) / tallies[name].calls
        yield at_least(f"{name}, at equal stale reads: calls", fewer, "x fewer", goal)
    yield at_least("push + 1 h safety poll: calls", plain.calls / push.calls, "x fewer", 6)
    yield at_least("push + 1 h safety poll: stale reads", plain.stale / push.stale, "x fewer", 20)
    reported, hidden = (tallies[name] for name, policy in POLICIES.items() if policy.feedback)
    yield at_most("failed uses per rotation, a process", reported.failed / reported.rotations, "", 1)
    yield at_most("failed uses per rotation, through with_secret", hidden.failed / hidden.rotations, "", 0)


def check() -> None:
    """The simulator against itself: hits counted at once or called, and the plain cache against ours.

    Raises:
        RuntimeError: they differ.
    """
    for number in range(0, SECRETS, 7):
        one = trace(SEEDS[0], number, CHECKED_DAYS)
        for name, policy in POLICIES.items():
            if simulate(one, policy, number) != simulate(one, policy, number, at_once=False):
                raise RuntimeError(f"{name}: counting hits at once changes what happens to secret {number}")
        ours = simulate(one, Policy(SecretManagerSection(cache_ttl_s=TTL_S)), number)
        if ours != on_demand(one, TTL_S):
            raise RuntimeError(f"without refreshing, secret {number} is not what a plain cache makes of it")


def simulated() -> Tallies:
    """Every policy and lifetime, added up over secrets and seeds."""
    total: Tallies = defaultdict(Tally)
    work = [(seed, number) for seed in SEEDS for number in range(SECRETS)]
    with ProcessPoolExecutor(os.cpu_count(), mp_context=multiprocessing.get_context("spawn")) as pool:
        for found in pool.map(_secret, work):
            for name, tally in found.items():
                total[name] += tally
    return total


def calls_at(tallies: Tallies, stale: int) -> float:
    """Calls of the plain cache at the lifetime that has just as many stale reads.

    Between two lifetimes it is a straight line in logarithms.

    Raises:
        ValueError: no lifetime of the curve has so few, or so many.
    """
    for shorter, longer in pairwise(tallies[_plain(ttl_s)] for ttl_s in CURVE_S):
        if shorter.stale <= stale <= longer.stale:
            share = math.log(stale / shorter.stale) / math.log(longer.stale / shorter.stale)
            return shorter.calls * (longer.calls / shorter.calls) ** share
    raise ValueError(f"{stale} stale reads are outside of the curve of lifetimes")


def _secret(which: tuple[int, int]) -> Tallies:
    seed, number = which
    one = trace(seed, number)
    found = {_plain(ttl_s): on_demand(one, ttl_s) for ttl_s in CURVE_S}
    return found | {name: simulate(one, policy, number) for name, policy in POLICIES.items()}


def _plain(ttl_s: float) -> str:
    return f"TTL {ttl_s:.0f} s on demand"


def _blocked(tally: Tally) -> float:
    return tally.blocked / tally.reads


def _shown(name: str, tally: Tally) -> Iterator[Row]:
    hours = DAYS * 24 * len(SEEDS)
    yield printed(f"{name}: calls", tally.calls / hours, "/h")
    if tally.lists:
        yield printed("  lists of versions", tally.lists / hours, "/h")
    yield printed("  reads that block", 1e6 * _blocked(tally), "/million")
    yield printed("  stale reads", 24 * tally.stale / hours, "/day")
    yield printed("  longest that an old value was served", tally.longest_s, "s")
    yield printed("  failed uses per rotation", tally.failed / tally.rotations, "")
