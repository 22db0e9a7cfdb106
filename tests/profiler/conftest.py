"""What a sampled program waits for: a count, never a time that a busy machine may not keep to."""

import asyncio
import time
from collections.abc import Callable

import pytest

from genesis_performance.profiler import sampling_thread
from genesis_performance.profiler.stack_sampler import StackSampler

PATIENCE_S = 60.0


@pytest.fixture(autouse=True)
def forget_tasks() -> Callable[[], None]:
    """Tasks that ended, or whose loop did, stay known until they are collected: not to these tests."""
    _forget_tasks()
    return _forget_tasks


def _forget_tasks() -> None:
    for name in ("_all_tasks", "_scheduled_tasks"):  # until Python 3.11, and from 3.12
        tasks = getattr(asyncio.tasks, name, ())
        for task in list(tasks):
            if task.done() or task.get_loop().is_closed():
                tasks.discard(task)


@pytest.fixture
def compute_until() -> Callable[[Callable[[], bool]], None]:
    """Use CPU time until a condition holds."""
    return _compute_until


@pytest.fixture
def compute_for() -> Callable[[int], None]:
    """Use CPU time until the process's sampling thread has taken so many further samples.

    One may have been under way at the beginning: with two or more, the last is of what computes here.
    """

    def compute(samples: int) -> None:
        sampling = sampling_thread._shared
        assert sampling is not None
        enough = sampling.samples + samples
        _compute_until(lambda: sampling.samples >= enough)

    return compute


def _compute_until(holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < ends, f"nothing came of it within {PATIENCE_S:g} s"
        sum(range(1000))


def has_samples(sampler: StackSampler, samples: int) -> None:
    """Wait, in another thread than the one that is sampled, until so many further samples were taken."""
    sampling = sampler._sampling
    assert sampling is not None
    enough = sampling.samples + samples
    ends = time.monotonic() + PATIENCE_S
    while sampling.samples < enough:
        assert time.monotonic() < ends, f"no {samples} samples within {PATIENCE_S:g} s"
        time.sleep(0.002)
