"""Profiling sessions: what a report holds, what a wrong call says, what is kept."""

import asyncio
import gc
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from genesis_performance.config.profiler import ProfilerConfig
from genesis_performance.errors import InvalidInputError, StateError
from genesis_performance.model.profile import ProfileReport
from genesis_performance.operations import note_call
from genesis_performance.profiler import PerformanceProfiler
from genesis_performance.storage import Kind, from_body, open_store

FAST = ProfilerConfig(sampling_interval=0.01, enable_persistent_storage=False)

ComputeFor = Callable[[int], None]
ComputeUntil = Callable[[Callable[[], bool]], None]


def has_sampled(profiler: PerformanceProfiler, profile_id: str, samples: int) -> Callable[[], bool]:
    resources = profiler._sessions[profile_id]._resources
    assert resources is not None
    return lambda: resources._count >= samples


@pytest.fixture
def profiler() -> PerformanceProfiler:
    return PerformanceProfiler(FAST)


def test_making_a_profiler_starts_no_thread_and_writes_no_file(tmp_path: Path) -> None:
    threads = threading.active_count()
    PerformanceProfiler()
    assert threading.active_count() == threads
    assert list(tmp_path.iterdir()) == []


def test_a_report_holds_only_what_happened_within_the_session(profiler: PerformanceProfiler) -> None:
    with profiler.profile_context("before"):
        pass
    profile_id = profiler.start_profiling()
    with profiler.profile_context("within"):
        pass
    report = profiler.stop_profiling(profile_id)
    assert [(operation.name, operation.count) for operation in report.operations] == [("within", 1)]


def test_a_session_without_operations_says_so_and_averages_zero(profiler: PerformanceProfiler) -> None:
    report = profiler.stop_profiling(profiler.start_profiling())
    assert report.avg_duration_ms == 0.0
    assert any("no operation" in note for note in report.notes)


def test_resources_of_this_process_are_measured(
    profiler: PerformanceProfiler, compute_until: ComputeUntil
) -> None:
    profile_id = profiler.start_profiling()
    compute_until(has_sampled(profiler, profile_id, 3))
    report = profiler.stop_profiling(profile_id)
    assert report.avg_cpu_percent > 0
    assert report.max_memory_bytes > 5 * 2**20
    assert len(report.resources) >= 3


def test_a_session_as_short_as_it_gets_has_a_sample(profiler: PerformanceProfiler) -> None:
    assert profiler.stop_profiling(profiler.start_profiling()).resources


def test_several_sessions_run_at_once(profiler: PerformanceProfiler) -> None:
    first, second = profiler.start_profiling(), profiler.start_profiling()
    with profiler.profile_context("read"):
        pass
    assert first != second
    for profile_id in (first, second):
        assert profiler.stop_profiling(profile_id).operation_count == 1


def test_starting_an_id_that_runs_is_an_error(profiler: PerformanceProfiler) -> None:
    profiler.start_profiling("mine")
    with pytest.raises(StateError, match="'mine' is running already"):
        profiler.start_profiling("mine")
    profiler.stop_profiling("mine")


def test_stopping_what_does_not_run_lists_what_does(profiler: PerformanceProfiler) -> None:
    profiler.start_profiling("mine")
    with pytest.raises(StateError, match="running now: mine"):
        profiler.stop_profiling("other")
    profiler.stop_profiling("mine")
    with pytest.raises(StateError, match="none is running"):
        profiler.stop_profiling("mine")


@pytest.mark.parametrize("profile_id", [None, [], {}, "x" * 10_000])
def test_stopping_what_is_no_id_is_an_error_of_one_line(
    profiler: PerformanceProfiler, profile_id: object
) -> None:
    running = profiler.start_profiling()
    with pytest.raises(StateError) as raised:
        profiler.stop_profiling(profile_id)  # type: ignore[arg-type]
    profiler.stop_profiling(running)
    assert len(str(raised.value)) < 200


@pytest.mark.parametrize("profile_id", ["", "x" * 300, 3])
def test_an_id_that_can_not_be_one_is_an_error(profiler: PerformanceProfiler, profile_id: object) -> None:
    with pytest.raises(InvalidInputError, match="profile_id"):
        profiler.start_profiling(profile_id)  # type: ignore[arg-type]


def test_a_session_is_stopped_from_another_thread(profiler: PerformanceProfiler) -> None:
    profile_id = profiler.start_profiling()
    reports: list[ProfileReport] = []
    thread = threading.Thread(target=lambda: reports.append(profiler.stop_profiling(profile_id)))
    thread.start()
    thread.join()
    assert reports[0].profile_id == profile_id


def test_a_wrong_config_is_an_error() -> None:
    with pytest.raises(InvalidInputError, match="ProfilerConfig"):
        PerformanceProfiler({"cpu": "never"})  # type: ignore[arg-type]


def test_a_disabled_profiler_records_nothing_and_says_so() -> None:
    profiler = PerformanceProfiler(ProfilerConfig(enabled=False, enable_persistent_storage=False))
    profile_id = profiler.start_profiling()
    with profiler.profile_context("read"):
        pass
    report = profiler.stop_profiling(profile_id)
    assert report.operations == report.resources == ()
    assert any("switched off" in note for note in report.notes)


class TestStacks:
    def test_a_session_has_stacks_with_the_sampler_s_own_cost(
        self, profiler: PerformanceProfiler, compute_for: ComputeFor
    ) -> None:
        session = profiler.start_profiling()
        compute_for(4)
        report = profiler.stop_profiling(session)
        assert report.stacks is not None
        assert report.sampler is not None
        functions = {frame.function for frame in report.stacks.frames}
        assert "TestStacks.test_a_session_has_stacks_with_the_sampler_s_own_cost" in functions
        assert report.sampler.samples >= 4
        assert report.sampler.cpu_s > 0

    def test_samples_within_an_operation_are_its_own(
        self, profiler: PerformanceProfiler, compute_for: ComputeFor
    ) -> None:
        session = profiler.start_profiling()
        with profiler.profile_context("checkout"):
            compute_for(4)
        stacks = profiler.stop_profiling(session).stacks
        assert stacks is not None
        assert "checkout" in {record.operation for record in stacks.records}

    def test_a_rate_of_zero_takes_none(self) -> None:
        config = ProfilerConfig(stack_rate_hz=0, enable_persistent_storage=False)
        profiler = PerformanceProfiler(config)
        report = profiler.stop_profiling(profiler.start_profiling())
        assert report.stacks is report.sampler is None

    def test_a_disabled_profiler_starts_no_thread(self) -> None:
        profiler = PerformanceProfiler(ProfilerConfig(enabled=False, enable_persistent_storage=False))
        threads = threading.active_count()
        session = profiler.start_profiling()
        assert threading.active_count() == threads
        assert profiler.stop_profiling(session).stacks is None

    def test_fidelity_may_be_chosen_for_one_session(self, profiler: PerformanceProfiler) -> None:
        session = profiler.start_profiling(fidelity="standard")
        report = profiler.stop_profiling(session)
        assert report.sampler is not None
        assert report.sampler.fidelity == "standard"

    def test_a_fidelity_that_is_none_is_an_error(self, profiler: PerformanceProfiler) -> None:
        with pytest.raises(InvalidInputError, match='"high" or "standard"'):
            profiler.start_profiling(fidelity="best")  # type: ignore[arg-type]

    def test_collections_and_what_was_measured_are_in_the_report(self, profiler: PerformanceProfiler) -> None:
        session = profiler.start_profiling()
        gc.collect()
        report = profiler.stop_profiling(session)
        assert report.gc is not None
        assert report.gc.collections[2] >= 1
        assert set(report.labels) == {"program", "python", "core"}

    def test_allocations_are_traced_only_when_asked(self) -> None:
        config = ProfilerConfig(trace_allocations=True, stack_rate_hz=0, enable_persistent_storage=False)
        profiler = PerformanceProfiler(config)
        session = profiler.start_profiling()
        kept = [bytes(1000) for _ in range(100)]
        report = profiler.stop_profiling(session)
        assert report.allocations is not None
        assert sum(record.values[0] for record in report.allocations.records) > 0
        assert len(kept) == 100


def quiet(**thresholds: float) -> ProfilerConfig:
    """Finds nothing that the machine brings about, only what a test sets a threshold for."""
    return ProfilerConfig(
        **{  # type: ignore[arg-type]
            "sampling_interval": 1000.0,  # one sample, at the end
            "stack_rate_hz": 0,
            "response_time_threshold_ms": 1e6,
            "enable_persistent_storage": False,
            **thresholds,
        }
    )


class TestFindings:
    @pytest.fixture(autouse=True)
    def no_collection(self) -> Iterator[None]:
        """In sessions so short one collection would be a finding."""
        gc.disable()
        yield
        gc.enable()

    def report(self, config: ProfilerConfig, work: str = "") -> ProfileReport:
        profiler = PerformanceProfiler(config)
        profile_id = profiler.start_profiling()
        for _ in range(6):
            with profiler.profile_context("checkout"):
                if work == "reads":
                    for _ in range(3):
                        note_call("secret read", "tax-key", 2_000_000)
        return profiler.stop_profiling(profile_id)

    def rules(self, report: ProfileReport) -> list[str]:
        return [finding.rule for finding in report.findings]

    def test_nothing_is_found_within_the_thresholds(self) -> None:
        assert self.rules(self.report(quiet())) == []

    def test_a_slow_operation_is_found_with_its_measured_p95(self) -> None:
        report = self.report(quiet(response_time_threshold_ms=1e-6))
        assert self.rules(report) == ["profiler/response-time"]
        assert report.findings[0].resource == "checkout"

    def test_memory_near_the_limit_is_found(self) -> None:
        assert self.rules(self.report(quiet(memory_threshold_percent=1e-6))) == ["profiler/memory"]

    def test_high_cpu_is_found(self, compute_until: ComputeUntil) -> None:
        profiler = PerformanceProfiler(quiet(cpu_threshold_percent=1e-9, sampling_interval=0.005))
        profile_id = profiler.start_profiling()
        compute_until(has_sampled(profiler, profile_id, 3))
        assert self.rules(profiler.stop_profiling(profile_id)) == ["profiler/cpu"]

    def test_identical_reads_are_found_with_file_and_line(self) -> None:
        report = self.report(quiet(), "reads")
        (finding,) = report.findings
        assert finding.rule == "profiler/identical-calls"
        assert (Path(finding.file or "").name, finding.line) == (
            Path(__file__).name,
            report.repeated_calls[0].line,
        )
        assert "3.0 times" in finding.reason


class TestHistory:
    def test_memory_keeps_the_newest_reports(self) -> None:
        profiler = PerformanceProfiler(ProfilerConfig(max_profile_history=2, enable_persistent_storage=False))
        for _ in range(3):
            profiler.stop_profiling(profiler.start_profiling())
        assert [report.profile_id for report in profiler.history] == ["profile-2", "profile-3"]

    def test_a_report_is_kept_in_the_store_and_read_back_equal(self, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path}/history.db"
        profiler = PerformanceProfiler(ProfilerConfig(), store=url)
        profile_id = profiler.start_profiling()
        with profiler.profile_context("read", {"db": "a"}):
            pass
        report = profiler.stop_profiling(profile_id)
        with open_store(url) as store:
            (record,) = store.list(Kind.PROFILE)
            assert from_body(ProfileReport, record.body) == report

    def test_the_store_keeps_no_more_than_the_history_allows(self, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path}/history.db"
        profiler = PerformanceProfiler(ProfilerConfig(max_profile_history=2), store=url)
        for _ in range(4):
            profiler.stop_profiling(profiler.start_profiling())
        with open_store(url) as store:
            assert len(store.list(Kind.PROFILE)) == 2

    def test_reports_beyond_their_age_are_deleted(self, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path}/history.db"
        profiler = PerformanceProfiler(ProfilerConfig(retention_days=1), store=url)
        with open_store(url) as store:
            old_ns = time.time_ns() - 2 * 86_400 * 10**9
            store.append(Kind.PROFILE, "old", {"profile_id": "old"}, at_unix_ns=old_ns)
            profiler.stop_profiling(profiler.start_profiling())
            assert [record.key.partition("/")[0] for record in store.list(Kind.PROFILE)] == ["profile-1"]

    def test_closing_leaves_a_store_that_was_given_open(self, tmp_path: Path) -> None:
        with open_store(f"sqlite:///{tmp_path}/history.db") as store:
            with PerformanceProfiler(ProfilerConfig(), store=store) as profiler:
                profiler.stop_profiling(profiler.start_profiling())
            assert len(store.list(Kind.PROFILE)) == 1

    def test_without_storage_nothing_is_written(self, tmp_path: Path, profiler: PerformanceProfiler) -> None:
        profiler.stop_profiling(profiler.start_profiling())
        assert list(tmp_path.iterdir()) == []

    def test_a_store_that_can_not_be_written_costs_no_report(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        (tmp_path / "file").touch()
        profiler = PerformanceProfiler(ProfilerConfig(), store=f"sqlite:///{tmp_path}/file/history.db")
        assert profiler.stop_profiling(profiler.start_profiling()).profile_id == "profile-1"
        assert "is not kept" in caplog.text


class TestDecorator:
    def test_the_bare_form_names_the_function(self, profiler: PerformanceProfiler) -> None:
        @profiler.profile_function
        def work(number: int) -> int:
            return number + 1

        assert work(1) == 2
        assert profiler.recorder.snapshots()[0].name.endswith(
            "TestDecorator.test_the_bare_form_names_the_function.<locals>.work"
        )

    @pytest.mark.parametrize("keyword", [True, False])
    def test_a_name_may_be_given(self, profiler: PerformanceProfiler, keyword: bool) -> None:
        decorate = (
            profiler.profile_function(operation_name="adding")
            if keyword
            else profiler.profile_function("adding")
        )
        assert decorate(lambda: 3)() == 3
        assert profiler.recorder.snapshots()[0].name == "adding"

    async def test_a_coroutine_function_stays_one(self, profiler: PerformanceProfiler) -> None:
        @profiler.profile_function
        async def work() -> int:
            await asyncio.sleep(0)
            return 1

        assert asyncio.iscoroutinefunction(work)
        assert await work() == 1
