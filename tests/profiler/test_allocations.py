"""What is allocated and still lives is found by stack; a host's own tracing is left alone."""

import gc
import threading
import tracemalloc
from collections.abc import Iterator

import pytest

from genesis_performance.model.stacks import Frame, StackProfile
from genesis_performance.profiler import allocations
from genesis_performance.profiler.allocations import AllocationTrace

kept: list[object] = []


@pytest.fixture(autouse=True)
def nothing_traced() -> Iterator[None]:
    tracemalloc.stop()
    gc.collect()
    yield
    kept.clear()
    tracemalloc.stop()


def keep(size: int) -> None:
    kept.append(bytearray(size))


def drop(size: int) -> None:
    bytearray(size)


def bytes_of(profile: StackProfile, function: str) -> int:
    """Bytes whose innermost frame is the function's."""
    return sum(
        record.values[profile.column("alloc")]
        for record in profile.records
        if profile.frames[record.stack[-1]].function == function
    )


def test_what_lives_is_found_with_its_size_and_the_function_that_made_it() -> None:
    trace = AllocationTrace()
    trace.start()
    for _ in range(3):
        keep(100_000)
    profile = trace.stop()
    assert bytes_of(profile, "keep") == pytest.approx(300_000, abs=1000)
    # Measuring coverage allocates on lines too.
    record = max(
        (each for each in profile.records if profile.frames[each.stack[-1]].function == "keep"),
        key=lambda each: each.values,
    )
    assert record.values[profile.column("blocks")] >= 3
    stack = [profile.frames[index] for index in record.stack]
    assert [frame.function for frame in stack[-2:]] == [
        "test_what_lives_is_found_with_its_size_and_the_function_that_made_it",
        "keep",
    ]
    assert stack[-1] == Frame(
        "keep", __file__, keep.__code__.co_firstlineno + 1, keep.__code__.co_firstlineno
    )


def test_what_was_freed_is_not_there() -> None:
    trace = AllocationTrace()
    trace.start()
    drop(1_000_000)
    assert bytes_of(trace.stop(), "drop") < 10_000  # nothing but what measuring coverage allocates


def test_what_was_allocated_before_is_not_there() -> None:
    keep(1_000_000)
    trace = AllocationTrace()
    trace.start()
    assert bytes_of(trace.stop(), "keep") == 0


def test_tracing_ends_with_the_session() -> None:
    trace = AllocationTrace(frames=7)
    trace.start()
    assert tracemalloc.get_traceback_limit() == 7
    trace.stop()
    assert not tracemalloc.is_tracing()


class TestAHostThatTraces:
    def test_its_tracing_goes_on_and_this_is_said(self) -> None:
        tracemalloc.start(3)
        trace = AllocationTrace()
        trace.start()
        trace.stop()
        assert tracemalloc.is_tracing()
        assert tracemalloc.get_traceback_limit() == 3
        assert "3 frames; its tracing is left running" in trace.notes[0]

    def test_only_what_came_since_the_start_is_shown(self) -> None:
        tracemalloc.start(3)
        for size in (500_000, 40_000):
            if size == 40_000:
                trace = AllocationTrace()
                trace.start()
            keep(size)
        assert bytes_of(trace.stop(), "keep") == pytest.approx(40_000, abs=1000)

    def test_one_that_stops_tracing_meanwhile_is_counted(self) -> None:
        trace = AllocationTrace()
        trace.start()
        tracemalloc.stop()
        profile = trace.stop()
        assert profile.records == ()
        assert sum(profile.lost.values()) == 1


def test_the_first_of_two_sessions_to_end_leaves_the_other_its_tracing() -> None:
    first, second = AllocationTrace(), AllocationTrace()
    first.start()
    keep(50_000)
    second.start()
    keep(70_000)
    assert bytes_of(first.stop(), "keep") == pytest.approx(120_000, abs=1000)
    keep(90_000)
    assert bytes_of(second.stop(), "keep") == pytest.approx(160_000, abs=1000)
    assert not tracemalloc.is_tracing()
    assert second.notes == []


def test_our_own_allocations_are_not_the_hosts() -> None:
    trace = AllocationTrace()
    trace.start()
    other = AllocationTrace()
    other.start()  # takes a snapshot: much is allocated by tracemalloc for us
    profile = trace.stop()
    other.stop()
    files = {profile.frames[record.stack[-1]].file for record in profile.records}
    assert allocations.__file__ not in files
    assert tracemalloc.__file__ not in files


def test_stacks_beyond_the_largest_are_counted_as_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocations, "MAX_STACKS", 1)
    trace = AllocationTrace()
    trace.start()
    keep(100)
    keep(200_000)
    profile = trace.stop()
    assert len(profile.records) == 1
    assert bytes_of(profile, "keep") >= 200_000
    assert sum(profile.lost.values()) >= 1


def test_a_line_outside_any_function_is_the_modules() -> None:
    trace = AllocationTrace()
    trace.start()
    exec(compile("kept.append(bytearray(80_000))", "script.py", "exec"), {"kept": kept})
    assert bytes_of(trace.stop(), "<module>") == pytest.approx(80_000, abs=1000)


def test_another_thread_may_stop() -> None:
    trace = AllocationTrace()
    trace.start()
    keep(60_000)
    profiles: list[StackProfile] = []
    thread = threading.Thread(target=lambda: profiles.append(trace.stop()))
    thread.start()
    thread.join()
    assert bytes_of(profiles[0], "keep") == pytest.approx(60_000, abs=1000)
    assert not tracemalloc.is_tracing()
