"""Benchmarks: sync and async functions, batches, targets, grades, errors and the store."""

import asyncio
import functools
import gc
import logging
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from genesis_performance import config as settings_of
from genesis_performance.benchmarks import BenchmarkConfig, PerformanceBenchmarks
from genesis_performance.errors import (
    ConfigurationError,
    InvalidInputError,
    NoDataError,
    StoreError,
    UnknownNameError,
)
from genesis_performance.model.benchmark import BenchmarkResult
from genesis_performance.storage import Kind, Store, open_store

MS = 1_000_000


class FakeClock:
    """Nanoseconds that pass only when a target lets them."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(autouse=True)
def defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    settings_of.reset(settings_of.load(environ={}))
    yield
    settings_of.reset()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path}/history.db") as store:
        yield store


@pytest.fixture
def benchmarks(store: Store, clock: FakeClock) -> PerformanceBenchmarks:
    return PerformanceBenchmarks(store, clock=clock, wall_clock=lambda: 5)


def taking(clock: FakeClock, *durations_ms: float) -> Callable[..., None]:
    """A function that takes these milliseconds in turn."""
    calls = iter(range(10**9))

    def target(*_args: object) -> None:
        clock.now += int(durations_ms[next(calls) % len(durations_ms)] * MS)

    return target


def run(benchmarks: PerformanceBenchmarks, target: Callable[..., Any], **values: Any) -> BenchmarkResult:
    given: dict[str, Any] = {"measurement_iterations": 10, "warmup_iterations": 0} | values
    benchmarks.register_benchmark(
        BenchmarkConfig(benchmark_name="b", target_function=target, **given), replace=True
    )
    return benchmarks.run_benchmark_sync("b")


def test_values_are_the_durations_of_single_iterations(
    benchmarks: PerformanceBenchmarks, clock: FakeClock
) -> None:
    result = run(benchmarks, taking(clock, 1, 2, 3), measurement_iterations=6)
    assert sorted(result.samples_ms) == [1.0, 1.0, 2.0, 2.0, 3.0, 3.0]
    assert (result.median_ms, result.mean_ms, result.min_ms, result.max_ms) == (2.0, 2.0, 1.0, 3.0)
    assert result.batch == 1
    assert result.runs_ms == (result.samples_ms,)
    assert result.start_unix_ns == 5


def test_warm_up_is_not_measured(benchmarks: PerformanceBenchmarks, clock: FakeClock) -> None:
    durations = [100.0, 100.0, 100.0, 1.0] + [1.0] * 10  # three warm-ups, one calibration
    result = run(benchmarks, taking(clock, *durations), warmup_iterations=3)
    assert result.max_ms == 1.0
    assert result.warmup_iterations == 3


def test_what_is_not_given_comes_from_the_settings(
    benchmarks: PerformanceBenchmarks, clock: FakeClock
) -> None:
    result = run(benchmarks, taking(clock, 1), measurement_iterations=None, warmup_iterations=None)
    assert (len(result.samples_ms), result.warmup_iterations, result.confidence_level) == (50, 5, 0.95)


def test_a_function_too_short_for_the_clock_is_timed_in_batches(
    benchmarks: PerformanceBenchmarks, clock: FakeClock
) -> None:
    def target() -> None:
        clock.now += 3

    result = run(benchmarks, target)
    assert result.batch == 64  # 3 ns until 100 readings of 1 ns fit
    assert result.samples_ms == (3e-6,) * 10
    assert any("mean of 64 iterations" in note for note in result.notes)


def test_the_call_of_an_empty_function_is_subtracted_from_batches(store: Store) -> None:
    empty = run(PerformanceBenchmarks(store), lambda: None)
    assert empty.batch > 1
    assert empty.median_ms < 50e-6  # less than 50 ns of the 50 to 200 that a call takes


def test_the_interval_holds_the_median_and_makes_the_noise(
    benchmarks: PerformanceBenchmarks, clock: FakeClock
) -> None:
    result = run(benchmarks, taking(clock, *range(1, 22)), measurement_iterations=21)
    assert (result.median_low_ms, result.median_ms, result.median_high_ms) == (6.0, 11.0, 16.0)
    assert result.noise_ratio == pytest.approx(5 / 11)


def test_few_values_say_that_their_interval_is_weaker(
    benchmarks: PerformanceBenchmarks, clock: FakeClock
) -> None:
    result = run(benchmarks, taking(clock, 1, 2), measurement_iterations=4)
    assert any("with 88%, not 95%" in note for note in result.notes)


def test_one_iteration_has_no_spread(benchmarks: PerformanceBenchmarks, clock: FakeClock) -> None:
    result = run(benchmarks, taking(clock, 1), measurement_iterations=1)
    assert (result.stdev_ms, result.noise_ratio) == (0.0, 0.0)


def test_the_result_says_that_it_is_one_run_in_this_process(
    benchmarks: PerformanceBenchmarks, clock: FakeClock
) -> None:
    assert any("one run in this process" in note for note in run(benchmarks, taking(clock, 1)).notes)


def test_met_targets_are_graded(benchmarks: PerformanceBenchmarks, clock: FakeClock) -> None:
    result = run(benchmarks, taking(clock, 10), target_avg_ms=20.0, target_p95_ms=12.0)
    assert result.meets_targets is True
    assert result.missed_targets == ()
    assert result.performance_grade == "B"  # 83 % of p95
    assert "p95 of 12 ms" in result.grade_reason


def test_missed_targets_are_named(benchmarks: PerformanceBenchmarks, clock: FakeClock) -> None:
    result = run(benchmarks, taking(clock, 10), target_avg_ms=4.0, target_p95_ms=12.0, target_p99_ms=5.0)
    assert result.meets_targets is False
    assert result.missed_targets == (
        "avg is 10 ms, the target is 4 ms",
        "p99 is 10 ms, the target is 5 ms",
    )
    assert result.performance_grade == "F"


@pytest.mark.parametrize(("target", "grade"), [(12.5, "A"), (11.2, "B"), (10, "C"), (8, "D"), (7.9, "F")])
def test_the_grade_follows_the_share_of_the_target(
    benchmarks: PerformanceBenchmarks, clock: FakeClock, target: float, grade: str
) -> None:
    assert run(benchmarks, taking(clock, 10), target_avg_ms=target).performance_grade == grade


def test_noise_makes_the_grade_worse(benchmarks: PerformanceBenchmarks, clock: FakeClock) -> None:
    calm = run(benchmarks, taking(clock, 10), target_avg_ms=10.2)
    noisy = run(benchmarks, taking(clock, 5, 15), target_avg_ms=10.2)
    assert (calm.meets_targets, noisy.meets_targets) == (True, True)
    assert (calm.performance_grade, noisy.performance_grade) == ("C", "F")


def test_without_target_and_baseline_there_is_no_grade(
    benchmarks: PerformanceBenchmarks, clock: FakeClock
) -> None:
    result = run(benchmarks, taking(clock, 1))
    assert result.performance_grade is None
    assert result.meets_targets is None
    assert result.missed_targets == ()


@pytest.mark.parametrize(
    ("duration", "grade"), [(9.0, "A"), (10.0, "B"), (11.0, "C"), (12.5, "D"), (12.6, "F")]
)
def test_without_target_the_grade_rests_on_the_baseline(
    benchmarks: PerformanceBenchmarks, clock: FakeClock, duration: float, grade: str
) -> None:
    run(benchmarks, taking(clock, 10))
    benchmarks.create_baseline("b")
    assert run(benchmarks, taking(clock, duration)).performance_grade == grade


def test_a_baseline_needs_a_result(benchmarks: PerformanceBenchmarks) -> None:
    with pytest.raises(NoDataError, match="run it first"):
        benchmarks.create_baseline("b")


def test_results_are_kept_newest_first(benchmarks: PerformanceBenchmarks, clock: FakeClock) -> None:
    first = run(benchmarks, taking(clock, 1))
    second = run(benchmarks, taking(clock, 2))
    assert benchmarks.results("b") == [second, first]
    assert benchmarks.results(limit=1) == [second]


def test_arguments_reach_the_function(benchmarks: PerformanceBenchmarks, clock: FakeClock) -> None:
    seen = set()

    def target(a: int, *, b: int) -> None:
        seen.add((a, b))
        clock.now += MS

    run(benchmarks, target, args=(1,), kwargs={"b": 2})
    assert seen == {(1, 2)}


async def sleeping() -> None:
    await asyncio.sleep(0.002)


def hidden() -> Coroutine[Any, Any, None]:
    """Only its result tells that it must be awaited."""
    return sleeping()


class AwaitedObject:
    async def __call__(self) -> None:
        await sleeping()


ASYNC_TARGETS = {
    "function": sleeping,
    "partial": functools.partial(sleeping),
    "object": AwaitedObject(),
    "plain function": hidden,
}


@pytest.mark.parametrize("target", ASYNC_TARGETS.values(), ids=ASYNC_TARGETS)
async def test_a_coroutine_function_is_awaited_each_time(store: Store, target: Callable[..., Any]) -> None:
    benchmarks = PerformanceBenchmarks(store)
    benchmarks.register_benchmark(
        BenchmarkConfig(
            benchmark_name="a", target_function=target, measurement_iterations=5, warmup_iterations=1
        )
    )
    result = await benchmarks.run_benchmark("a")
    assert result.min_ms >= 1.9
    assert not any("thread" in note for note in result.notes)


@pytest.mark.parametrize("target", ASYNC_TARGETS.values(), ids=ASYNC_TARGETS)
def test_a_coroutine_function_is_awaited_from_sync_code_too(store: Store, target: Callable[..., Any]) -> None:
    assert run(PerformanceBenchmarks(store), target, measurement_iterations=5).min_ms >= 1.9


async def test_the_sync_form_works_inside_a_running_loop(store: Store) -> None:
    benchmarks = PerformanceBenchmarks(store)
    assert run(benchmarks, sleeping, measurement_iterations=3).min_ms >= 1.9
    assert run(benchmarks, hidden, measurement_iterations=3).min_ms >= 1.9
    threads = set()
    result = run(benchmarks, lambda: threads.add(threading.get_ident()), measurement_iterations=3)
    assert threads.isdisjoint({threading.get_ident()})
    assert any("thread" in note for note in result.notes)


def test_the_sync_form_measures_in_the_callers_thread(
    benchmarks: PerformanceBenchmarks, clock: FakeClock
) -> None:
    threads = set()

    def target() -> None:
        threads.add(threading.get_ident())
        clock.now += MS

    run(benchmarks, target)
    assert threads == {threading.get_ident()}


async def test_a_sync_function_does_not_block_the_loop(store: Store) -> None:
    benchmarks = PerformanceBenchmarks(store)
    beside = threading.Event()

    def target() -> None:
        beside.clear()
        assert beside.wait(60)

    benchmarks.register_benchmark(
        BenchmarkConfig(
            benchmark_name="s",
            target_function=target,
            measurement_iterations=5,
            warmup_iterations=0,
            timeout_s=600,
        )
    )

    async def tick() -> None:
        while True:
            await asyncio.sleep(0.002)
            beside.set()

    ticking = asyncio.create_task(tick())
    result = await benchmarks.run_benchmark("s")
    ticking.cancel()
    assert len(result.samples_ms) == 5


async def test_a_suite_measures_everything_in_order(
    benchmarks: PerformanceBenchmarks, clock: FakeClock
) -> None:
    for name, duration in (("one", 1), ("two", 2)):
        benchmarks.register_benchmark(
            BenchmarkConfig(
                benchmark_name=name, target_function=taking(clock, duration), measurement_iterations=3
            )
        )
    assert benchmarks.names == ("one", "two")
    results = await benchmarks.run_benchmark_suite()
    assert {name: result.median_ms for name, result in results.items()} == {"one": 1.0, "two": 2.0}


def failing() -> None:
    raise KeyError("basket")


def test_a_suite_measures_the_others_when_one_fails(
    benchmarks: PerformanceBenchmarks, clock: FakeClock
) -> None:
    for name, target in (("bad", failing), ("good", taking(clock, 1))):
        benchmarks.register_benchmark(
            BenchmarkConfig(benchmark_name=name, target_function=target, measurement_iterations=3)
        )
    with pytest.raises(InvalidInputError, match=r"1 of 2 benchmarks failed: benchmark 'bad'"):
        benchmarks.run_benchmark_suite_sync()
    assert [result.benchmark_name for result in benchmarks.results()] == ["good"]


async def test_an_empty_suite_is_empty(benchmarks: PerformanceBenchmarks) -> None:
    assert await benchmarks.run_benchmark_suite() == {}
    assert benchmarks.run_benchmark_suite_sync() == {}


async def test_an_unknown_name_lists_the_known_ones(
    benchmarks: PerformanceBenchmarks, clock: FakeClock
) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown benchmark '[^']+'; none is registered"):
        benchmarks.run_benchmark_sync("nothing")
    run(benchmarks, taking(clock, 1))
    with pytest.raises(UnknownNameError, match=r"unknown benchmark 'c'; known are: b"):
        await benchmarks.run_benchmark("c")
    with pytest.raises(UnknownNameError):
        benchmarks.run_benchmark_sync(["unhashable"])  # type: ignore[arg-type]


def test_an_exception_names_the_benchmark_and_the_iteration(
    benchmarks: PerformanceBenchmarks, clock: FakeClock
) -> None:
    calls = iter(range(100))

    def target() -> None:
        clock.now += MS
        if next(calls) == 5:  # after one calibration
            raise KeyError("basket")

    with pytest.raises(
        InvalidInputError, match=r"'b': .* raised KeyError: 'basket' in measurement iteration 5"
    ) as caught:
        run(benchmarks, target)
    assert isinstance(caught.value.__cause__, KeyError)
    assert benchmarks.results() == []


async def test_an_exception_of_a_coroutine_is_named_too(benchmarks: PerformanceBenchmarks) -> None:
    async def target() -> None:
        raise TimeoutError("of its own")

    benchmarks.register_benchmark(BenchmarkConfig(benchmark_name="b", target_function=target))
    with pytest.raises(InvalidInputError, match="raised TimeoutError: of its own in warm-up iteration 1"):
        await benchmarks.run_benchmark("b")


def test_a_benchmark_that_takes_too_long_stops(benchmarks: PerformanceBenchmarks, clock: FakeClock) -> None:
    with pytest.raises(InvalidInputError, match=r"timeout_s=2: it was in measurement, 3 iterations done"):
        run(benchmarks, taking(clock, 550), timeout_s=2)


async def test_a_coroutine_that_hangs_stops(store: Store) -> None:
    benchmarks = PerformanceBenchmarks(store)
    benchmarks.register_benchmark(
        BenchmarkConfig(
            benchmark_name="h",
            target_function=asyncio.sleep,
            args=(600,),
            timeout_s=0.05,
            warmup_iterations=0,
        )
    )
    with pytest.raises(InvalidInputError, match=r"timeout_s=0\.05: it was in calibration"):
        await benchmarks.run_benchmark("h")


async def test_a_function_that_hangs_is_left_behind(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("genesis_performance.benchmarks.benchmarks.GRACE_S", 0.01)
    released = threading.Event()
    benchmarks = PerformanceBenchmarks(store)
    benchmarks.register_benchmark(
        BenchmarkConfig(benchmark_name="h", target_function=released.wait, timeout_s=0.05)
    )
    with pytest.raises(InvalidInputError, match="it was in warm-up, 0 iterations done"):
        await benchmarks.run_benchmark("h")
    with pytest.raises(InvalidInputError, match="it was in warm-up, 0 iterations done"):
        benchmarks.run_benchmark_sync("h")
    released.set()


async def test_what_is_left_behind_gives_the_collector_back_and_ends_after_its_iteration(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("genesis_performance.benchmarks.benchmarks.GRACE_S", 0.01)
    released = threading.Event()
    calls = []

    def target() -> None:
        calls.append(gc.isenabled())
        released.wait()

    benchmarks = PerformanceBenchmarks(store)
    benchmarks.register_benchmark(
        BenchmarkConfig(benchmark_name="h", target_function=target, timeout_s=0.05, disable_gc=True)
    )
    with pytest.raises(InvalidInputError, match="timeout_s"):
        await benchmarks.run_benchmark("h")
    assert gc.isenabled()
    released.set()
    for thread in threading.enumerate():
        if thread.name == "genesis-benchmark":
            thread.join(60)
    assert calls == [False]
    assert gc.isenabled()


async def test_two_at_once_keep_the_collector_off_until_the_last_ends(store: Store) -> None:
    seen: list[bool] = []

    async def target(seconds: float) -> None:
        await asyncio.sleep(seconds)
        seen.append(gc.isenabled())

    benchmarks = PerformanceBenchmarks(store)
    for name, seconds in (("short", 0.001), ("long", 0.01)):
        benchmarks.register_benchmark(
            BenchmarkConfig(
                benchmark_name=name,
                target_function=target,
                args=(seconds,),
                measurement_iterations=3,
                warmup_iterations=0,
                disable_gc=True,
            )
        )
    await asyncio.gather(benchmarks.run_benchmark("short"), benchmarks.run_benchmark("long"))
    assert not any(seen)
    assert gc.isenabled()


async def test_cancelling_leaves_nothing_unhandled(store: Store) -> None:
    benchmarks = PerformanceBenchmarks(store)
    released = threading.Event()
    benchmarks.register_benchmark(BenchmarkConfig(benchmark_name="h", target_function=released.wait))
    running = asyncio.create_task(benchmarks.run_benchmark("h"))
    await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    released.set()


@pytest.mark.parametrize("disabled", [True, False])
def test_the_collector_is_off_only_when_asked(
    benchmarks: PerformanceBenchmarks, clock: FakeClock, disabled: bool
) -> None:
    seen = set()

    def target() -> None:
        seen.add(gc.isenabled())
        clock.now += MS

    result = run(benchmarks, target, disable_gc=disabled)
    assert seen == {not disabled}
    assert gc.isenabled()
    assert any("garbage collection was off" in note for note in result.notes) is disabled


def test_metrics_are_published_when_asked(store: Store, clock: FakeClock) -> None:
    sent: list[tuple[str, float, dict[str, str]]] = []
    benchmarks = PerformanceBenchmarks(
        store, clock=clock, publish=lambda name, value, labels: sent.append((name, value, dict(labels)))
    )
    run(benchmarks, taking(clock, 2))
    assert sent == []
    run(benchmarks, taking(clock, 2), enable_cloud_monitoring=True)
    assert sent == [
        (f"benchmark_{name}_ms", 2.0, {"benchmark": "b"}) for name in ("median", "avg", "p95", "p99")
    ]


def test_metrics_that_nothing_sends_are_noted(
    benchmarks: PerformanceBenchmarks, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    result = run(benchmarks, taking(clock, 2), enable_cloud_monitoring=True)
    assert any("there is no project, so the metrics are not sent" in note for note in result.notes)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_a_sink_that_fails_costs_a_note_and_not_the_result(store: Store, clock: FakeClock) -> None:
    def publish(*_: object) -> None:
        raise OSError("no route")

    result = run(
        PerformanceBenchmarks(store, clock=clock, publish=publish),
        taking(clock, 2),
        enable_cloud_monitoring=True,
    )
    assert any("could not be sent: OSError: no route" in note for note in result.notes)


def test_a_store_that_fails_costs_a_note_and_not_the_result(tmp_path: Path, clock: FakeClock) -> None:
    (tmp_path / "file").touch()
    with open_store(f"sqlite:///{tmp_path}/file/history.db") as store:
        result = run(PerformanceBenchmarks(store, clock=clock), taking(clock, 2))
        assert result.median_ms == 2.0
        assert any("is not kept" in note for note in result.notes)
        with pytest.raises(StoreError):
            store.append(Kind.NOTE, "a", {})


def test_registering_a_name_twice_is_refused(benchmarks: PerformanceBenchmarks) -> None:
    config = BenchmarkConfig(benchmark_name="b", target_function=failing)
    benchmarks.register_benchmark(config)
    with pytest.raises(InvalidInputError, match="registered already"):
        benchmarks.register_benchmark(config)
    with pytest.raises(InvalidInputError, match="must be a BenchmarkConfig"):
        benchmarks.register_benchmark({"benchmark_name": "c"})  # type: ignore[arg-type]


def generator() -> Iterator[int]:
    yield 1


async def async_generator() -> AsyncIterator[int]:
    yield 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"benchmark_name": ""}, "benchmark_name"),
        ({"benchmark_name": 5}, "benchmark_name"),
        ({"target_function": None}, "must be callable"),
        ({"target_function": generator}, "generator function"),
        ({"target_function": functools.partial(async_generator)}, "generator function"),
        ({"measurement_iterations": 0}, "whole number of at least 1"),
        ({"measurement_iterations": 2.5}, "whole number"),
        ({"measurement_iterations": True}, "whole number"),
        ({"warmup_iterations": -1}, "at least 0"),
        ({"target_avg_ms": 0}, "above 0"),
        ({"target_p95_ms": float("nan")}, "target_p95_ms is nan"),
        ({"target_p99_ms": float("inf")}, "target_p99_ms is inf"),
        ({"target_p99_ms": "5"}, "target_p99_ms is '5'"),
        ({"timeout_s": 0}, "timeout_s"),
        ({"gcp_project_id": "a", "project_id": "b"}, "differ"),
    ],
)
def test_a_configuration_that_can_not_be_right_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises((InvalidInputError, ConfigurationError), match=message):
        BenchmarkConfig(**({"benchmark_name": "b", "target_function": failing} | values))


def test_two_projects_that_differ_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="differ"):
        PerformanceBenchmarks(gcp_project_id="a", project_id="b")
    assert PerformanceBenchmarks(gcp_project_id="a").project_id == "a"


def test_constructing_and_registering_open_nothing(tmp_path: Path) -> None:
    with PerformanceBenchmarks() as benchmarks:
        benchmarks.register_benchmark(BenchmarkConfig(benchmark_name="b", target_function=failing))
    assert list(tmp_path.iterdir()) == []


def test_the_history_store_of_the_settings_is_the_default(tmp_path: Path, clock: FakeClock) -> None:
    with PerformanceBenchmarks(clock=clock) as benchmarks:
        run(benchmarks, taking(clock, 1))
    assert (tmp_path / ".genesis" / "history.db").is_file()
