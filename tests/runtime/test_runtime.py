"""The composition root: parts that know nothing of each other work together."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from genesis_performance import runtime
from genesis_performance.model.operation import OperationSnapshot, RepeatedCall
from genesis_performance.operations import note_call
from genesis_performance.storage import Kind, from_body


@pytest.fixture
def started() -> runtime.Runtime:
    running = runtime.start("shop", environment="test", release="v1", interval_s=3600)
    yield running
    running.close()


def test_making_a_runtime_starts_nothing(tmp_path: Path) -> None:
    threads = threading.active_count()
    runtime.Runtime("shop")
    assert threading.active_count() == threads
    assert list(tmp_path.iterdir()) == []


def test_each_part_is_made_once(started: runtime.Runtime) -> None:
    for part in ("store", "profiler", "monitor", "benchmarks", "regression", "optimizer", "cost", "secrets"):
        assert getattr(started, part) is getattr(started, part)


def test_the_history_holds_what_each_interval_did(started: runtime.Runtime) -> None:
    for executions in (2, 3):
        for _ in range(executions):
            with started.profiler.profile_context("checkout"):
                pass
        started.flush()
    bodies = [record.body for record in started.store.list(Kind.OPERATION, newest_first=False)]
    counts = [from_body(OperationSnapshot, body["snapshot"]).count for body in bodies]
    assert counts == [2, 3]
    assert {(body["service"], body["release"], body["pid"]) for body in bodies} == {
        ("shop", "v1", os.getpid())
    }
    assert bodies[1]["begin_unix_ns"] == bodies[0]["end_unix_ns"]


def test_an_interval_without_executions_writes_nothing(started: runtime.Runtime) -> None:
    with started.profiler.profile_context("checkout"):
        pass
    started.flush()
    started.flush()
    assert len(started.store.list(Kind.OPERATION)) == 1


def test_repeated_calls_are_kept_once_with_their_newest_counts(started: runtime.Runtime) -> None:
    for _ in range(2):
        with started.profiler.profile_context("checkout"):
            for _ in range(4):
                note_call("secret read", "tax-key", 1000)
        started.flush()
    (record,) = started.store.list(Kind.REPEATED_CALL)
    assert from_body(RepeatedCall, record.body["call"]).calls == 8


def test_operations_reach_the_monitor(started: runtime.Runtime) -> None:
    with started.profiler.profile_context("checkout"):
        pass
    assert started.flush()
    assert started.monitor.health()["exported_points"] > 0


def test_a_benchmark_s_result_reaches_the_monitor(started: runtime.Runtime) -> None:
    from genesis_performance.benchmarks import BenchmarkConfig

    started.benchmarks.register_benchmark(
        BenchmarkConfig(
            benchmark_name="add",
            target_function=lambda: 1 + 1,
            measurement_iterations=10,
            enable_cloud_monitoring=True,
        )
    )
    before = started.monitor.health()["recorded"]
    started.benchmarks.run_benchmark_sync("add")
    assert started.monitor.health()["recorded"] > before


def test_a_store_that_can_not_be_written_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("GENESIS_PERF__STORAGE__URL", f"sqlite:///{tmp_path}/file/history.db")
    with runtime.start("shop", interval_s=3600) as running:
        with running.profiler.profile_context("checkout"):
            pass
        running.flush()
        running.flush()
    assert caplog.text.count("history of operations is not kept") == 1


def test_a_second_runtime_of_the_process_does_not_write_everything_twice(
    started: runtime.Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    with runtime.start("other", interval_s=3600) as second, second.profiler.profile_context("checkout"):
        pass
    started.flush()
    assert len(started.store.list(Kind.OPERATION)) == 1
    assert "'shop' keeps the history" in caplog.text


def test_closing_twice_is_closing_once(started: runtime.Runtime) -> None:
    started.close()
    started.close()


def test_a_process_that_is_asked_to_end_writes_its_last_interval(tmp_path: Path) -> None:
    code = (
        "import os, signal, time\n"
        "from core.performance import runtime\n"
        "r = runtime.start('shop', interval_s=3600)\n"
        "with r.profiler.profile_context('checkout'): pass\n"
        "os.kill(os.getpid(), signal.SIGTERM)\n"
        "time.sleep(120)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, check=False, timeout=120
    )
    assert done.returncode == -15, done.stderr
    from genesis_performance.storage import open_store

    with open_store(f"sqlite:///{tmp_path}/.genesis/history.db") as store:
        assert [record.key for record in store.list(Kind.OPERATION)] == ["checkout"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_worker_keeps_a_history_of_its_own(started: runtime.Runtime) -> None:
    with started.profiler.profile_context("parent"):
        pass
    started.flush()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            with started.profiler.profile_context("child"):
                pass
            started.flush()
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    keys = {record.key: record.body["pid"] for record in started.store.list(Kind.OPERATION)}
    assert keys == {"parent": os.getpid(), "child": pid}
