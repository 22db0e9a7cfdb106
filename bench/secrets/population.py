"""Who reads which secret when, and when it rotates: the traces that every policy is driven over.

Sixty secrets for sixty days, three seeds. Accesses come at random (Poisson), at rates spread evenly on a
logarithmic scale from once a day to once a second. 40 % of the secrets never rotate by plan, 25 % every 90
days, 20 % every 30, 10 % daily and 5 % hourly; of these 70 % are rotated by a machine (60 s off, standard
deviation) and 30 % by hand (10 % of the period off). Each is also rotated once in 180 days unplanned.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from dataclasses import dataclass

import numpy as np

DAY_S = 86400.0
DAYS = 60
SECRETS = 60
SEEDS = (1, 2, 3)
SLOWEST, FASTEST = 1 / DAY_S, 1.0  # accesses a second
PERIODS_S = (None,) * 24 + (90 * DAY_S,) * 15 + (30 * DAY_S,) * 12 + (DAY_S,) * 6 + (3600.0,) * 3
BY_MACHINE, OFF_S, OFF_SHARE = 0.7, 60.0, 0.1
UNPLANNED_S = 180 * DAY_S
EXCERPT_SEED, EXCERPT_S = 4, 36_000.0  # for what is repeated with real calls


@dataclass(frozen=True, slots=True)
class Trace:
    """One secret's: sorted seconds."""

    reads: array[float]
    rotations: list[float]


def trace(seed: int, number: int, days: float = DAYS) -> Trace:
    """Of secret ``number`` of a seed; the same whenever it is asked for."""
    chance = np.random.default_rng([seed, number])
    length_s = days * DAY_S
    rate = math.exp(chance.uniform(math.log(SLOWEST), math.log(FASTEST)))
    reads = np.sort(chance.uniform(0, length_s, chance.poisson(rate * length_s)))
    rotations = list(chance.uniform(0, length_s, chance.poisson(length_s / UNPLANNED_S)))
    period_s = PERIODS_S[number]
    if period_s is not None:
        rotations += _planned(chance, period_s, length_s)
    return Trace(array("d", reads.tobytes()), sorted(float(at) for at in rotations))


def excerpt(number: int) -> Trace:
    """The first ten hours of secret ``number`` of a seed of their own."""
    whole = trace(EXCERPT_SEED, number)
    return Trace(
        whole.reads[: bisect_left(whole.reads, EXCERPT_S)],
        [at for at in whole.rotations if at < EXCERPT_S],
    )


def _planned(chance: np.random.Generator, period_s: float, length_s: float) -> list[float]:
    """A schedule that began before the trace does."""
    first_s = chance.uniform(0, period_s)
    if chance.random() < BY_MACHINE:
        times = np.arange(first_s, length_s, period_s)
        times = times + chance.normal(0, OFF_S, len(times))
    else:
        count = int(2 * length_s / period_s) + 10
        times = first_s + np.cumsum(period_s * (1 + chance.normal(0, OFF_SHARE, count)))
    return [at for at in times if 0 < at < length_s]
