"""Memory that keeps growing is found with its rate; what wanders, jumps or levels off is not."""

import math
import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genesis_performance.model.advice import Severity
from genesis_performance.profiler.findings._drift import BLOCKS, steady_growth

MIB = 2**20
SAMPLES = 600
SERIES = 300
Generator = Callable[[random.Random], list[float]]


def noise(rng: random.Random) -> float:
    """Spread of the single sample, MiB: the series is 100 MiB high."""
    return rng.choice((0.0, 0.1, 0.5))


def random_walk(rng: random.Random) -> list[float]:
    level, levels, step = 100.0, [], rng.choice((0.1, 1.0))
    for _ in range(SAMPLES):
        level = max(level + rng.gauss(0, step), 1)
        levels.append(level)
    return levels


def random_walk_in_steps(rng: random.Random) -> list[float]:
    """An arena more or less, now and then."""
    level, levels = 100.0, []
    for _ in range(SAMPLES):
        if rng.random() < 0.02:
            level = max(level + rng.choice((-4, 4)), 1)
        levels.append(level)
    return levels


def independent(rng: random.Random) -> list[float]:
    return [100 + rng.gauss(0, 1) for _ in range(SAMPLES)]


def slow_swing(rng: random.Random) -> list[float]:
    """A level that returns to its mean, slowly (autoregressive, 0.99)."""
    away, levels = 0.0, []
    for _ in range(SAMPLES):
        away = 0.99 * away + rng.gauss(0, 0.5)
        levels.append(100 + away)
    return levels


def cache_that_fills(rng: random.Random) -> list[float]:
    spread, tau, height = noise(rng), rng.uniform(0.01, 0.2) * SAMPLES, rng.uniform(5, 300)
    return [100 + height * (1 - math.exp(-i / tau)) + rng.gauss(0, spread) for i in range(SAMPLES)]


def start_up(rng: random.Random) -> list[float]:
    """Straight up for as much as 45 % of the session, then level."""
    spread, end, height = noise(rng), rng.uniform(0.02, 0.45) * SAMPLES, rng.uniform(5, 300)
    return [100 + height * min(i / end, 1) + rng.gauss(0, spread) for i in range(SAMPLES)]


def steps(rng: random.Random) -> list[float]:
    spread = noise(rng)
    jumps = [(rng.random() * SAMPLES, rng.uniform(1, 50)) for _ in range(rng.randint(1, 3))]
    return [
        100 + sum(height for at, height in jumps if i >= at) + rng.gauss(0, spread) for i in range(SAMPLES)
    ]


def saw_tooth(rng: random.Random) -> list[float]:
    spread, period, height = noise(rng), rng.uniform(0.002, 0.3) * SAMPLES, rng.uniform(2, 50)
    phase = rng.random() * period
    return [100 + height * ((i + phase) % period) / period + rng.gauss(0, spread) for i in range(SAMPLES)]


def wave(rng: random.Random) -> list[float]:
    period, phase = rng.uniform(0.05, 0.7) * SAMPLES, rng.uniform(0, 2 * math.pi)
    return [100 + 10 * math.sin(2 * math.pi * i / period + phase) + rng.gauss(0, 0.2) for i in range(SAMPLES)]


GROWTHLESS = (
    random_walk,
    random_walk_in_steps,
    independent,
    slow_swing,
    cache_that_fills,
    start_up,
    steps,
    saw_tooth,
    wave,
)


def leak(rng: random.Random) -> list[float]:
    """A fifth more in the session, under noise of 1 % and swings that return."""
    swing = slow_swing(rng)
    return [level / 4 + 75 + 20 * i / SAMPLES + rng.gauss(0, 1) for i, level in enumerate(swing)]


@pytest.mark.parametrize("generator", GROWTHLESS, ids=lambda generator: generator.__name__)
def test_fewer_than_5_in_100_series_without_growth_are_called_growing(generator: Generator) -> None:
    alarms = sum(steady_growth(generator(random.Random(seed))) is not None for seed in range(SERIES))
    assert alarms < 0.05 * SERIES


def test_more_than_9_in_10_leaks_are_called_growing_and_the_interval_holds_the_rate() -> None:
    found = [steady_growth(leak(random.Random(seed))) for seed in range(SERIES)]
    assert sum(drift is not None for drift in found) > 0.9 * SERIES
    holds = [drift.low <= 20 / BLOCKS <= drift.high for drift in found if drift is not None]
    assert sum(holds) > 0.95 * len(holds)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(0, 1e12), min_size=2 * BLOCKS, max_size=400), st.floats(0, 1e9))
def test_a_constant_added_changes_nothing(values: list[float], added: float) -> None:
    whole = [float(round(value)) for value in values]
    before, after = steady_growth(whole), steady_growth([value + round(added) for value in whole])
    assert (before is None) == (after is None)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 10**12), min_size=2 * BLOCKS, max_size=400))
def test_what_grows_does_not_grow_backwards(values: list[int]) -> None:
    if steady_growth(values) is not None:
        assert steady_growth(values[::-1]) is None


def growing(per_sample_bytes: float, count: int = 240) -> list[float]:
    return [100 * MIB + i * per_sample_bytes for i in range(count)]


def test_growth_is_found_with_its_rate(sessions, found) -> None:
    resources = sessions.resources(growing(0.5 * MIB))  # a sample every half second: 1 MiB a second
    (finding,) = found("profiler/memory-growth", resources=resources, duration_s=120.0)
    assert finding.evidence[0].value == pytest.approx(3600 * MIB, rel=0.01)
    assert "Set profiler.trace_allocations" in finding.reason


def test_reaching_the_limit_within_a_day_is_critical(sessions, found) -> None:
    resources = sessions.resources(growing(0.05 * MIB))
    parts = {"resources": resources, "duration_s": 120.0}
    (near,) = found("profiler/memory-growth", **parts, memory_limit_bytes=1024 * MIB)
    (far,) = found("profiler/memory-growth", **parts, memory_limit_bytes=64 * 1024 * MIB)
    assert (near.severity, far.severity) == (Severity.CRITICAL, Severity.WARNING)
    assert near.evidence[-1].value == pytest.approx((1024 - 112) / 360, rel=0.01)


def test_growth_that_does_not_matter_is_none(sessions, found) -> None:
    resources = sessions.resources(growing(4096))
    assert not found("profiler/memory-growth", resources=resources, duration_s=120.0)


def test_a_session_of_less_than_a_minute_is_too_short(sessions, found) -> None:
    resources = sessions.resources(growing(MIB), every_s=0.2)
    assert not found("profiler/memory-growth", resources=resources, duration_s=59.0)


def test_few_samples_are_too_few(sessions, found) -> None:
    resources = sessions.resources(growing(MIB, 119), every_s=1)
    assert not found("profiler/memory-growth", resources=resources, duration_s=119.0)


def test_the_line_that_holds_most_is_named_where_allocations_were_traced(sessions, found) -> None:
    from genesis_performance.model.stacks import ALLOCATED, StackProfile, StackRecord

    allocations = StackProfile(
        value_types=(ALLOCATED,),
        frames=(sessions.frame("main", line=3), sessions.frame("keep", line=21)),
        records=(StackRecord((0,), (1000,)), StackRecord((0, 1), (90_000_000,))),
    )
    resources = sessions.resources(growing(MIB))
    (finding,) = found(
        "profiler/memory-growth", resources=resources, duration_s=120.0, allocations=allocations
    )
    assert (finding.file, finding.line) == ("/srv/app/shop.py", 21)
