"""Three asyncio handlers, called over and over at the same time; the third only awaits.

The truth is wall time: two clock readings around each awaited call. It contains the time in which another
handler holds the loop, as it does for whoever waits for the answer.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

from truth import Truth, run

Handler = Callable[[random.Random], Awaitable[None]]


def compute(number: int) -> int:
    total = 0
    for value in range(number):
        total += value * value % 7
    return total


async def fetch(seconds: float) -> None:
    await asyncio.sleep(seconds)


async def query(seconds: float) -> None:
    await fetch(seconds)


async def mixed(chance: random.Random) -> None:
    await fetch(chance.uniform(0.010, 0.040))
    compute(20_000)
    await fetch(chance.uniform(0.005, 0.020))


async def computing(chance: random.Random) -> None:
    for _ in range(4):
        compute(int(chance.uniform(20_000, 60_000)))
        await asyncio.sleep(0)


async def waiting(chance: random.Random) -> None:
    await query(chance.uniform(0.010, 0.070))


async def client(handler: Handler, pause: float, end: float, truth: Truth) -> None:
    chance = random.Random(handler.__name__)
    while time.monotonic() < end:
        begin = time.perf_counter_ns()
        await handler(chance)
        truth.wall[handler.__name__] += time.perf_counter_ns() - begin
        truth.units += 1
        await asyncio.sleep(pause * chance.uniform(0.5, 1.5))


async def clients(seconds: float) -> Truth:
    truth = Truth()
    end = time.monotonic() + seconds
    begin = time.process_time_ns()
    await asyncio.gather(
        client(mixed, 0.006, end, truth),
        client(computing, 0.006, end, truth),
        client(waiting, 0.008, end, truth),
    )
    truth.cpu_ns = time.process_time_ns() - begin
    return truth


def main(seconds: float) -> Truth:
    return asyncio.run(clients(seconds))


if __name__ == "__main__":
    run(main)
