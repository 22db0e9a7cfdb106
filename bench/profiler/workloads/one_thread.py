"""One thread, CPU bound: 41 % Python loop, 24 % small calls, 8 % C with the GIL, 20 % without, 6 % short.

Blocks of some milliseconds follow in random order and of random length, so that no sampler can fall into
step with them. Two readings of the thread's CPU clock around each block (about 1 us) are the truth.
"""

from __future__ import annotations

import hashlib
import random
import time

from truth import Truth, run, size_of, sizes

NUMBERS = list(range(20_000))
BLOCK = bytes(64 * 1024)
ROUND_NS = 40_000_000


def python_loop(size: int) -> int:
    total = 0
    while size:
        total += (size & 255) * 3 % 7
        size -= 1
    return total


def tiny(number: int) -> int:
    return number + 1


def small_calls(size: int) -> None:
    for number in range(size):
        tiny(number)


def holding_c(size: int) -> None:
    for _ in range(size):
        sum(NUMBERS)


def releasing_c(size: int) -> None:
    for _ in range(size):
        hashlib.sha256(BLOCK).digest()


def short() -> int:
    total = 0
    for number in range(300):
        total += number * number % 7
    return total


def short_functions(size: int) -> None:
    for _ in range(size):
        short()


SHARES = {python_loop: 0.41, small_calls: 0.24, holding_c: 0.08, releasing_c: 0.20, short_functions: 0.06}


def main(seconds: float) -> Truth:
    truth = Truth()
    truth.sizes = sizes() or {
        function.__name__: size_of(function, int(ROUND_NS * share)) for function, share in SHARES.items()
    }
    chance = random.Random(7)
    order = list(SHARES)
    end = time.monotonic() + seconds
    process_begin = time.process_time_ns()
    while time.monotonic() < end:
        chance.shuffle(order)
        for function in order:
            size = int(truth.sizes[function.__name__] * chance.uniform(0.5, 1.5)) + 1
            cpu, wall = time.thread_time_ns(), time.perf_counter_ns()
            function(size)
            truth.wall[function.__name__] += time.perf_counter_ns() - wall
            truth.cpu[function.__name__] += time.thread_time_ns() - cpu
        truth.units += 1
    truth.cpu_ns = time.process_time_ns() - process_begin
    return truth


if __name__ == "__main__":
    run(main)
