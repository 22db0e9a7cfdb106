"""Pairs of runs of the same program, out of published benchmark data: what a verdict must call equal.

Each family is one way in which two measurements of an unchanged program differ: in the same process, in
another process, on another day, on another virtual machine. A regression of a known size is made by
multiplying the current side, so every label is exact but for the family ``pyperf_patch``, where consecutive
patch releases of CPython are taken as equal.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

Runs = list[list[float]]
Pair = tuple[Runs, Runs]

MOST_PAIRS = 600  # of a family; the fit weighs families alike whatever their number of pairs


def families(data: Path, seed: int = 1) -> dict[str, list[Pair]]:
    """Family to its pairs; families whose file is absent are left out."""
    found = {}
    for name, (file, pairs) in FAMILIES.items():
        if (data / file).is_file():
            rng = random.Random(f"{seed}{name}")
            every = list(pairs(data / file, rng))
            found[name] = rng.sample(every, min(MOST_PAIRS, len(every)))
    return found


def same_process(path: Path, rng: random.Random) -> Iterator[Pair]:
    for runs in _jmh_forks(path).values():
        values = rng.choice(runs)
        halves = values[::2], values[1::2]
        yield [_thinned(halves[0], rng)], [_thinned(halves[1], rng)]


def jmh_fork(path: Path, rng: random.Random) -> Iterator[Pair]:
    for runs in _jmh_forks(path).values():
        yield from (_from_pool(runs, rng) for _ in range(2))


def jmh_fork_2(path: Path, rng: random.Random) -> Iterator[Pair]:
    for runs in _programs(f"SELECT bench, fork, list(ns ORDER BY it) FROM '{path}' GROUP BY 1, 2").values():
        yield from (_from_pool(runs, rng) for _ in range(6))


def go_day(path: Path, rng: random.Random) -> Iterator[Pair]:
    query = f"SELECT pkg || bench, stamp, ns FROM '{path}' WHERE toolchain = 'Go1.17-opt'"
    for runs in _programs(query).values():
        yield from (_from_pool(runs, rng) for _ in range(10))


def go_cloud(path: Path, rng: random.Random) -> Iterator[Pair]:
    """Baseline and current come from different virtual machines."""
    machines: dict[str, list[Runs]] = defaultdict(list)
    query = (
        "SELECT proj || b_name || '@' || ir_pos, sr_pos, list(ns_per_op ORDER BY it_pos, bed_pos) "
        f"FROM '{path}' GROUP BY 1, 2"
    )
    for name, runs in _programs(query).items():
        machines[name.partition("@")[0]].append(runs)
    for program in machines.values():
        for _ in range(10):
            sides = rng.sample(program, 2)
            yield tuple(  # type: ignore[misc]
                [_thinned(run, rng) for run in rng.sample(side, rng.randint(1, len(side)))] for side in sides
            )


def pyperf_patch(path: Path, rng: random.Random) -> Iterator[Pair]:
    query = (
        "SELECT machine || ' ' || bench || ' ' || regexp_extract(version, '^3\\.\\d+'), "
        "CAST(regexp_extract(version, '(\\d+)$', 1) AS INT), proc_means "
        f"FROM '{path}' WHERE flags = '' AND regexp_full_match(version, '3\\.\\d+\\.\\d+') AND nproc >= 10"
    )
    for runs in _programs(query).values():
        for older, newer in pairwise(runs):
            if rng.random() < 0.5:
                older, newer = newer, older
            yield [_thinned(older, rng)], [_thinned(newer, rng)]


FAMILIES: dict[str, tuple[str, Callable[[Path, random.Random], Iterator[Pair]]]] = {
    "same process": ("jmh_steady.npz", same_process),
    "other process (JMH)": ("jmh_steady.npz", jmh_fork),
    "other process (JMH 2)": ("jmh_laaber.parquet", jmh_fork_2),
    "other day (Go)": ("go.parquet", go_day),
    "other VM (Go)": ("go_cloud.parquet", go_cloud),
    "patch release (CPython)": ("pyperf.parquet", pyperf_patch),
}


def _jmh_forks(path: Path) -> dict[str, Runs]:
    import numpy as np

    with np.load(path) as file:
        return dict(zip(file["names"].tolist(), file["samples"].tolist(), strict=True))


def _programs(query: str) -> dict[str, Runs]:
    """The runs of each program; the query gives its name, the run and the values."""
    import duckdb

    programs: dict[str, Runs] = defaultdict(list)
    for program, _, values in duckdb.sql(f"{query} ORDER BY 1, 2").fetchall():
        programs[program].append([value for value in values if value and value > 0])
    return {program: runs for program, runs in programs.items() if len(runs) > 1}


def _from_pool(pool: Runs, rng: random.Random) -> Pair:
    """Two disjoint sets of 1 to 5 runs each; one run a side is what most users have."""
    order = rng.sample(pool, len(pool))
    baseline, current = rng.choice(((1, 1), (1, 1), (2, 1), (3, 1), (2, 2), (3, 2), (5, 3), (5, 5)))
    baseline = min(baseline, len(order) - 1)
    current = min(current, len(order) - baseline)
    return (
        [_thinned(run, rng) for run in order[:baseline]],
        [_thinned(run, rng) for run in order[baseline : baseline + current]],
    )


def _thinned(run: list[float], rng: random.Random) -> list[float]:
    """10 values in a row up to all of them: the fit must hold for small samples too."""
    count = rng.randint(min(10, len(run)), len(run))
    start = rng.randint(0, len(run) - count)
    return run[start : start + count]
