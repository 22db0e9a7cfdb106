"""One sample: which thread computes where, by whose clock, in which operation. Clocks are fakes."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import pytest

from genesis_performance.model.stacks import StackProfile
from genesis_performance.operations import tracking
from genesis_performance.profiler.observer import CUT, Observer
from genesis_performance.profiler.stack_table import Counter
from genesis_performance.profiler.tasks import WaitingTasks
from genesis_performance.profiler.thread_clocks import clock_id

PERIOD_NS = 10_000_000

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="thread clocks are Linux's")


class Parked:
    """A thread that stands still in ``function`` until it is let go."""

    def __init__(self, function: Callable[[Callable[[], object]], object], name: str) -> None:
        self.go_on = threading.Event()
        self._there = threading.Event()
        self.thread = threading.Thread(target=function, args=(self._park,), name=name)
        self.thread.start()
        self._there.wait()

    def _park(self) -> None:
        self._there.set()
        self.go_on.wait()

    @property
    def clock(self) -> int:
        assert self.thread.native_id is not None
        return clock_id(self.thread.native_id)

    @property
    def ident(self) -> int:
        assert self.thread.ident is not None
        return self.thread.ident

    def frame(self) -> FrameType:
        return sys._current_frames()[self.ident]

    def end(self) -> None:
        self.go_on.set()
        self.thread.join()


@contextmanager
def parked(function: Callable[[Callable[[], object]], object], name: str = "worker") -> Iterator[Parked]:
    it = Parked(function, name)
    try:
        yield it
    finally:
        it.end()


def outer(park: Callable[[], object]) -> None:
    inner(park)


def inner(park: Callable[[], object]) -> None:
    park()


def deep(levels: int, park: Callable[[], object]) -> None:
    if levels:
        deep(levels - 1, park)
    else:
        park()


def computing() -> Iterator[None]:
    yield


def inner_batch() -> Iterator[None]:
    yield


def elsewhere() -> Iterator[None]:
    yield


class Sampled:
    """An observer with clocks that the test sets, and no tasks."""

    def __init__(self) -> None:
        self.cpu: dict[int, int] = {}
        self.observer = Observer(
            tasks=WaitingTasks(most=0), read_clock=lambda clock: self.cpu[clock], wall_clock_ns=lambda: 0
        )
        self.mark = self.observer.table.mark()
        self.now_ns = 0

    def take(self, frames: dict[int, FrameType], *, moments: int = 1, late_ns: int = 0) -> None:
        self.now_ns += PERIOD_NS * moments
        self.observer.take(frames, self.now_ns + late_ns, self.now_ns, PERIOD_NS, moments)

    def profile(self) -> StackProfile:
        table = self.observer.table
        return table.profile(
            table.since(self.mark), start_unix_ns=0, duration_s=1.0, period_ns=PERIOD_NS, lost=Counter()
        )

    def by_function(self, column: str) -> dict[str, int]:
        """Self values by function."""
        profile = self.profile()
        index = profile.column(column)
        found: dict[str, int] = {}
        for record in profile.records:
            name = profile.frames[record.stack[-1]].function
            found[name] = found.get(name, 0) + record.values[index]
        return found


def leaf_of(generator: Iterator[None]) -> FrameType:
    next(generator)
    return generator.gi_frame  # type: ignore[attr-defined,no-any-return]


def test_a_stack_runs_from_root_to_leaf_with_file_and_lines() -> None:
    sampled = Sampled()
    with parked(outer) as worker:
        sampled.cpu[worker.clock] = 0
        sampled.take({worker.ident: worker.frame()})
    profile = sampled.profile()
    (record,) = profile.records
    names = [profile.frames[index].function for index in record.stack]
    at = names.index("outer")
    assert names[at : at + 2] == ["outer", "inner"]
    frame = profile.frames[record.stack[at]]
    assert frame.file == __file__
    assert frame.line == frame.first_line + 1
    assert record.thread == "worker"


def test_cpu_time_is_the_threads_own_clock_to_the_nanosecond() -> None:
    sampled = Sampled()
    with parked(outer) as worker:
        first, second = leaf_of(computing()), leaf_of(elsewhere())
        for number, leaf in enumerate((first, first, second, first, second)):
            sampled.cpu[worker.clock] = 1_000 + number * 7_654_321
            sampled.take({worker.ident: leaf})
    assert sum(sampled.by_function("cpu").values()) == pytest.approx(4 * 7_654_321, abs=2)


def test_a_thread_that_used_no_cpu_has_wall_time_only() -> None:
    sampled = Sampled()
    with parked(outer) as worker:
        sampled.cpu[worker.clock] = 5
        for _ in range(3):
            sampled.take({worker.ident: worker.frame()})
    (record,) = sampled.profile().records
    assert record.values == (3, 0, 3 * PERIOD_NS)


def test_what_a_thread_used_before_the_first_sample_is_not_counted() -> None:
    sampled = Sampled()
    with parked(outer) as worker:
        for cpu_ns in (10**12, 10**12 + 4_000_000):
            sampled.cpu[worker.clock] = cpu_ns
            sampled.take({worker.ident: leaf_of(computing())})
    assert sampled.by_function("cpu") == {"computing": 4_000_000}


def test_what_a_thread_used_since_the_session_began_is_counted_by_the_first_sample() -> None:
    sampled = Sampled()
    with parked(outer) as worker:
        sampled.cpu[worker.clock] = 10**12
        sampled.observer.begin({worker.ident: leaf_of(computing())}, 0)
        sampled.cpu[worker.clock] += 100_000_000
        sampled.take({worker.ident: leaf_of(computing())}, moments=10)
    assert sampled.by_function("cpu") == {"computing": 100_000_000}


def test_all_that_a_thread_used_is_counted_if_it_was_born_since() -> None:
    sampled = Sampled()
    sampled.take({})
    with parked(outer) as worker:
        sampled.cpu[worker.clock] = 4_000_000
        sampled.take({worker.ident: leaf_of(computing())})
    assert sampled.by_function("cpu") == {"computing": 4_000_000}


def test_a_thread_that_came_back_to_where_it_waits_is_not_charged_there() -> None:
    sampled = Sampled()
    with parked(outer) as worker:
        waiting, busy = leaf_of(elsewhere()), leaf_of(computing())
        for cpu_ns, leaf in ((0, waiting), (0, waiting), (900_000, waiting), (1_000_000, waiting)):
            sampled.cpu[worker.clock] = cpu_ns
            sampled.take({worker.ident: leaf})
        sampled.cpu[worker.clock] = 1_500_000
        sampled.take({worker.ident: busy})
    assert sampled.by_function("cpu") == {"elsewhere": 0, "computing": 1_500_000}


def test_what_was_used_unseen_is_charged_where_the_thread_is_next_seen_computing() -> None:
    sampled = Sampled()
    with parked(outer) as worker:
        waiting, busy, batch = leaf_of(elsewhere()), leaf_of(computing()), leaf_of(inner_batch())
        sampled.cpu[worker.clock] = 0
        for leaf, used_ns in (
            *[(waiting, 0)] * 2,
            *[(waiting, 1_000_000)] * 9,  # it computes for a tenth of the time, and is seen to once
            (busy, 1_000_000),
            *[(batch, 10_000_000)] * 2,
        ):
            sampled.cpu[worker.clock] += used_ns
            sampled.take({worker.ident: leaf})
    assert sampled.by_function("cpu") == {
        "elsewhere": 0,
        "computing": 10_000_000,
        "inner_batch": 20_000_000,
    }


def test_a_place_where_a_thread_was_kept_from_a_processor_is_no_place_to_wait() -> None:
    sampled = Sampled()
    with parked(outer) as worker:
        busy = leaf_of(computing())
        sampled.cpu[worker.clock] = 0
        for used_ns in (0, 0, 10_000_000):  # it did not run, and then it did
            sampled.cpu[worker.clock] += used_ns
            sampled.take({worker.ident: busy})
        other = leaf_of(elsewhere())
        for leaf, used_ns in ((other, 10_000_000), (busy, 2_000_000)):
            sampled.cpu[worker.clock] += used_ns
            sampled.take({worker.ident: leaf})
    assert sampled.by_function("cpu") == {"computing": 12_000_000, "elsewhere": 10_000_000}


def test_cpu_of_a_thread_never_seen_computing_stays_where_it_was_seen() -> None:
    sampled = Sampled()
    with parked(outer) as worker:
        waiting = leaf_of(elsewhere())
        for cpu_ns in (0, 0, 900_000):
            sampled.cpu[worker.clock] = cpu_ns
            sampled.take({worker.ident: waiting})
    assert sampled.by_function("cpu") == {"elsewhere": 900_000}


def test_a_late_sample_stands_for_the_moments_that_went_by() -> None:
    sampled = Sampled()
    with parked(outer) as worker:
        held, other = leaf_of(computing()), leaf_of(elsewhere())
        cpu_ns = 0
        for leaf, moments in ((other, 1), (other, 1), (held, 3), (other, 1)):
            cpu_ns += moments * PERIOD_NS
            sampled.cpu[worker.clock] = cpu_ns
            sampled.take({worker.ident: leaf}, moments=moments)
    assert sampled.by_function("wall") == {"elsewhere": 3 * PERIOD_NS, "computing": 3 * PERIOD_NS}
    cpu = sampled.by_function("cpu")
    assert cpu["computing"] / sum(cpu.values()) == pytest.approx(3 / 5)


def test_a_stall_of_the_machine_gives_one_stack_no_more_than_was_used() -> None:
    sampled = Sampled()
    with parked(outer) as worker:
        seen, other = leaf_of(computing()), leaf_of(elsewhere())
        cpu_ns = 0
        for leaf, used_ns, moments in [(other, PERIOD_NS, 1)] * 21 + [(seen, PERIOD_NS, 100)]:
            cpu_ns += used_ns
            sampled.cpu[worker.clock] = cpu_ns
            sampled.take({worker.ident: leaf}, moments=moments)
    cpu = sampled.by_function("cpu")
    assert cpu["computing"] / sum(cpu.values()) < 0.1


def test_a_clock_that_goes_backwards_takes_no_time_away() -> None:
    sampled = Sampled()
    with parked(outer) as worker:
        for cpu_ns in (5_000_000, 1_000_000, 9_000_000):
            sampled.cpu[worker.clock] = cpu_ns
            sampled.take({worker.ident: leaf_of(computing())})
    profile = sampled.profile()
    assert all(value >= 0 for record in profile.records for value in record.values)


def test_a_thread_that_ends_between_frames_and_clock_is_passed_over() -> None:
    sampled = Sampled()

    def read(clock: int) -> int:
        if clock in sampled.cpu:
            return sampled.cpu[clock]
        raise OSError(22, "Invalid argument")

    sampled.observer._read_clock = read
    with parked(outer) as worker:
        sampled.cpu[worker.clock] = 0
        sampled.take({worker.ident: worker.frame()})
        sampled.cpu.clear()
        sampled.take({worker.ident: worker.frame()})
    assert sum(record.values[0] for record in sampled.profile().records) == 1


def test_a_new_thread_with_an_old_ones_ident_begins_anew() -> None:
    sampled = Sampled()
    with parked(outer, "old") as old, parked(outer, "new") as new:
        threads = {old.ident: old.thread}
        sampled.observer._threads = threads
        sampled.cpu.update({old.clock: 50_000_000, new.clock: 3_000_000})
        sampled.take({old.ident: leaf_of(computing())})
        threads[old.ident] = new.thread
        sampled.take({old.ident: leaf_of(computing())})
    by_thread = {record.thread: record.values for record in sampled.profile().records}
    assert by_thread["new"][1] == 3_000_000


def test_a_thread_that_threading_does_not_know_has_wall_time_and_is_named() -> None:
    sampled = Sampled()
    for _ in range(2):
        sampled.take({12345: leaf_of(computing())})
    assert sampled.observer.without_clock == {""}
    assert sampled.by_function("wall") == {"computing": 2 * PERIOD_NS}
    assert sampled.by_function("cpu") == {"computing": 0}


def test_our_own_threads_are_left_out() -> None:
    sampled = Sampled()
    with parked(outer, "genesis-resources") as ours:
        sampled.cpu[ours.clock] = 0
        sampled.take({ours.ident: ours.frame()})
    assert sampled.profile().records == ()


def test_a_sample_is_the_innermost_open_operations(monkeypatch: pytest.MonkeyPatch) -> None:
    class Named:
        def __init__(self, name: str) -> None:
            self.name = name

    sampled = Sampled()
    with parked(outer) as worker:
        sampled.cpu[worker.clock] = 0
        leaf = worker.frame()
        chain = [leaf]
        while chain[-1].f_back is not None:
            chain.append(chain[-1].f_back)
        by_name = {frame.f_code.co_name: frame for frame in chain}
        opened = {by_name["inner"]: Named("inside"), by_name["outer"]: Named("outside")}
        monkeypatch.setattr(tracking, "open_frames", opened)
        sampled.take({worker.ident: leaf})
        opened.clear()
    (record,) = sampled.profile().records
    assert record.operation == "inside"


def test_of_a_stack_10_000_deep_both_ends_are_kept_and_the_rest_is_counted() -> None:
    sampled = Sampled()
    limit, size = sys.getrecursionlimit(), threading.stack_size(256 * 2**20)
    sys.setrecursionlimit(20_000)
    try:
        with parked(lambda park: deep(10_000, park)) as worker:
            sampled.cpu[worker.clock] = 0
            sampled.take({worker.ident: worker.frame()})
    finally:
        sys.setrecursionlimit(limit)
        threading.stack_size(size)
    profile = sampled.profile()
    (record,) = profile.records
    assert len(record.stack) == 1000
    assert profile.frames[record.stack[0]].function == "Thread._bootstrap"
    assert profile.frames[record.stack[-1]].function == "Condition.wait"
    assert 9_000 < profile.lost[CUT] < 9_100


def test_more_thread_names_than_can_be_told_apart_are_counted_together() -> None:
    sampled = Sampled()
    table = sampled.observer.table
    names = {table.name(f"worker-{number}") for number in range(600)}
    assert len(names) == 501
    assert sum(table.lost.values()) == 100


def test_frames_whose_file_is_gone_keep_their_name_and_line() -> None:
    namespace: dict[str, object] = {}
    exec(compile("def vanished(park):\n    park()\n", "/nowhere/gone.py", "exec"), namespace)
    sampled = Sampled()
    with parked(namespace["vanished"]) as worker:  # type: ignore[arg-type]
        sampled.cpu[worker.clock] = 0
        sampled.take({worker.ident: worker.frame()})
    assert ("vanished", "/nowhere/gone.py", 2) in {frame[:3] for frame in sampled.profile().frames}
