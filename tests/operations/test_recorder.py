"""Recording operations: what is counted, under which name, in which thread."""

import asyncio
import os
import threading
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genesis_performance.model.operation import OVERFLOW_NAME
from genesis_performance.operations import Recorder, current_operation, recorded, recorders, register


class FakeClock:
    """Nanoseconds that only a test moves."""

    def __init__(self) -> None:
        self.now_ns = 1_000_000

    def __call__(self) -> int:
        return self.now_ns


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def recorder(clock: FakeClock) -> Recorder:
    return Recorder(clock_ns=clock, cpu_clock_ns=clock, wall_clock_ns=clock)


def only(recorder: Recorder):
    (snapshot,) = recorder.snapshots()
    return snapshot


def test_an_execution_is_counted_with_its_duration(recorder: Recorder, clock: FakeClock) -> None:
    with recorder.operation("read"):
        clock.now_ns += 5_000
    snapshot = only(recorder)
    assert (snapshot.name, snapshot.count, snapshot.sum_ns) == ("read", 1, 5_000)
    assert (snapshot.min_ns, snapshot.max_ns) == (5_000, 5_000)


def test_an_exception_is_counted_by_its_class_and_passed_on(recorder: Recorder) -> None:
    with pytest.raises(KeyError), recorder.operation("read"):
        raise KeyError("x")
    snapshot = only(recorder)
    assert (snapshot.errors, snapshot.error_types) == (1, {"KeyError": 1})


def test_labels_keep_operations_of_one_name_apart(recorder: Recorder) -> None:
    with recorder.operation("read", {"db": "a"}):
        pass
    with recorder.operation("read", {"db": "b"}):
        pass
    assert [snapshot.labels for snapshot in recorder.snapshots()] == [(("db", "a"),), (("db", "b"),)]


def test_a_name_beyond_the_cap_goes_to_other(clock: FakeClock) -> None:
    recorder = Recorder(max_operations=2, clock_ns=clock)
    for name in ("a", "b", "c", "d", "a"):
        with recorder.operation(name):
            pass
    counts = {snapshot.name: snapshot.count for snapshot in recorder.snapshots()}
    assert counts == {"a": 2, "b": 1, OVERFLOW_NAME: 2}


@pytest.mark.parametrize("name", [None, 3, b"x", "n" * 10_000, "\x00", "😀", "<script>"])
def test_no_name_raises_into_the_host(recorder: Recorder, name: object) -> None:
    with recorder.operation(name):  # type: ignore[arg-type]
        pass
    assert only(recorder).count == 1


def test_labels_that_are_no_mapping_are_counted_as_our_failure(recorder: Recorder) -> None:
    with recorder.operation("read", 3):  # type: ignore[arg-type]
        pass
    assert recorder.failures == 1


def test_a_clock_that_goes_backwards_counts_zero(recorder: Recorder, clock: FakeClock) -> None:
    with recorder.operation("read"):
        clock.now_ns -= 500
    assert only(recorder).sum_ns == 0


def test_nested_operations_restore_the_outer_one(recorder: Recorder) -> None:
    with recorder.operation("outer"):
        with recorder.operation("inner"):
            assert current_operation() == "inner"
        assert current_operation() == "outer"
    assert current_operation() is None


def test_an_operation_may_contain_itself(recorder: Recorder) -> None:
    with recorder.operation("walk"), recorder.operation("walk"):
        pass
    assert only(recorder).count == 2


def test_an_open_operation_is_in_flight(recorder: Recorder) -> None:
    with ExitStack() as stack:
        stack.enter_context(recorder.operation("read"))
        snapshot = only(recorder)
    assert (snapshot.count, snapshot.in_flight) == (0, 1)


def test_a_renamed_operation_is_recorded_under_its_new_name_only(recorder: Recorder) -> None:
    with recorder.operation("GET") as execution:
        execution.rename("GET /orders/{id}")
    assert [snapshot.name for snapshot in recorder.snapshots()] == ["GET /orders/{id}"]


def test_threads_add_up_and_outlive_themselves(recorder: Recorder) -> None:
    def work() -> None:
        for _ in range(1000):
            with recorder.operation("read"):
                pass

    for _ in range(3):
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        recorder.snapshots()
    assert only(recorder).count == 12_000


def test_cpu_is_read_for_one_execution_in_sixteen_and_scaled(clock: FakeClock) -> None:
    recorder = Recorder(clock_ns=clock, cpu_clock_ns=clock)
    for _ in range(32):
        with recorder.operation("burn"):
            clock.now_ns += 1_000
    snapshot = only(recorder)
    assert (snapshot.cpu_samples, snapshot.cpu_ns) == (2, 32_000)


def test_cpu_never_is_absent_not_zero(clock: FakeClock) -> None:
    recorder = Recorder(cpu="never", clock_ns=clock)
    with recorder.operation("burn"):
        pass
    assert only(recorder).cpu_ns is None


async def test_a_with_around_an_await_reports_no_cpu() -> None:
    recorder = Recorder(cpu="always")
    with recorder.operation("wait"):
        await asyncio.sleep(0)
    assert only(recorder).cpu_ns is None


async def test_a_recorded_coroutine_that_sleeps_is_charged_little_cpu() -> None:
    recorder = Recorder(cpu="always")

    async def wait() -> str:
        await asyncio.sleep(0.2)
        return "done"

    assert await recorded(recorder, wait, "wait")() == "done"
    snapshot = only(recorder)
    assert snapshot.sum_ns >= 190_000_000
    assert snapshot.cpu_ns is not None
    assert snapshot.cpu_ns < snapshot.sum_ns / 2


async def test_a_recorded_coroutine_passes_exceptions_both_ways() -> None:
    recorder = Recorder()
    gate = asyncio.Event()

    async def wait() -> None:
        try:
            await gate.wait()
        except asyncio.CancelledError:
            raise KeyError("turned") from None

    task = asyncio.ensure_future(recorded(recorder, wait, "wait")())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(KeyError):
        await task
    assert only(recorder).error_types == {"KeyError": 1}


async def test_concurrent_tasks_see_their_own_operation() -> None:
    recorder = Recorder()

    async def work(name: str) -> str | None:
        with recorder.operation(name):
            await asyncio.sleep(0)
            return current_operation()

    assert await asyncio.gather(work("a"), work("b")) == ["a", "b"]


def test_a_recorded_generator_times_until_it_is_exhausted(recorder: Recorder, clock: FakeClock) -> None:
    def numbers():
        clock.now_ns += 10
        yield 1
        clock.now_ns += 10

    assert list(recorded(recorder, numbers, "numbers")()) == [1]
    assert only(recorder).sum_ns == 20


async def test_a_recorded_async_generator_is_one_execution(recorder: Recorder) -> None:
    async def numbers():
        yield 1
        yield 2

    assert [number async for number in recorded(recorder, numbers, "numbers")()] == [1, 2]
    assert only(recorder).count == 1


def test_a_disabled_recorder_records_nothing() -> None:
    recorder = Recorder(enabled=False)
    with recorder.operation("read") as execution:
        execution.rename("x")
        execution.fail(ValueError)
    assert recorder.snapshots() == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_the_child_of_a_fork_starts_at_zero(recorder: Recorder) -> None:
    register(recorder)
    with recorder.operation("read"):
        pass
    pid = os.fork()
    if pid == 0:
        os._exit(len(recorder.snapshots()))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert only(recorder).count == 1


def test_the_registry_forgets_a_recorder_that_is_gone() -> None:
    recorder = Recorder()
    register(recorder)
    assert recorder in recorders()
    before = len(recorders())
    del recorder
    assert len(recorders()) == before - 1


@given(st.lists(st.integers(0, 2**45), max_size=50))
def test_count_and_sum_hold_for_any_durations(durations: list[int]) -> None:
    clock = FakeClock()
    recorder = Recorder(clock_ns=clock, cpu="never")
    for duration_ns in durations:
        with recorder.operation("any"):
            clock.now_ns += duration_ns
    if durations:
        snapshot = only(recorder)
        assert snapshot.count == len(durations) == sum(snapshot.histogram.counts.values())
        assert snapshot.sum_ns == sum(durations)
        assert (snapshot.min_ns, snapshot.max_ns) == (min(durations), max(durations))
