"""A loop held by one callback is found once, with its length, its place and its operation."""

import asyncio
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genesis_performance.model.profile import LoopBlock
from genesis_performance.operations import Recorder
from genesis_performance.profiler.loop_blocks import MAX_BLOCKS, Held, LoopBlocks
from genesis_performance.profiler.stack_sampler import StackSampler
from genesis_performance.profiler.stack_table import StackTable

from .conftest import has_samples

MS = 1_000_000


def host() -> None: ...


LIBRARY = compile("def read():\n    pass\n", "/usr/lib/python3/site-packages/lib.py", "exec").co_consts[0]


def held(table: StackTable, duration_ns: int, operation: str = "") -> Held:
    it = Held(object(), "MainThread", 0, 0)
    it.last_ns = duration_ns
    it.places[table.number((LIBRARY, 0, host.__code__, 0)), "MainThread", operation] += 1
    return it


def found_in(*durations_ns: int, threshold_ns: int = 100 * MS) -> tuple[LoopBlocks, tuple[LoopBlock, ...]]:
    table, blocks = StackTable(), LoopBlocks(threshold_ns)
    for duration_ns in durations_ns:
        blocks.ended(held(table, duration_ns), table)
    return blocks, blocks.found()


def test_the_place_is_the_hosts_innermost_function_not_a_librarys() -> None:
    _, (block,) = found_in(200 * MS)
    assert (block.function, block.file) == ("host", __file__)
    assert block.line == host.__code__.co_firstlineno


def test_the_place_and_operation_are_those_seen_most() -> None:
    def other() -> None: ...

    table, blocks = StackTable(), LoopBlocks(0)
    it = Held(object(), "MainThread", 0, 0)
    it.last_ns = 5
    for code, operation, samples in ((host, "rare", 1), (other, "often", 3), (host, "often", 1)):
        it.places[table.number((code.__code__, 0)), "MainThread", operation] += samples
    blocks.ended(it, table)
    (block,) = blocks.found()
    assert (block.function.rpartition(".")[2], block.operation) == ("other", "often")


@given(st.lists(st.integers(0, 10**9), max_size=30), st.integers(0, 10**9))
def test_exactly_those_at_or_above_the_threshold_are_blocks(
    durations_ns: list[int], threshold_ns: int
) -> None:
    _, found = found_in(*durations_ns, threshold_ns=threshold_ns)
    kept = sorted(block.duration_ns for block in found)
    assert kept == sorted(each for each in durations_ns if each >= threshold_ns)


def test_the_longest_are_kept_and_the_others_counted() -> None:
    durations_ns = [(200 + n) * MS for n in range(MAX_BLOCKS + 30)]
    blocks, found = found_in(*durations_ns)
    assert sorted(block.duration_ns for block in found) == durations_ns[30:]
    assert blocks.dropped == 30


def sampled(handler: object, sampler: StackSampler) -> tuple[LoopBlock, ...]:
    """Blocks by the handler; a busy machine may keep the rest of the program for as long."""

    async def main() -> None:
        sampler.start()
        await asyncio.sleep(0.05)
        await handler()  # type: ignore[operator]
        await asyncio.sleep(0.05)
        sampler.stop()

    asyncio.run(main())
    return tuple(block for block in sampler.loop_blocks if block.function.endswith("handler"))


def sampler_of_blocks(threshold_ms: float = 100.0) -> StackSampler:
    return StackSampler(200, overhead_budget_percent=10, blocked_loop_threshold_ms=threshold_ms)


def test_a_handler_that_sleeps_instead_of_awaiting_is_found() -> None:
    recorder, sampler = Recorder(), sampler_of_blocks()
    over = threading.Lock()
    over.acquire()

    def end() -> None:
        has_samples(sampler, 2)
        time.sleep(0.15)
        has_samples(sampler, 2)
        over.release()

    ending = threading.Thread(target=end)

    async def handler() -> None:
        with recorder.operation("checkout"):
            ending.start()
            over.acquire()

    begin_ns = time.monotonic_ns()
    (block,) = sampled(handler, sampler)
    ending.join()
    assert block.operation == "checkout"
    assert block.duration_ns <= time.monotonic_ns() - begin_ns
    assert block.line == handler.__code__.co_firstlineno + 3


@pytest.mark.slow  # it needs a processor of its own for a third of a second
def test_one_call_that_keeps_the_gil_is_found_although_it_is_seen_once() -> None:
    async def handler() -> None:
        sum(range(30_000_000))

    # Who kept the GIL is told by the CPU time used: where others have the processor, only at a later try.
    (block,) = next((blocks for _ in range(5) if (blocks := sampled(handler, sampler_of_blocks()))), ())
    assert block.duration_ns > 100 * MS


def test_many_short_callbacks_in_a_row_are_no_block() -> None:
    sampler = sampler_of_blocks(threshold_ms=1e-6)
    moments_ns: list[int] = []

    async def handler() -> None:
        sampling = sampler._sampling
        assert sampling is not None
        enough, ends = sampling.samples + 60, time.monotonic() + 60
        while sampling.samples < enough and time.monotonic() < ends:
            moments_ns.append(time.monotonic_ns())
            sum(range(20_000))
            await asyncio.sleep(0)

    moments_ns.append(time.monotonic_ns())
    blocks = sampled(handler, sampler)
    moments_ns.append(time.monotonic_ns())
    assert sampler.activity is not None
    # However long the machine kept one of them: it ended with it, or the sampler came late to it.
    longest_ns = max(later - earlier for earlier, later in zip(moments_ns, moments_ns[2:], strict=False))
    assert all(block.duration_ns <= longest_ns + sampler.activity.worst_late_ns for block in blocks)


def test_a_loop_that_waits_is_no_block() -> None:
    sampler = sampler_of_blocks()
    waited_ns: list[int] = []

    async def handler() -> None:
        begin_ns = time.monotonic_ns()
        await asyncio.to_thread(has_samples, sampler, 40)
        waited_ns.append(time.monotonic_ns() - begin_ns)

    blocks = sampled(handler, sampler)
    assert all(block.duration_ns < waited_ns[0] / 2 for block in blocks)
