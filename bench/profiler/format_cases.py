"""CPU time to write 10,000 distinct stacks of 25 frames, and how large they get: prints JSON.

Runs in the peers' environment. The stacks branch as real ones do: each shares a part of random length with
an earlier one and goes on by itself to the full depth, through 2,000 functions in 200 files.
"""

from __future__ import annotations

import json
import random
import statistics
import time
from collections.abc import Callable

from genesis_performance.model.stacks import Frame, StackProfile, StackRecord
from genesis_performance.render.flame_graph import flame_graph
from genesis_performance.render.pprof import pprof

STACKS, DEPTH, FUNCTIONS, LINES = 10_000, 25, 2_000, 4
ROUNDS = 5


def profile() -> StackProfile:
    chance = random.Random(7)
    frames = tuple(
        Frame(
            f"Service{number % 300}.handle_{number}",
            f"/srv/app/package_{number % 20}/module_{number % 200}.py",
            line,
            10,
        )
        for number in range(FUNCTIONS)
        for line in range(11, 11 + LINES)
    )
    stacks: list[tuple[int, ...]] = []
    known: set[tuple[int, ...]] = set()
    while len(stacks) < STACKS:
        shared = chance.choice(stacks)[: chance.randrange(DEPTH)] if stacks else ()
        stack = shared + tuple(chance.randrange(len(frames)) for _ in range(DEPTH - len(shared)))
        if stack not in known:
            known.add(stack)
            stacks.append(stack)
    records = tuple(
        StackRecord(
            stack,
            (samples := chance.randint(1, 50), samples * 10_000_000, samples * 10_100_000),
            "MainThread",
            f"GET /{chance.randrange(10)}",
        )
        for stack in stacks
    )
    return StackProfile(frames=frames, records=records, duration_s=60.0, period_ns=10_000_000)


def cpu_s(render: Callable[[], object]) -> float:
    taken = []
    for _ in range(ROUNDS):
        begin = time.process_time()
        render()
        taken.append(time.process_time() - begin)
    return statistics.median(taken)


def main() -> None:
    made = profile()
    figures = {
        "pprof_s": cpu_s(lambda: pprof(made)),
        "html_s": cpu_s(lambda: flame_graph(made)),
        "pprof_bytes": len(pprof(made)),
        "html_bytes": len(flame_graph(made).encode()),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
