"""Faults around a running session: the host goes on, and what is lost is said."""

import gc
import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import pytest

from genesis_performance.config.profiler import ProfilerConfig
from genesis_performance.errors import StateError
from genesis_performance.profiler import PerformanceProfiler, sampling_thread
from genesis_performance.profiler.background_upload import upload_later
from genesis_performance.profiler.sampling_thread import SamplingThread

CONFIG = ProfilerConfig(enable_persistent_storage=False, stack_rate_hz=400, overhead_budget_percent=50)

ComputeFor = Callable[[int], None]

FORKS = "ignore:This process:DeprecationWarning"  # Python 3.12 warns where others' threads run

BEGIN = """
import os, sys, threading, time
from genesis_performance import PerformanceProfiler, ProfilerConfig
from genesis_performance.profiler import sampling_thread
profiler = PerformanceProfiler(ProfilerConfig(enable_persistent_storage=False))
session = profiler.start_profiling()
"""


@pytest.fixture
def profiler() -> PerformanceProfiler:
    return PerformanceProfiler(CONFIG)


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-W", FORKS, "-c", BEGIN + code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
class TestFork:
    def test_the_child_has_no_session_and_may_begin_its_own(self) -> None:
        done = run(
            "pid = os.fork()\n"
            "if not pid:\n"
            "    try: profiler.stop_profiling(session)\n"
            "    except Exception as error: print(type(error).__name__)\n"
            "    own = profiler.start_profiling()\n"
            "    enough = sampling_thread._shared.samples + 2\n"
            "    while sampling_thread._shared.samples < enough: sum(range(500))\n"
            "    print(profiler.stop_profiling(own).sampler.samples > 0, flush=True); os._exit(0)\n"
            "os.waitpid(pid, 0); print(profiler.stop_profiling(session).profile_id)\n"
        )
        assert (done.stdout, done.stderr) == ("StateError\nTrue\nprofile-1\n", "")

    def test_a_fork_while_another_thread_starts_sessions_locks_nobody_out(self) -> None:
        # The first session imports what it needs. A fork while another thread imports leaves the child an
        # import lock that nobody holds: the interpreter's own, whatever is imported.
        done = run(
            "profiler.stop_profiling(session)\n"
            "stop = threading.Event()\n"
            "def churn():\n"
            "    while not stop.is_set():\n"
            "        profiler.stop_profiling(profiler.start_profiling())\n"
            "thread = threading.Thread(target=churn); thread.start()\n"
            "for _ in range(5):\n"
            "    pid = os.fork()\n"
            "    if not pid:\n"
            "        profiler.stop_profiling(profiler.start_profiling()); os._exit(0)\n"
            "    print(os.waitpid(pid, 0)[1])\n"
            "stop.set(); thread.join()\n"
        )
        assert (done.stdout, done.stderr) == ("0\n" * 5, "")


def test_the_interpreter_ends_silently_while_a_session_runs() -> None:
    done = run("with profiler.profile_context('open'): sys.exit(3)")
    assert (done.returncode, done.stderr) == (3, "")


def test_threads_that_begin_and_end_meanwhile_cost_nothing_but_their_own_samples(
    profiler: PerformanceProfiler, compute_for: ComputeFor
) -> None:
    session = profiler.start_profiling()
    for _ in range(100):
        threads = [threading.Thread(target=sum, args=(range(50_000),)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    compute_for(2)
    report = profiler.stop_profiling(session)
    assert report.sampler is not None
    assert report.sampler.samples > 0
    assert not any("could not be taken" in note for note in report.notes)


def test_an_operation_left_open_is_on_its_stacks_and_in_flight(
    profiler: PerformanceProfiler, compute_for: ComputeFor
) -> None:
    session = profiler.start_profiling()
    context = profiler.profile_context("never left")
    context.__enter__()
    compute_for(4)
    report = profiler.stop_profiling(session)
    context.__exit__(None, None, None)
    assert report.stacks is not None
    assert "never left" in {record.operation for record in report.stacks.records}
    assert any("no operation ended" in note for note in report.notes)


def test_the_sessions_of_a_profiler_that_nobody_holds_any_more_end() -> None:
    before = set(threading.enumerate())
    interval_s = sys.getswitchinterval()
    profiler = PerformanceProfiler(ProfilerConfig(enable_persistent_storage=False))
    profiler.start_profiling()
    assert set(threading.enumerate()) - before
    del profiler
    gc.collect()
    ends = time.monotonic() + 60
    while set(threading.enumerate()) - before and time.monotonic() < ends:
        time.sleep(0.01)
    assert not set(threading.enumerate()) - before
    assert sys.getswitchinterval() == interval_s


def test_a_session_is_stopped_from_a_thread_that_is_itself_sampled(
    profiler: PerformanceProfiler, compute_for: ComputeFor
) -> None:
    session = profiler.start_profiling()
    reports = []

    def stop() -> None:
        compute_for(4)
        reports.append(profiler.stop_profiling(session))

    thread = threading.Thread(target=stop, name="stopper")
    thread.start()
    thread.join()
    stacks = reports[0].stacks
    assert stacks is not None
    assert "stopper" in {record.thread for record in stacks.records}
    with pytest.raises(StateError):
        profiler.stop_profiling(session)


def test_a_sampler_that_can_not_start_is_a_note(
    profiler: PerformanceProfiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    sampling = SamplingThread()

    def refused(_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(sampling, "add", refused)
    monkeypatch.setattr(sampling_thread, "_shared", sampling)
    report = profiler.stop_profiling(profiler.start_profiling())
    assert report.stacks is None
    assert report.sampler is None
    assert any("stacks were not sampled: can't start new thread" in note for note in report.notes)


def test_gevents_threads_are_said_to_be_out_of_sight(
    profiler: PerformanceProfiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Monkey:
        @staticmethod
        def is_module_patched(name: str) -> bool:
            return name == "threading"

    monkeypatch.setitem(sys.modules, "gevent.monkey", Monkey)  # type: ignore[arg-type]
    report = profiler.stop_profiling(profiler.start_profiling())
    assert report.stacks is None
    assert any("gevent" in note for note in report.notes)


def test_a_failed_upload_costs_no_report_and_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = ProfilerConfig(enable_persistent_storage=False, stack_rate_hz=0, cloud_profiler=True)
    profiler = PerformanceProfiler(config, project_id="a-project")
    report = profiler.stop_profiling(profiler.start_profiling())
    failures: deque[str] = deque()
    upload_later(report, config, "a-project", failures).join(60)
    assert failures
    assert failures[0].startswith(report.profile_id)
    assert "is not uploaded" in caplog.text
