"""Three threads: busy in Python (71 % of the CPU time), hashing without the GIL (28 %), asleep (1 %).

Each thread reads its own CPU clock when it begins and ends: that is the truth, it disturbs nothing.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable

from truth import Truth, run, size_of, sizes

BLOCK = memoryview(bytes(2**27))


def hash_block(kib: int) -> None:
    hashlib.sha256(BLOCK[: kib * 1024]).digest()  # one call: the GIL is waited for once


def busy(end: float, truth: Truth) -> None:
    total = 0
    while time.monotonic() < end:
        for number in range(20_000):
            total += number * number % 7
        truth.units += 1


def hashing(end: float, truth: Truth) -> None:
    while time.monotonic() < end:
        hash_block(truth.sizes["hash_block"])
        time.sleep(0.05)


def sleeping(end: float, truth: Truth) -> None:
    while time.monotonic() < end:
        sum(range(20_000))
        time.sleep(0.02)


def main(seconds: float) -> Truth:
    truth = Truth()
    truth.sizes = sizes() or {"hash_block": size_of(hash_block, 40_000_000)}
    end = time.monotonic() + seconds

    def measured(function: Callable[[float, Truth], None]) -> None:
        cpu, wall = time.thread_time_ns(), time.perf_counter_ns()
        function(end, truth)
        truth.wall[function.__name__] = time.perf_counter_ns() - wall
        truth.cpu[function.__name__] = time.thread_time_ns() - cpu

    process_begin = time.process_time_ns()
    running = [threading.Thread(target=measured, args=(function,)) for function in (busy, hashing, sleeping)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    truth.cpu_ns = time.process_time_ns() - process_begin
    return truth


if __name__ == "__main__":
    run(main)
