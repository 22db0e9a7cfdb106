"""Measure a function: warm-up, calibration, values. One flow, driven by a plain loop or by an event loop.

``time.perf_counter_ns`` is read around each value. Where one iteration is too short for that, several are
timed together (``batch``) until the two readings are at most 1 % of a value; what the loop and the call of an
empty function cost is then subtracted. The garbage is collected before the values and the collector left on,
unless the configuration says otherwise.

Source: calibration and batches as in pyperf (https://pyperf.readthedocs.io/en/latest/run_benchmark.html) and
timeit (https://docs.python.org/3/library/timeit.html).
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import inspect
import threading
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from itertools import pairwise, repeat
from typing import Any, NamedTuple

from ..errors import InvalidInputError
from .config import BenchmarkConfig

CLOCK_SHARE = 0.01  # of a value that reading the clock may take
OVERHEAD_ROUNDS = 7  # the fastest counts: anything slower was disturbed
MOST_BATCH = 1 << 24

Clock = Callable[[], int]


class Block(NamedTuple):
    """Iterations to time together. ``empty`` times a function that does nothing."""

    iterations: int
    empty: bool = False


@dataclass(slots=True)
class Measurement:
    """What was measured, and while it runs how far it is."""

    values_ms: list[float] = field(default_factory=list)
    batch: int = 1
    overhead_ns: float = 0.0  # subtracted from every iteration
    stage: str = "warm-up"
    done: int = 0  # iterations of this stage
    abandoned: bool = False  # nobody waits for it any more: it ends after this iteration


Flow = Generator[Block, int, None]


def flow(config: BenchmarkConfig, warmup: int, iterations: int, progress: Measurement, clock: Clock) -> Flow:
    """Ask for blocks, take their nanoseconds, and fill ``progress``.

    Raises:
        InvalidInputError: the time is over.
    """
    start = clock()

    def check_time() -> None:
        if progress.abandoned or clock() - start > config.timeout_s * 1e9:
            raise timed_out(config, progress)

    for _ in range(warmup):
        yield Block(1)
        progress.done += 1
        check_time()
    progress.stage, progress.done = "calibration", 0
    shortest_ns = _clock_cost(clock) / CLOCK_SHARE
    elapsed = yield Block(1)
    while elapsed < shortest_ns and progress.batch < MOST_BATCH:
        progress.done += progress.batch
        check_time()
        progress.batch *= 2
        elapsed = yield Block(progress.batch)
    if progress.batch > 1:
        empty = []
        for _ in range(OVERHEAD_ROUNDS):
            empty.append((yield Block(progress.batch, empty=True)))  # noqa: PERF401 - a yield
        progress.overhead_ns = min(empty) / progress.batch
    gc.collect()
    progress.stage, progress.done = "measurement", 0
    for _ in range(iterations):
        elapsed = yield Block(progress.batch)
        value_ns = elapsed / progress.batch - progress.overhead_ns
        progress.values_ms.append(max(0.0, value_ns) / 1e6)
        progress.done += progress.batch
        check_time()


def drive(config: BenchmarkConfig, steps: Flow, progress: Measurement, clock: Clock) -> None:
    """Run a function in a plain loop.

    Raises:
        InvalidInputError: it raised, or gave something that must be awaited.
    """
    with _collector(config, progress):
        elapsed: int | None = None
        while (block := _next(steps, elapsed)) is not None:
            function, args, kwargs = _call_of(config, block, _nothing)
            try:
                begin = clock()
                for _ in repeat(None, block.iterations):
                    given = function(*args, **kwargs)
                elapsed = clock() - begin
            except Exception as error:
                raise _raised(config, progress, block, error) from error
            if inspect.isawaitable(given):
                _discard(given)
                raise NeedsAwaitError


async def adrive(config: BenchmarkConfig, steps: Flow, progress: Measurement, clock: Clock) -> None:
    """Await every iteration of a coroutine function on the running loop.

    Raises:
        InvalidInputError: it raised, or took longer than the time that it has.
    """
    with _collector(config, progress):
        try:
            async with asyncio.timeout(config.timeout_s) as limit:
                elapsed: int | None = None
                while (block := _next(steps, elapsed)) is not None:
                    function, args, kwargs = _call_of(config, block, _nothing_async)
                    try:
                        begin = clock()
                        for _ in repeat(None, block.iterations):
                            await function(*args, **kwargs)
                        elapsed = clock() - begin
                    except Exception as error:
                        raise _raised(config, progress, block, error) from error
        except TimeoutError:
            if not limit.expired():
                raise
            raise timed_out(config, progress) from None


class NeedsAwaitError(Exception):
    """A plain function returned an awaitable: it belongs on an event loop. Never leaves this part."""


def timed_out(config: BenchmarkConfig, progress: Measurement) -> InvalidInputError:
    return InvalidInputError(
        f"benchmark {config.benchmark_name!r} took longer than timeout_s={config.timeout_s:g}: it was in "
        f"{progress.stage}, {progress.done} iterations done; raise timeout_s or lower measurement_iterations"
    )


def _raised(
    config: BenchmarkConfig, progress: Measurement, block: Block, error: Exception
) -> InvalidInputError:
    first = progress.done + 1
    where = (
        f"iteration {first}"
        if block.iterations == 1
        else f"iterations {first} to {first + block.iterations - 1}"
    )
    return InvalidInputError(
        f"benchmark {config.benchmark_name!r}: target_function raised {type(error).__name__}: {error} in "
        f"{progress.stage} {where}"
    )


def _next(steps: Flow, elapsed: int | None) -> Block | None:
    try:
        return next(steps) if elapsed is None else steps.send(elapsed)
    except StopIteration:
        return None


def _call_of(
    config: BenchmarkConfig, block: Block, nothing: Callable[..., Any]
) -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]:
    return nothing if block.empty else config.target_function, config.args, dict(config.kwargs)


def _nothing(*_args: object, **_kwargs: object) -> None:
    pass


async def _nothing_async(*_args: object, **_kwargs: object) -> None:
    pass


def _discard(awaitable: object) -> None:
    if inspect.iscoroutine(awaitable):
        awaitable.close()


def _clock_cost(clock: Clock) -> float:
    """Nanoseconds of one reading, or the clock's step where that is larger."""
    readings = [clock() for _ in range(201)]
    steps = [later - earlier for earlier, later in pairwise(readings)]
    return max((readings[-1] - readings[0]) / 200, min((step for step in steps if step > 0), default=1))


_collector_lock = threading.Lock()
_collector_off: list[Measurement] = []  # those that want it off, by identity
_collector_was_on = True


@contextlib.contextmanager
def _collector(config: BenchmarkConfig, progress: Measurement) -> Iterator[None]:
    global _collector_was_on  # noqa: PLW0603 - the collector is one for the process, so is this
    if config.disable_gc and not progress.abandoned:
        with _collector_lock:
            if not _collector_off:
                _collector_was_on = gc.isenabled()
                gc.disable()
            _collector_off.append(progress)
    try:
        yield
    finally:
        _release_collector(progress)


def abandon(progress: Measurement) -> None:
    """Stop waiting for a measurement: it ends after its iteration, and the collector is on again at once."""
    progress.abandoned = True
    _release_collector(progress)


def _release_collector(progress: Measurement) -> None:
    with _collector_lock:
        others = [each for each in _collector_off if each is not progress]
        if len(others) < len(_collector_off) and not others and _collector_was_on:
            gc.enable()
        _collector_off[:] = others


def default_clock() -> int:
    return time.perf_counter_ns()
