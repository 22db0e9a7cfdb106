"""Faults that either core of the recorder once had; ``./run test`` runs this folder on each."""

import asyncio
import contextlib
import inspect
import subprocess
import sys
import threading
import types
from unittest import mock

import pytest

from genesis_performance.model.operation import OVERFLOW_NAME
from genesis_performance.operations import Recorder, current_operation, note_call, recorded
from genesis_performance.operations.memory import COUNTER_WORDS, OCTAVE_WORDS


def figures(recorder: Recorder) -> dict[str, tuple[int, int, int]]:
    """Count, errors and executions in flight."""
    return {s.name: (s.count, s.errors, s.in_flight) for s in recorder.snapshots()}


def repeats(recorder: Recorder) -> list[tuple[str, str, int]]:
    return [(repeat.operation, repeat.key, repeat.calls) for repeat in recorder.repeated_calls()]


def drive(coroutine: object) -> object:
    try:
        while True:
            coroutine.send(None)
    except StopIteration as stop:
        return stop.value


def test_an_exception_of_a_function_passes_clocks_that_are_written_in_python() -> None:
    recorder = Recorder(cpu="always", clock_ns=lambda: 1, cpu_clock_ns=lambda: 1)

    def fail() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError, match="x"):
        recorded(recorder, fail, "fail")()
    assert figures(recorder) == {"fail": (1, 1, 0)}


def test_an_exception_of_a_coroutine_passes_clocks_that_are_written_in_python() -> None:
    recorder = Recorder(cpu="always", clock_ns=lambda: 1, cpu_clock_ns=lambda: 1)

    async def fail() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError, match="x"):
        drive(recorded(recorder, fail, "fail")())
    assert figures(recorder) == {"fail": (1, 1, 0)}


def test_a_coroutine_that_is_resumed_within_itself_goes_on_undisturbed() -> None:
    recorder = Recorder()

    async def work() -> str | None:
        with pytest.raises(ValueError, match="already executing"):
            coroutine.send(None)
        return current_operation()

    coroutine = recorded(recorder, work, "work")()
    with recorder.operation("outer"):
        assert drive(coroutine) == "work"
        assert current_operation() == "outer"
    assert current_operation() is None
    assert figures(recorder) == {"outer": (1, 0, 0), "work": (1, 0, 0)}


def test_a_coroutine_that_another_thread_resumes_meanwhile_goes_on_undisturbed() -> None:
    recorder = Recorder()
    entered, leave = threading.Event(), threading.Event()
    seen: list[str | None] = []

    async def work() -> None:
        entered.set()
        leave.wait()

    coroutine = recorded(recorder, work, "work")()

    def run() -> None:
        with recorder.operation("outer"):
            drive(coroutine)
            seen.append(current_operation())
        seen.append(current_operation())

    thread = threading.Thread(target=run)
    thread.start()
    entered.wait()
    with pytest.raises(ValueError, match="already executing"):
        coroutine.send(None)
    seen.append(current_operation())
    leave.set()
    thread.join()
    assert seen == [None, "outer", None]
    assert figures(recorder) == {"outer": (1, 0, 0), "work": (1, 0, 0)}


async def test_a_coroutine_that_is_awaited_already_says_so() -> None:
    recorder = Recorder()
    gate = asyncio.Event()

    async def work() -> int:
        await gate.wait()
        return 1

    coroutine = recorded(recorder, work, "work")()

    async def wait() -> int:
        return await coroutine

    first, second = asyncio.create_task(wait()), asyncio.create_task(wait())
    with pytest.raises(RuntimeError, match="being awaited already"):
        await second
    gate.set()
    assert await first == 1
    assert figures(recorder) == {"work": (1, 0, 0)}


async def test_a_task_that_is_cancelled_before_it_begins_is_no_execution() -> None:
    recorder = Recorder()

    async def work() -> None: ...

    task = asyncio.create_task(recorded(recorder, work, "work")())
    task.cancel()
    await asyncio.wait([task])
    assert figures(recorder) == {}


@pytest.mark.parametrize("end", [lambda c: c.throw(KeyError("x")), lambda c: c.close(), lambda c: c.send(1)])
def test_a_coroutine_that_never_began_is_no_execution(end) -> None:
    recorder = Recorder()

    async def work() -> None: ...

    coroutine = recorded(recorder, work, "work")()
    with contextlib.suppress(KeyError, TypeError):
        end(coroutine)
    assert figures(recorder) == {}
    coroutine.close()


def test_an_operation_within_a_decorated_coroutine_stays_current_after_an_await() -> None:
    recorder = Recorder()
    seen: list[str | None] = []

    async def work() -> None:
        with recorder.operation("inner"):
            await asyncio.sleep(0)
            seen.append(current_operation())
            with recorder.operation("leaf") as leaf:
                seen.append(leaf.parent.name)
        seen.append(current_operation())

    asyncio.run(recorded(recorder, work, "outer")())
    assert seen == ["inner", "inner", "outer"]


def test_an_operation_within_a_decorated_generator_is_current_only_in_its_steps() -> None:
    recorder = Recorder()

    def numbers():
        with recorder.operation("inner"):
            yield current_operation()
            yield current_operation()
        yield current_operation()

    seen = [(item, current_operation()) for item in recorded(recorder, numbers, "outer")()]
    assert seen == [("inner", None), ("inner", None), ("outer", None)]


async def test_a_decorated_generator_is_current_within_an_operation_that_began_later() -> None:
    recorder = Recorder()

    def numbers():
        yield current_operation()
        yield current_operation()

    generator = recorded(recorder, numbers, "numbers")()
    seen = [next(generator)]
    with recorder.operation("later"):
        seen += [next(generator), current_operation()]
    assert [*seen, current_operation()] == ["numbers", "numbers", "later", None]


async def test_a_decorated_async_generator_leaves_its_consumer_in_its_own_operation() -> None:
    recorder = Recorder()

    async def numbers():
        with recorder.operation("inner"):
            yield current_operation()
            yield current_operation()

    generator = recorded(recorder, numbers, "numbers")()
    seen = [await anext(generator), current_operation()]
    with recorder.operation("consumer"):
        seen += [await anext(generator), current_operation()]
        await generator.aclose()
        seen.append(current_operation())
    assert [*seen, current_operation()] == ["inner", None, "inner", "consumer", "consumer", None]


async def test_operations_of_a_coroutine_left_out_of_order_leave_none_behind() -> None:
    recorder = Recorder()
    outer, inner = recorder.operation("outer"), recorder.operation("inner")
    outer.__enter__()
    inner.__enter__()
    outer.__exit__(None, None, None)
    assert current_operation() == "inner"
    inner.__exit__(None, None, None)
    assert current_operation() is None


async def test_a_task_that_outlives_its_operation_is_in_the_one_around_that() -> None:
    recorder = Recorder()
    gate = asyncio.Event()

    async def work() -> str | None:
        await gate.wait()
        return current_operation()

    with recorder.operation("outer"):
        with recorder.operation("inner"):
            first, second = asyncio.create_task(work()), asyncio.create_task(work())
        gate.set()
        assert await first == "outer"
        await asyncio.sleep(0)
    assert await second == "outer"
    assert current_operation() is None


async def test_an_object_entered_again_in_a_coroutine_is_not_current_in_other_tasks() -> None:
    recorder = Recorder()

    async def work() -> None:
        execution = recorder.operation("walk")
        with execution, execution:
            await asyncio.sleep(0)

    async def other() -> str | None:
        return current_operation()

    assert (await asyncio.gather(work(), other()))[1] is None


def test_an_operation_left_twice_or_never_entered_does_not_reach_the_host() -> None:
    recorder = Recorder()
    execution = recorder.operation("a")
    execution.__exit__(None, None, None)
    with execution:
        pass
    execution.__exit__(None, None, None)
    assert figures(recorder) == {"a": (1, 0, 0)}


@pytest.mark.parametrize(
    ("name", "recorded_as"),
    [(123, "123"), (None, "None"), (["a"], "['a']"), (("a", 1), "('a', 1)"), ("x" * 400, "x" * 256)],
)
def test_an_odd_new_name_is_recorded_as_text(name: object, recorded_as: str) -> None:
    recorder = Recorder()
    with recorder.operation("a") as execution:
        execution.rename(name)
    assert figures(recorder) == {recorded_as: (1, 0, 0)}


def test_repeated_calls_of_names_beyond_the_cap_are_those_of_their_snapshot() -> None:
    recorder = Recorder(max_operations=1)
    with recorder.operation("first"):
        pass
    for name in ("second", "third"):
        with recorder.operation(name):
            for _ in range(2):
                with recorder.operation("first"):
                    pass
                note_call("query", "same", 1)
    assert sorted(repeats(recorder)) == [(OVERFLOW_NAME, "first", 4), (OVERFLOW_NAME, "same", 4)]


def test_nested_operations_that_differ_in_labels_only_are_the_same_call() -> None:
    recorder = Recorder()
    with recorder.operation("outer"):
        for number in range(3):
            with recorder.operation("".join(["in", "ner"]), {"number": str(number)}):
                pass
    assert repeats(recorder) == [("outer", "inner", 3)]


def test_a_hundred_nested_operations_are_told_apart() -> None:
    recorder = Recorder()
    with recorder.operation("outer"):
        for number in range(100):
            for _ in range(2):
                with recorder.operation(f"inner {number}"):
                    pass
    assert len(repeats(recorder)) == 100


def test_recording_within_the_making_of_a_cell_is_not_lost() -> None:
    recorder = Recorder()
    function = recorded(recorder, lambda: None, "read")

    class Reentrant:
        """Does what a signal handler or a callback of the garbage collector may do at this place."""

        entered = False

        def counters(self, name: str, labels: object) -> bytearray:
            if not self.entered:
                self.entered = True
                function()
            return bytearray(8 * COUNTER_WORDS)

        def octave(self, counters: object, octave: int) -> bytearray:
            return bytearray(8 * OCTAVE_WORDS)

    recorder._memory = Reentrant()
    for _ in range(3):
        function()
    assert figures(recorder) == {"read": (4, 0, 0)}


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_program_is_not_swallowed(kind: type[BaseException]) -> None:
    class Interrupted(Recorder):
        """A signal may arrive anywhere, also in our own code."""

        def fold_call(self, *arguments: object) -> None:
            raise kind

    recorder = Interrupted()

    def run() -> None:
        with recorder.operation("outer"):
            for _ in range(2):
                with recorder.operation("inner"):
                    pass
        for _ in range(10):
            pass

    with pytest.raises(kind):
        run()


def test_a_generator_that_types_coroutine_made_awaitable_stays_awaitable() -> None:
    recorder = Recorder()

    @types.coroutine
    def work():
        yield
        return 5

    async def main() -> int:
        return await recorded(recorder, work, "work")()

    assert asyncio.run(main()) == 5
    assert figures(recorder) == {"work": (1, 0, 0)}


@pytest.mark.skipif(not hasattr(inspect, "markcoroutinefunction"), reason="since Python 3.12")
async def test_a_function_that_is_only_marked_as_coroutine_function_may_return_a_future() -> None:
    recorder = Recorder()

    def work() -> asyncio.Future[int]:
        return asyncio.ensure_future(asyncio.sleep(0, 7))

    inspect.markcoroutinefunction(work)
    assert await recorded(recorder, work, "work")() == 7
    assert figures(recorder) == {"work": (1, 0, 0)}


def test_a_decorated_function_is_accepted_where_functions_are_asked_for() -> None:
    decorated = recorded(Recorder(), drive, "drive")
    assert inspect.isfunction(decorated)
    assert inspect.getsourcefile(decorated)
    assert decorated.__globals__
    assert decorated.__closure__ or decorated.__closure__ is None


def test_a_decorated_method_is_patched_with_the_signature_of_the_method() -> None:
    class Service:
        def answer(self, add: int) -> int:
            return add

        answer = recorded(Recorder(), answer, "answer")

    service = Service()
    with mock.patch.object(Service, "answer", autospec=True) as patched:
        service.answer(3)
        patched.assert_called_once_with(service, 3)
        with pytest.raises(TypeError):
            service.answer(1, 2, 3)


def test_methods_that_python_converts_by_their_name_are_converted_when_decorated() -> None:
    recorder = Recorder()

    class Base:
        def __new__(cls) -> "Base":
            return object.__new__(cls)

        def __init_subclass__(cls) -> None:
            cls.seen = True

        def __class_getitem__(cls, item: object) -> object:
            return cls, item

        __new__ = recorded(recorder, __new__, "new")
        __init_subclass__ = recorded(recorder, __init_subclass__, "subclass")
        __class_getitem__ = recorded(recorder, __class_getitem__, "item")

    class Derived(Base):
        pass

    assert Derived.seen
    assert Base[3] == (Base, 3)
    assert type(Derived().__new__(Derived)) is Derived
    assert figures(recorder) == {"item": (1, 0, 0), "new": (2, 0, 0), "subclass": (1, 0, 0)}


def test_operations_may_begin_while_the_interpreter_shuts_down() -> None:
    program = """
from genesis_performance.operations import Recorder
recorder = Recorder()
class Late:
    def __del__(self):
        with recorder.operation("late"):
            print("body ran")
late = Late()
late.itself = late
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "body ran\n", "")


def test_a_thread_keeps_its_figures_when_its_id_is_not_among_those_that_run() -> None:
    # So it is with gevent, whose patched ``get_ident`` tells greenlets apart.
    recorder = Recorder()
    with recorder.operation("read"):
        for cells in recorder.take_ended_threads(()):
            assert cells
        with recorder.operation("inner"):
            pass
    assert "inner" in figures(recorder)


async def test_an_operation_on_an_exit_stack_is_not_the_current_one_of_other_tasks() -> None:
    recorder = Recorder(cpu="always")
    gate = asyncio.Event()

    async def holder() -> None:
        with contextlib.ExitStack() as stack:
            stack.enter_context(recorder.operation("held"))
            await gate.wait()
            assert current_operation() == "held"

    task = asyncio.create_task(holder())
    await asyncio.sleep(0)
    assert current_operation() is None
    gate.set()
    await task
    assert recorder.snapshots()[0].cpu_ns is None


async def test_an_operation_within_a_context_manager_of_the_host_is_in_its_callers_task() -> None:
    recorder = Recorder()
    gate = asyncio.Event()

    class Timed:
        def __enter__(self) -> None:
            self.execution = recorder.operation("timed")
            self.execution.__enter__()

        def __exit__(self, *error: object) -> None:
            self.execution.__exit__(None, None, None)

    async def holder() -> None:
        with Timed():
            await gate.wait()

    task = asyncio.create_task(holder())
    await asyncio.sleep(0)
    assert current_operation() is None
    gate.set()
    await task
