"""Pauses of the collector are counted, and charged to the operation that they fall into."""

import gc
import os
import sys
import threading
from collections.abc import Callable, Iterator
from itertools import count

import pytest

from genesis_performance.operations import Recorder
from genesis_performance.profiler import gc_watch
from genesis_performance.profiler.gc_watch import GcWatch


@pytest.fixture(autouse=True)
def only_collections_that_a_test_makes() -> Iterator[None]:
    gc.disable()
    before = list(gc.callbacks)
    yield
    gc.callbacks[:] = before
    gc.enable()


def clock(*moments: int) -> Callable[[], int]:
    return iter(moments).__next__


def test_every_pause_is_timed() -> None:
    watch = GcWatch(clock_ns=clock(100, 350, 1000, 1100))
    watch.start()
    gc.collect(0)
    gc.collect(2)
    activity = watch.stop()
    assert (activity.pause_ns, activity.longest_ns) == (350, 250)
    assert activity.collections == (1, 0, 1)


def test_collected_objects_are_counted() -> None:
    gc.collect()
    watch = GcWatch()
    watch.start()
    for _ in range(10):
        cycle: list[object] = []
        cycle.append(cycle)
    del cycle
    gc.collect()
    assert watch.stop().collected >= 10  # threads of others leave cycles too


def test_a_pause_is_charged_to_the_innermost_operation() -> None:
    recorder = Recorder()
    watch = GcWatch(clock_ns=clock(0, 5, 10, 17, 20, 31))
    watch.start()
    with recorder.operation("request"):
        gc.collect()
        with recorder.operation("query"):
            gc.collect()
    gc.collect()
    activity = watch.stop()
    assert activity.by_operation == {"request": 5, "query": 7}
    assert activity.pause_ns == 23


def test_operations_beyond_the_cap_are_summed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gc_watch, "MAX_OPERATIONS", 2)
    recorder, watch = Recorder(), GcWatch(clock_ns=count().__next__)
    watch.start()
    for number in range(5):
        with recorder.operation(f"read {number}"):
            gc.collect()
    assert watch.stop().by_operation == {"read 0": 1, "read 1": 1, "__other__": 3}


def test_nothing_is_counted_after_the_stop() -> None:
    callbacks = list(gc.callbacks)
    watch = GcWatch()
    watch.start()
    watch.stop()
    gc.collect()
    assert sum(watch.stop().collections) == 0
    assert gc.callbacks == callbacks


def test_several_watch_at_once() -> None:
    first, second = GcWatch(), GcWatch()
    first.start()
    gc.collect()
    second.start()
    gc.collect()
    assert sum(first.stop().collections) == 2
    gc.collect()
    assert sum(second.stop().collections) == 2


def test_starting_twice_counts_once() -> None:
    watch = GcWatch()
    watch.start()
    watch.start()
    gc.collect()
    assert sum(watch.stop().collections) == 1


def test_a_clock_that_goes_backwards_makes_no_negative_pause() -> None:
    watch = GcWatch(clock_ns=clock(500, 100))
    watch.start()
    gc.collect()
    assert watch.stop().pause_ns == 0


def test_a_fault_of_ours_never_leaves_the_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    unraisable: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)
    watch = GcWatch(clock_ns=clock())  # raises StopIteration at once
    watch.start()
    gc.collect()
    watch.stop()
    assert unraisable == []
    assert watch.failures == 1


def test_a_host_that_clears_the_callbacks_breaks_nothing() -> None:
    watch = GcWatch()
    watch.start()
    gc.callbacks.clear()
    assert sum(watch.stop().collections) == 0


def test_a_collection_in_another_thread_is_counted() -> None:
    watch = GcWatch()
    watch.start()
    thread = threading.Thread(target=gc.collect)
    thread.start()
    thread.join()
    assert sum(watch.stop().collections) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_the_child_of_a_fork_does_not_watch() -> None:
    watch = GcWatch()
    watch.start()
    child = os.fork()
    if child == 0:
        os._exit(int(watch._on_collection in gc.callbacks))
    assert os.waitpid(child, 0)[1] == 0
    gc.collect()
    assert sum(watch.stop().collections) == 1
