"""What both cores of the recorder promise; ``./run test`` runs this folder on each."""

import asyncio
import contextvars
import copy
import gc
import inspect
import os
import pickle
import shutil
import sys
import sysconfig
import threading
import weakref
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genesis_performance.model.operation import OVERFLOW_NAME
from genesis_performance.operations import CORE, Recorder, current_operation, note_call, recorded
from genesis_performance.operations.memory import (
    COUNTER_WORDS,
    MAX_NS,
    MIN_NS,
    OCTAVE_WORDS,
    SEQUENCE,
    STARTED,
    SUM_NS,
)
from genesis_performance.operations.tracking import (
    open_frames,
    start_tracking,
    stop_tracking,
    thread_operation,
)
from genesis_performance.stats.histogram import bucket_index


class FakeClock:
    def __init__(self) -> None:
        self.now_ns = 1_000_000

    def __call__(self) -> int:
        return self.now_ns


class Blocks:
    """Memory that the test can look into."""

    def __init__(self) -> None:
        self.cells: list[tuple[str, object, bytearray]] = []
        self.octaves: list[tuple[int, int, bytearray]] = []

    def counters(self, name: str, labels: object) -> bytearray:
        block = bytearray(8 * COUNTER_WORDS)
        self.cells.append((name, labels, block))
        return block

    def octave(self, counters: object, octave: int) -> bytearray:
        block = bytearray(8 * OCTAVE_WORDS)
        self.octaves.append((id(counters), octave, block))
        return block

    def words(self, place: int = 0) -> list[int]:
        return memoryview(self.cells[place][2]).cast("q").tolist()


def module_level(value: int = 1) -> int:
    """Add one."""
    return value + 1


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def recorder(clock: FakeClock) -> Recorder:
    return Recorder(clock_ns=clock, cpu_clock_ns=clock, wall_clock_ns=clock)


def counts(recorder: Recorder) -> dict[str, int]:
    return {snapshot.name: snapshot.count for snapshot in recorder.snapshots()}


def test_the_compiled_core_is_used_where_a_compiler_was() -> None:
    wanted = "pure" if os.environ.get("GENESIS_PERF_PURE_PYTHON") else "compiled"
    if not shutil.which("cc") or sysconfig.get_config_var("Py_GIL_DISABLED"):
        pytest.skip("no C compiler, or an interpreter without a GIL")
    assert wanted == CORE


def test_counters_are_written_into_the_memory_handed_out(clock: FakeClock) -> None:
    memory = Blocks()
    recorder = Recorder(clock_ns=clock, memory=memory)
    for duration_ns in (1_000, 3_000):
        with recorder.operation("read", {"db": "a"}):
            clock.now_ns += duration_ns
    assert memory.cells[0][:2] == ("read", (("db", "a"),))
    words = memory.words()
    assert (words[STARTED], words[SUM_NS], words[MIN_NS], words[MAX_NS]) == (2, 4_000, 1_000, 3_000)
    assert words[SEQUENCE] % 2 == 0


def test_buckets_are_written_into_the_memory_handed_out(clock: FakeClock) -> None:
    memory = Blocks()
    recorder = Recorder(clock_ns=clock, memory=memory)
    with recorder.operation("read"):
        clock.now_ns += 3_000
    ((counters, octave, block),) = memory.octaves
    assert counters == id(memory.cells[0][2])
    index = bucket_index(3_000)
    assert octave == index // OCTAVE_WORDS
    assert memoryview(block).cast("q")[index % OCTAVE_WORDS] == 1


def test_memory_that_is_full_costs_no_figures(clock: FakeClock) -> None:
    class Full:
        def counters(self, name: str, labels: object) -> bytearray:
            raise MemoryError("full")

        octave = counters

    recorder = Recorder(clock_ns=clock, memory=Full())
    with recorder.operation("read"):
        clock.now_ns += 5
    assert (counts(recorder), recorder.failures) == ({"read": 1}, 1)


@pytest.mark.parametrize("block", [b"", bytearray(7), b"\0" * 64, "text", None])
def test_memory_of_a_wrong_kind_costs_no_figures(block: object) -> None:
    class Wrong:
        def counters(self, name: str, labels: object) -> object:
            return block

        octave = counters

    recorder = Recorder(memory=Wrong())
    with recorder.operation("read"):
        pass
    assert counts(recorder) == {"read": 1}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_the_child_of_a_fork_leaves_the_memory_of_its_parent_alone(clock: FakeClock) -> None:
    import mmap

    shared = mmap.mmap(-1, 8 * (COUNTER_WORDS + OCTAVE_WORDS * 59))

    class Shared:
        def counters(self, name: str, labels: object) -> memoryview:
            return memoryview(shared)[: 8 * COUNTER_WORDS]

        def octave(self, counters: object, octave: int) -> memoryview:
            begin = 8 * (COUNTER_WORDS + OCTAVE_WORDS * octave)
            return memoryview(shared)[begin : begin + 8 * OCTAVE_WORDS]

    recorder = Recorder(clock_ns=clock, memory=Shared())
    with recorder.operation("read"):
        pid = os.fork()
        if pid == 0:
            recorder.reset()
            recorder._memory = None
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    assert memoryview(shared).cast("q")[STARTED] == 1
    assert counts(recorder) == {"read": 1}


def test_an_object_entered_again_while_it_runs_counts_twice(recorder: Recorder, clock: FakeClock) -> None:
    execution = recorder.operation("walk")
    with execution:
        clock.now_ns += 100
        with execution:
            clock.now_ns += 50
    (snapshot,) = recorder.snapshots()
    assert (snapshot.count, snapshot.min_ns, snapshot.max_ns) == (2, 50, 150)


def test_an_object_entered_one_time_after_the_other_counts_twice(recorder: Recorder) -> None:
    execution = recorder.operation("walk")
    for _ in range(2):
        with execution:
            pass
    assert counts(recorder) == {"walk": 2}


def test_an_object_that_is_held_is_not_handed_out_again(recorder: Recorder) -> None:
    with recorder.operation("a") as first:
        pass
    with recorder.operation("a") as second:
        assert first is not second


def test_leaving_what_was_not_entered_does_nothing(recorder: Recorder) -> None:
    execution = recorder.operation("a")
    execution.rename("b")
    execution.fail(KeyError)
    assert recorder.snapshots() == []


def test_operations_left_out_of_order_leave_none_behind(recorder: Recorder) -> None:
    outer, inner = recorder.operation("outer"), recorder.operation("inner")
    outer.__enter__()
    inner.__enter__()
    outer.__exit__(None, None, None)
    assert current_operation() == "inner"
    inner.__exit__(None, None, None)
    assert current_operation() is None


def test_an_operation_left_in_another_thread_is_counted(recorder: Recorder) -> None:
    execution = recorder.operation("handed over")
    execution.__enter__()
    thread = threading.Thread(target=execution.__exit__, args=(None, None, None))
    thread.start()
    thread.join()
    assert counts(recorder) == {"handed over": 1}


def test_an_object_made_in_one_thread_may_be_entered_in_another(recorder: Recorder) -> None:
    execution = recorder.operation("made here")

    def work() -> None:
        with execution:
            assert current_operation() == "made here"

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert counts(recorder) == {"made here": 1}
    assert current_operation() is None


def test_a_function_within_a_coroutine_is_within_its_operation() -> None:
    recorder = Recorder()

    def helper() -> tuple[str | None, str | None]:
        with recorder.operation("inner") as execution:
            return current_operation(), execution.parent.name

    async def main() -> tuple[str | None, str | None]:
        with recorder.operation("outer"):
            await asyncio.sleep(0)
            return helper()

    assert asyncio.run(main()) == ("inner", "outer")


def test_a_loop_within_an_operation_does_not_hide_those_of_its_tasks() -> None:
    recorder = Recorder()

    async def main() -> str | None:
        with recorder.operation("task"):
            await asyncio.sleep(0)
            return current_operation()

    with recorder.operation("whole program"):
        assert asyncio.run(main()) == "task"
        assert current_operation() == "whole program"


async def test_a_decorated_coroutine_is_current_only_in_its_own_steps() -> None:
    recorder = Recorder()
    seen: list[str | None] = []

    async def work() -> None:
        await asyncio.sleep(0)
        seen.append(current_operation())
        await asyncio.sleep(0)

    async def other() -> None:
        for _ in range(4):
            seen.append(current_operation())
            await asyncio.sleep(0)

    await asyncio.gather(recorded(recorder, work, "work")(), other())
    assert sorted(seen, key=str) == [None, None, None, None, "work"]


async def test_calls_of_child_tasks_belong_to_the_operation_that_made_them() -> None:
    recorder = Recorder()

    async def read() -> None:
        await asyncio.sleep(0)
        note_call("query", "same", 5)

    async def handler() -> None:
        note_call("query", "other", 5)
        await asyncio.gather(*(read() for _ in range(3)))

    with recorder.operation("first"):
        note_call("query", "now calls are noted", 1)
    await recorded(recorder, handler, "handler")()
    (repeat,) = recorder.repeated_calls()
    assert (repeat.operation, repeat.key, repeat.calls) == ("handler", "same", 3)


def test_a_generator_is_not_current_between_its_items() -> None:
    recorder = Recorder()

    def numbers():
        assert current_operation() == "numbers"
        yield 1
        assert current_operation() == "numbers"
        yield 2

    for _ in recorded(recorder, numbers, "numbers")():
        assert current_operation() is None
    assert counts(recorder) == {"numbers": 1}


def test_a_generator_takes_what_is_sent_and_thrown() -> None:
    recorder = Recorder()

    def echo():
        got = yield "begin"
        try:
            yield got
        except KeyError:
            yield "caught"
        return "end"

    generator = recorded(recorder, echo, "echo")()
    assert [next(generator), generator.send("sent"), generator.throw(KeyError("x"))] == [
        "begin",
        "sent",
        "caught",
    ]
    with pytest.raises(StopIteration, match="end"):
        next(generator)


def test_a_generator_closed_early_is_no_error() -> None:
    recorder = Recorder()

    def numbers():
        yield 1
        yield 2

    generator = recorded(recorder, numbers, "numbers")()
    next(generator)
    generator.close()
    (snapshot,) = recorder.snapshots()
    assert (snapshot.count, snapshot.errors, snapshot.in_flight) == (1, 0, 0)


async def test_an_async_generator_takes_what_is_sent_and_thrown() -> None:
    recorder = Recorder()

    async def echo():
        got = yield "begin"
        try:
            yield got
        except KeyError:
            yield "caught"

    generator = recorded(recorder, echo, "echo")()
    assert await generator.__anext__() == "begin"
    assert current_operation() is None
    assert await generator.asend("sent") == "sent"
    assert await generator.athrow(KeyError("x")) == "caught"
    assert [item async for item in generator] == []
    assert counts(recorder) == {"echo": 1}


async def test_a_decorated_coroutine_returns_any_value() -> None:
    recorder = Recorder()

    async def give(value: object) -> object:
        await asyncio.sleep(0)
        return value

    decorated = recorded(recorder, give, "give")
    error = ValueError("a value, not raised")
    for value in (None, (1, 2), error, StopAsyncIteration()):
        assert await decorated(value) is value
        assert await asyncio.create_task(decorated(value)) is value


async def test_a_decorated_coroutine_that_is_cancelled_is_an_error_of_that_name() -> None:
    recorder = Recorder()

    async def wait() -> None:
        await asyncio.sleep(60)

    task = asyncio.create_task(recorded(recorder, wait, "wait")())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert recorder.snapshots()[0].error_types == {"CancelledError": 1}


def test_a_decorated_coroutine_that_is_dropped_is_not_in_flight_for_ever() -> None:
    recorder = Recorder()

    class Wait:
        def __await__(self):
            yield None

    async def wait() -> None:
        await Wait()

    coroutine = recorded(recorder, wait, "wait")()
    coroutine.send(None)
    assert recorder.snapshots()[0].in_flight == 1
    del coroutine
    gc.collect()
    assert recorder.snapshots()[0].in_flight == 0


async def test_a_task_of_a_decorated_coroutine_can_be_collected() -> None:
    recorder = Recorder()

    class Thing:
        pass

    async def work() -> None:
        thing = Thing()
        thing.task = asyncio.current_task()  # a cycle through the coroutine
        references.append(weakref.ref(thing))
        await asyncio.Event().wait()

    references: list[weakref.ref[Thing]] = []
    task = asyncio.create_task(recorded(recorder, work, "work")())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    del task
    await asyncio.sleep(0)
    gc.collect()
    assert references[0]() is None


async def test_a_chain_of_awaits_can_be_walked_through_a_decorated_coroutine() -> None:
    recorder = Recorder()
    gate = asyncio.Event()

    async def inner() -> None:
        await gate.wait()

    async def outer() -> None:
        await recorded(recorder, inner, "inner")()

    task = asyncio.create_task(recorded(recorder, outer, "outer")())
    await asyncio.sleep(0)
    names, coroutine = [], task.get_coro()
    while coroutine is not None and len(names) < 20:
        frame = getattr(coroutine, "cr_frame", None)
        if frame is not None:
            names.append(frame.f_code.co_name)
        coroutine = getattr(coroutine, "cr_await", None)
    gate.set()
    await task
    assert [name for name in names if "wrapper" not in name] == ["outer", "inner", "wait"]


@pytest.mark.parametrize(
    ("kind", "check"),
    [
        ("coroutine", inspect.iscoroutinefunction),
        ("generator", inspect.isgeneratorfunction),
        ("async generator", inspect.isasyncgenfunction),
    ],
)
def test_frameworks_still_see_what_was_decorated(kind: str, check) -> None:
    async def coroutine() -> None: ...

    def generator():
        yield

    async def async_generator():
        yield

    functions = {"coroutine": coroutine, "generator": generator, "async generator": async_generator}
    assert check(recorded(Recorder(), functions[kind], "x"))


def test_a_decorated_function_keeps_name_signature_and_documentation() -> None:
    decorated = recorded(Recorder(), module_level, "x")
    assert (decorated.__name__, decorated.__doc__) == ("module_level", "Add one.")
    assert inspect.signature(decorated) == inspect.signature(module_level)
    assert decorated.__wrapped__ is module_level
    decorated.marked = True
    assert decorated.marked


def test_a_decorated_function_is_a_method_of_its_class() -> None:
    recorder = Recorder()

    class Service:
        def __init__(self) -> None:
            self.base = 40

        def answer(self, add: int, *, more: int = 0) -> int:
            return self.base + add + more

        answer = recorded(recorder, answer, "answer")

        @staticmethod
        def fixed() -> int:
            return 7

        fixed = staticmethod(recorded(recorder, fixed, "fixed"))

        @classmethod
        def named(cls) -> str:
            return cls.__name__

        named = classmethod(recorded(recorder, named.__func__, "named"))

    service = Service()
    assert service.answer(1, more=1) == 42
    assert service.answer.__self__ is service
    assert Service.answer(service, 2) == 42
    assert (Service.fixed(), Service.named()) == (7, "Service")
    assert counts(recorder) == {"answer": 2, "fixed": 1, "named": 1}


def test_a_decorated_function_is_pickled_and_copied_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    decorated = recorded(Recorder(), module_level, "x")
    monkeypatch.setattr(sys.modules[__name__], "module_level", decorated)
    assert pickle.loads(pickle.dumps(decorated)) is decorated
    assert copy.deepcopy(decorated) is decorated


def test_a_decorated_function_passes_its_exception_on() -> None:
    recorder = Recorder()

    def fail() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError, match="x"):
        recorded(recorder, fail, "fail")()
    assert recorder.snapshots()[0].error_types == {"KeyError": 1}


def test_a_recorder_switched_off_runs_decorated_functions_only() -> None:
    recorder = Recorder()
    recorder.enabled = False
    assert recorded(recorder, module_level, "x")(2) == 3
    assert recorder.snapshots() == []


def test_a_recursion_of_operations_is_counted_to_its_depth(recorder: Recorder) -> None:
    def down(depth: int) -> None:
        with recorder.operation("down"):
            if depth:
                down(depth - 1)

    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    try:
        down(3_000)
    finally:
        sys.setrecursionlimit(limit)
    assert counts(recorder) == {"down": 3_001}


def test_threads_that_come_and_go_leave_nothing_behind() -> None:
    recorder = Recorder()

    def work() -> None:
        with recorder.operation("read"):
            pass

    for _ in range(200):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        recorder.snapshots()
    assert counts(recorder) == {"read": 200}
    assert len(recorder.cells_of_threads()) <= 1


def test_two_recorders_in_turn_keep_their_own_figures() -> None:
    recorders = [Recorder() for _ in range(6)]
    for _ in range(3):
        for number, recorder in enumerate(recorders):
            with recorder.operation(f"operation {number}"):
                pass
    assert [counts(recorder) for recorder in recorders] == [{f"operation {n}": 3} for n in range(6)]


def test_names_beyond_the_cap_are_counted_on_both_paths() -> None:
    recorder = Recorder(max_operations=1)
    function = recorded(recorder, module_level, "second")
    with recorder.operation("first"):
        pass
    function()
    function()
    with recorder.operation("third"):
        pass
    assert counts(recorder) == {"first": 1, OVERFLOW_NAME: 3}


def test_a_clock_that_raises_does_not_reach_the_host() -> None:
    def broken() -> int:
        raise OSError("no clock")

    if CORE == "pure":
        pytest.skip("clocks are injected by tests only; the twin calls them directly")
    recorder = Recorder(clock_ns=broken)
    with recorder.operation("read"):
        pass
    assert counts(recorder) == {"read": 1}


def test_frames_of_operations_are_open_while_somebody_tracks() -> None:
    recorder = Recorder()
    start_tracking()
    try:
        with recorder.operation("outer"):
            with recorder.operation("inner"):
                assert open_frames[sys._getframe()].name == "inner"
            assert open_frames[sys._getframe()].name == "outer"
        assert sys._getframe() not in open_frames
    finally:
        stop_tracking()


def test_an_operation_that_was_open_when_tracking_ended_is_forgotten() -> None:
    recorder = Recorder()
    start_tracking()
    with recorder.operation("open"):
        stop_tracking()
        assert not open_frames
    assert not open_frames
    assert counts(recorder) == {"open": 1}


def test_the_operation_of_a_thread_is_known_from_another_thread() -> None:
    recorder = Recorder()
    seen: list[str] = []
    main = threading.get_ident()
    with recorder.operation("working"):
        thread = threading.Thread(target=lambda: seen.append(thread_operation(main)))
        thread.start()
        thread.join()
    assert seen == ["working"]
    assert thread_operation(main) == ""


def test_an_operation_in_a_copied_context_restores_nothing_wrong() -> None:
    recorder = Recorder()

    def numbers():
        with recorder.operation("numbers"):
            yield 1

    generator = numbers()
    contextvars.copy_context().run(next, generator)
    generator.close()  # in another context
    assert current_operation() is None
    assert counts(recorder) == {"numbers": 1}


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=40))
def test_any_nesting_ends_with_nothing_open(steps: list[tuple[str, bool]]) -> None:
    recorder = Recorder()
    with ExitStack() as stack:
        for name, close in steps:
            if close:
                stack.pop_all().close()
            else:
                stack.enter_context(recorder.operation(name))
    assert current_operation() is None
    assert sum(counts(recorder).values()) == sum(not close for _, close in steps)
    assert all(snapshot.in_flight == 0 for snapshot in recorder.snapshots())


def test_recording_keeps_no_memory() -> None:
    recorder = Recorder()
    function = recorded(recorder, module_level, "function")

    def work() -> None:
        for _ in range(2_000):
            with recorder.operation("a"), recorder.operation("b", {"k": "v"}):
                function()

    work()
    gc.collect()
    before = sys.getallocatedblocks()
    work()
    gc.collect()
    assert sys.getallocatedblocks() - before < 200
