"""Tasks that wait are seen under their own coroutines, each with the same chance."""

import asyncio
import sys
import threading
import time
import types
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genesis_performance.model.stacks import StackProfile
from genesis_performance.operations import Recorder, recorded, tracking
from genesis_performance.profiler.stack_sampler import StackSampler
from genesis_performance.profiler.stack_walk import HALF_DEPTH, walk_coroutine
from genesis_performance.profiler.tasks import UNNAMED, Waiting, WaitingTasks

from .conftest import has_samples


async def leaf(event: asyncio.Event) -> None:
    await event.wait()


async def root(event: asyncio.Event) -> None:
    await leaf(event)


async def items(event: asyncio.Event) -> AsyncIterator[int]:
    await leaf(event)
    yield 1


async def iterating(event: asyncio.Event) -> None:
    async for _ in items(event):
        pass


@types.coroutine
def by_generator(event: asyncio.Event) -> Generator[Any, Any, None]:
    yield from by_hand(event).__await__()


async def by_hand(event: asyncio.Event) -> None:
    await leaf(event)


class Shown:
    """An awaitable of the host's own that shows what it waits for, as ours do."""

    def __init__(self, coroutine: Any) -> None:
        self.cr_await = coroutine

    def __await__(self) -> Iterator[Any]:
        return self

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return self.cr_await.send(None)


def functions(waiting: Waiting) -> list[str]:
    """From root to leaf."""
    return [code.co_name for code in reversed(waiting.walked.raw[::2])]


async def seen(coroutine: Any, event: asyncio.Event, looker: WaitingTasks | None = None) -> list[str]:
    """The stack of a task that runs ``coroutine``, as another thread sees it."""
    task = asyncio.create_task(coroutine, name="looked at")
    for _ in range(3):
        await asyncio.sleep(0)
    found: list[Waiting] = []
    thread = threading.Thread(target=lambda: found.extend((looker or WaitingTasks()).take()))
    thread.start()
    thread.join()
    event.set()
    task.cancel()
    (waiting,) = [waiting for waiting in found if waiting.name == "looked at"]
    return functions(waiting)


async def test_a_waiting_task_is_the_chain_of_its_coroutines() -> None:
    event = asyncio.Event()
    assert await seen(root(event), event) == ["root", "leaf", "wait"]


async def test_an_asynchronous_generator_is_part_of_the_chain() -> None:
    event = asyncio.Event()
    assert await seen(iterating(event), event) == ["iterating", "items", "leaf", "wait"]


async def test_a_generator_based_coroutine_is_part_of_the_chain() -> None:
    event = asyncio.Event()

    async def begin() -> None:
        await by_generator(event)

    assert await seen(begin(), event) == ["begin", "by_generator", "by_hand", "leaf", "wait"]


async def test_an_awaitable_with_cr_await_is_followed() -> None:
    event = asyncio.Event()

    async def begin() -> None:
        await Shown(leaf(event))

    assert await seen(begin(), event) == ["begin", "leaf", "wait"]


async def test_a_decorated_coroutine_is_seen_as_itself() -> None:
    event = asyncio.Event()
    recorder = Recorder()
    function = recorded(recorder, root, "checkout")
    assert (await seen(function(event), event))[-3:] == ["root", "leaf", "wait"]


async def test_a_task_that_did_not_begin_waits_at_its_first_line() -> None:
    event = asyncio.Event()
    coroutine = root(event)
    walked = walk_coroutine(coroutine)
    coroutine.close()
    assert walked is not None
    assert [code.co_name for code in walked.raw[::2]] == ["root"]


async def test_the_task_that_runs_does_not_wait() -> None:
    assert list(WaitingTasks().take()) == []


async def test_a_gathered_task_and_the_one_that_gathers_both_wait() -> None:
    event = asyncio.Event()

    async def gathers() -> None:
        await asyncio.gather(leaf(event), leaf(event))

    task = asyncio.create_task(gathers())
    for _ in range(3):
        await asyncio.sleep(0)
    stacks = sorted(functions(waiting) for waiting in WaitingTasks().take())
    event.set()
    await task
    assert stacks == [["gathers"], ["leaf", "wait"], ["leaf", "wait"]]


async def test_numbered_names_are_one_and_given_names_stay() -> None:
    event = asyncio.Event()
    tasks = [asyncio.create_task(leaf(event)), asyncio.create_task(leaf(event), name="x" * 500)]
    await asyncio.sleep(0)
    assert sorted(waiting.name for waiting in WaitingTasks().take()) == [UNNAMED, "x" * 100]
    event.set()
    await asyncio.gather(*tasks)


async def test_an_operation_that_is_open_in_a_waiting_task_is_found() -> None:
    event = asyncio.Event()
    recorder = Recorder()

    async def handler() -> None:
        with recorder.operation("checkout"):
            await leaf(event)

    tracking.start_tracking()
    try:
        task = asyncio.create_task(handler())
        await asyncio.sleep(0)
        (waiting,) = list(WaitingTasks().take())
        event.set()
        await task
    finally:
        tracking.stop_tracking()
    assert waiting.walked.operation == "checkout"


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(count=st.integers(1, 300), most=st.integers(1, 32), chance=st.floats(0, 0.999999))
def test_those_that_are_looked_at_stand_for_all(
    count: int, most: int, chance: float, forget_tasks: Callable[[], None]
) -> None:
    async def look() -> tuple[float, int]:
        forget_tasks()
        event = asyncio.Event()
        tasks = [asyncio.create_task(leaf(event)) for _ in range(count)]
        await asyncio.sleep(0)
        looker = WaitingTasks(most=most, uniform=lambda: chance)
        found = list(looker.take())
        event.set()
        await asyncio.gather(*tasks)
        return sum(waiting.share for waiting in found), len(found)

    total, looks = asyncio.run(look())
    assert looks <= most
    # The task that looks runs, and is one of count + 1.
    share = max((count + 1) / most, 1.0)
    assert total == pytest.approx(count, abs=share + 1e-6)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.999])
async def test_every_look_takes_other_tasks(share: float) -> None:
    event = asyncio.Event()
    tasks = [asyncio.create_task(leaf(event), name=f"job {n}") for n in range(100)]
    await asyncio.sleep(0)
    looker = WaitingTasks(most=10, uniform=lambda: share)
    first = {waiting.name for waiting in looker.take()}
    looker._uniform = lambda: (share + 0.3) % 1
    second = {waiting.name for waiting in looker.take()}
    event.set()
    await asyncio.gather(*tasks)
    assert first != second
    assert looker.passed_over == 2 * (101 - 10)


async def test_of_10_000_tasks_some_stand_for_all() -> None:
    event = asyncio.Event()
    tasks = [asyncio.create_task(root(event)) for _ in range(10_000)]
    over = threading.Event()
    waits = threading.Thread(target=over.wait, name="waits")  # has the time that the samples stand for
    waits.start()
    await asyncio.sleep(0)
    sampler = StackSampler(100, overhead_budget_percent=50)
    sampler.start()
    await asyncio.to_thread(has_samples, sampler, 20)
    profile = sampler.stop()
    over.set()
    waits.join()
    event.set()
    await asyncio.gather(*tasks)
    wall = profile.column("wall")
    by_thread = {"waits": 0, UNNAMED: 0}
    for record in profile.records:
        if record.thread in by_thread:
            by_thread[record.thread] += record.values[wall]
    assert by_thread[UNNAMED] / by_thread["waits"] == pytest.approx(10_000, rel=0.05)
    assert any("single tasks" in what for what in profile.lost)


@pytest.mark.slow  # it needs a processor of its own for two seconds
async def test_10_000_tasks_stay_within_the_budget() -> None:
    event = asyncio.Event()
    tasks = [asyncio.create_task(root(event)) for _ in range(10_000)]
    await asyncio.sleep(0)
    sampler = StackSampler(100, overhead_budget_percent=1.0)
    sampler.start()
    await asyncio.sleep(1.5)
    profile = sampler.stop()
    event.set()
    await asyncio.gather(*tasks)
    assert sampler.activity is not None
    assert sampler.activity.overhead_percent < 2  # the first samples are taken before the cost is known
    waited_ns = sum(record.values[2] for record in profile.records if record.thread == UNNAMED)
    assert waited_ns / 1e9 == pytest.approx(10_000 * sampler.activity.duration_s, rel=0.2)
    assert any("single tasks" in what for what in profile.lost)


async def test_a_loop_that_rests_has_no_time_of_its_own_while_tasks_wait() -> None:
    event = asyncio.Event()
    task = asyncio.create_task(root(event))
    sampler = StackSampler(200)

    def watch(loop_thread: int) -> StackProfile:
        while sys._current_frames()[loop_thread].f_code.co_name != "select":
            time.sleep(0.001)
        sampler.start()
        has_samples(sampler, 20)
        return sampler.stop()

    profile = await asyncio.to_thread(watch, threading.get_ident())
    event.set()
    await task
    # Of the loop it may have seen the last of the way into its rest.
    assert sum(record.values[0] for record in profile.records if record.thread == "MainThread") <= 2
    assert (
        sum(
            record.values[0]
            for record in profile.records
            if "root" in {profile.frames[index].function for index in record.stack}
        )
        >= 18  # of 20
    )


async def test_of_a_chain_too_deep_both_ends_are_kept() -> None:
    event = asyncio.Event()

    async def nested(levels: int) -> None:
        await (nested(levels - 1) if levels else leaf(event))

    # Objects that only show a chain: real ones so deep do not fit on the interpreter's own stack.
    inside = nested(0)
    shown: Any = inside
    for _ in range(3 * HALF_DEPTH):
        shown = types.SimpleNamespace(cr_await=shown, cr_frame=inside.cr_frame)
    walked = walk_coroutine(shown)
    inside.close()
    assert walked is not None
    assert len(walked.raw) == 2 * 2 * HALF_DEPTH
    assert walked.cut == HALF_DEPTH + 1


def test_an_awaitable_that_raises_ends_the_chain() -> None:
    class Broken:
        @property
        def cr_await(self) -> None:
            raise ValueError("mine")

    assert walk_coroutine(Broken()) is None
