"""Shares of functions against what the workload measures about itself in the same run."""

import asyncio
import hashlib
import random
import threading
import time
from collections import Counter
from collections.abc import Callable

import pytest

from genesis_performance.model.stacks import StackProfile
from genesis_performance.operations import Recorder
from genesis_performance.profiler.stack_sampler import StackSampler

BLOCK = bytes(256 * 1024)
NUMBERS = list(range(20_000))


def python_loop() -> None:
    total = 0
    for number in range(60_000):
        total += number * 3 % 7


def tiny(number: int) -> int:
    return number + 1


def small_calls() -> None:
    for number in range(30_000):
        tiny(number)


def c_with_the_gil() -> None:
    for _ in range(6):
        sum(NUMBERS)


def c_without_the_gil() -> None:
    for _ in range(3):
        hashlib.sha256(BLOCK).digest()


FUNCTIONS: tuple[Callable[[], None], ...] = (python_loop, small_calls, c_with_the_gil, c_without_the_gil)


def in_one_thread(seconds: float) -> Counter[str]:
    truth: Counter[str] = Counter()
    order = list(FUNCTIONS)
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        random.shuffle(order)
        for function in order:
            begin = time.thread_time_ns()
            function()
            truth[function.__name__] += time.thread_time_ns() - begin
    return truth


def in_threads(seconds: float) -> Counter[str]:
    truth: Counter[str] = Counter()
    ends = time.monotonic() + seconds

    def busy() -> None:
        while time.monotonic() < ends:
            python_loop()
        truth["busy"] = time.thread_time_ns()

    def hashing() -> None:
        while time.monotonic() < ends:
            c_without_the_gil()
            time.sleep(0.01)
        truth["hashing"] = time.thread_time_ns()

    def asleep() -> None:
        while time.monotonic() < ends:
            time.sleep(0.02)
        truth["asleep"] = time.thread_time_ns()

    threads = [threading.Thread(target=function) for function in (busy, hashing, asleep)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return truth


def awaited(seconds: float) -> Counter[str]:
    truth: Counter[str] = Counter()
    ends = time.monotonic() + seconds

    async def short() -> None:
        await asyncio.sleep(random.uniform(0.005, 0.015))

    async def long() -> None:
        await asyncio.sleep(random.uniform(0.02, 0.06))
        python_loop()

    async def client(handler: Callable[[], object]) -> None:
        while time.monotonic() < ends:
            begin = time.perf_counter_ns()
            await handler()  # type: ignore[misc]
            truth[handler.__name__] += time.perf_counter_ns() - begin
            await asyncio.sleep(0.01)

    async def clients() -> None:
        await asyncio.gather(client(short), client(long))

    asyncio.run(clients())
    return truth


def shares(values: Counter[str]) -> dict[str, float]:
    total = sum(values.values())
    return {name: 100 * value / total for name, value in values.items()}


def seen(profile: StackProfile, column: str, names: set[str]) -> Counter[str]:
    """Inclusive values of the named functions."""
    index = profile.column(column)
    found: Counter[str] = Counter(dict.fromkeys(names, 0))
    for record in profile.records:
        on_stack = {profile.frames[frame].function.rpartition(".")[2] for frame in record.stack}
        for name in names & on_stack:
            found[name] += record.values[index]
    return found


def largest_error(
    workload: Callable[[float], Counter[str]], column: str, seconds: float, **how: float
) -> float:
    """Largest difference of any function's share from the truth, in percentage points."""
    sampler = StackSampler(**how)  # type: ignore[arg-type]
    sampler.start()
    truth = workload(seconds)
    profile = sampler.stop()
    got, expected = shares(seen(profile, column, set(truth))), shares(truth)
    return max(abs(got[name] - expected[name]) for name in expected)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("workload", "column", "goal"),
    [(in_one_thread, "cpu", 3.0), (in_threads, "cpu", 0.5), (awaited, "wall", 1.0)],
)
def test_the_goals_are_met_with_the_defaults(
    workload: Callable[[float], Counter[str]], column: str, goal: float
) -> None:
    assert sorted(largest_error(workload, column, 20.0) for _ in range(3))[1] <= goal


def has_samples(sampler: StackSampler, samples: int) -> Callable[[], bool]:
    sampling = sampler._sampling
    assert sampling is not None
    enough = sampling.samples + samples
    return lambda: sampling.samples >= enough


def test_what_computes_in_the_same_thread_is_told_apart(
    compute_until: Callable[[Callable[[], bool]], None],
) -> None:
    sampler = StackSampler(400, overhead_budget_percent=50)
    sampler.start()
    enough = has_samples(sampler, 200)

    def each_once_more() -> bool:
        for function in FUNCTIONS:
            function()
        return enough()

    compute_until(each_once_more)
    assert min(seen(sampler.stop(), "cpu", {function.__name__ for function in FUNCTIONS}).values()) > 0


def test_a_thread_that_computes_has_the_cpu_and_one_that_waits_has_none() -> None:
    over = threading.Event()

    def busy() -> None:
        while not over.is_set():
            python_loop()

    def asleep() -> None:
        over.wait()

    threads = [threading.Thread(target=function, name=function.__name__) for function in (busy, asleep)]
    sampler = StackSampler(100, overhead_budget_percent=20)
    for thread in threads:
        thread.start()
    sampler.start()
    enough = has_samples(sampler, 20)
    ends = time.monotonic() + 60
    while not enough() and time.monotonic() < ends:
        time.sleep(0.01)
    profile = sampler.stop()
    over.set()
    for thread in threads:
        thread.join()
    cpu_ns = seen(profile, "cpu", {"busy", "asleep"})
    assert cpu_ns["busy"] > 100 * cpu_ns["asleep"]


def test_stacks_know_their_operation() -> None:
    recorder = Recorder()
    sampler = StackSampler(400, overhead_budget_percent=50)
    sampler.start()
    enough = has_samples(sampler, 200)
    ends = time.monotonic() + 60
    while not enough() and time.monotonic() < ends:
        with recorder.operation("hash"):
            for _ in range(50):  # as long as the loop, so that neither is seen by chance only
                c_without_the_gil()
        with recorder.operation("loop"):
            for _ in range(10):
                python_loop()
    profile = sampler.stop()
    found: dict[str, Counter[str]] = {}
    for record in profile.records:
        for index in record.stack:
            found.setdefault(profile.frames[index].function, Counter())[record.operation] += record.values[0]
    # Nearly all: where the sampler loses the GIL while it walks a stack, the operation may have ended since.
    assert found["c_without_the_gil"].most_common(1)[0][0] == "hash"
    assert found["python_loop"].most_common(1)[0][0] == "loop"


def test_an_operation_that_began_before_the_session_is_known(compute_for: Callable[[int], None]) -> None:
    recorder = Recorder()
    with recorder.operation("long"):
        sampler = StackSampler(400, overhead_budget_percent=50)
        sampler.start()
        compute_for(10)
        profile = sampler.stop()
    assert {record.operation for record in profile.records if record.thread == "MainThread"} == {"long"}


def test_the_cost_is_measured(compute_for: Callable[[int], None]) -> None:
    sampler = StackSampler(1000, overhead_budget_percent=2)
    sampler.start()
    compute_for(10)
    sampler.stop()
    assert sampler.activity is not None
    assert sampler.activity.cpu_s > 0


@pytest.mark.slow
def test_the_cost_is_near_its_budget() -> None:
    sampler = StackSampler(1000, overhead_budget_percent=2)
    sampler.start()
    in_one_thread(1.5)
    sampler.stop()
    assert sampler.activity is not None
    assert 0 < sampler.activity.overhead_percent < 4
    assert sampler.activity.rate_hz < 1000
