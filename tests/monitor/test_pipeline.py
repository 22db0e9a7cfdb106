"""Pipelines of several processes with one destination."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from genesis_performance import config
from genesis_performance.export.mapped_file import MappedFile
from genesis_performance.export.sinks.memory import MemorySink
from genesis_performance.model.series import Distribution
from genesis_performance.monitor import PerformanceMonitor
from genesis_performance.monitor.pipeline import Destination, Pipeline
from genesis_performance.operations import Recorder, recorders, register

from .conftest import FakeClock

Make = Callable[..., tuple[Pipeline, MemorySink]]


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    monkeypatch.setenv("GENESIS_PERF__MONITORING__BUFFER_SYNC_S", "0.05")
    config.reset()
    made: list[Pipeline] = []

    def make(service: str = "api") -> tuple[Pipeline, MemorySink]:
        sink = MemorySink()
        to = Destination(project=None, prefix="p", service=service, environment="test", sink="memory")
        made.append(Pipeline(to, sink=sink, is_shared=True))
        return made[-1], sink

    yield make
    for one in made:
        one.close(2)


@pytest.fixture
def recorder() -> Recorder:
    made = Recorder()
    register(made)
    return made


def run(recorder: Recorder, name: str, times: int) -> None:
    for _ in range(times):
        with recorder.operation(name):
            pass


def executions(sink: MemorySink, name: str) -> int:
    value = sink.value("operation/duration", operation=name)
    assert isinstance(value, Distribution)
    return value.count


def test_operations_from_before_the_monitor_and_after_it_are_one_series(
    make: Make, recorder: Recorder
) -> None:
    run(recorder, "pay", 3)
    thread = threading.Thread(target=run, args=(recorder, "pay", 4))
    thread.start()
    thread.join()
    with recorder.operation("long"):
        pipeline, sink = make()
        run(recorder, "pay", 2)
    assert pipeline.flush(60)
    assert (executions(sink, "pay"), executions(sink, "long")) == (9, 1)
    assert {one.name: one.count for one in recorder.snapshots()} == {"pay": 9, "long": 1}


def test_a_recorder_that_registers_later_counts_in_the_file(make: Make) -> None:
    pipeline, sink = make()
    later = Recorder()
    run(later, "pay", 2)
    register(later)
    run(later, "pay", 3)
    assert isinstance(pipeline.cells.made, MappedFile)
    assert pipeline.flush(60)
    assert executions(sink, "pay") == 5


def test_a_recorder_that_is_gone_leaves_its_totals_and_is_not_kept_alive(make: Make) -> None:
    pipeline, sink = make()
    one = Recorder()
    register(one)
    run(one, "pay", 3)
    del one
    gc.collect()
    assert recorders() == []
    pipeline._pulse()
    assert pipeline.flush(60)
    assert executions(sink, "pay") == 3


def test_ten_thousand_threads_leave_a_file_as_small_as_a_hundred(make: Make, recorder: Recorder) -> None:
    pipeline, sink = make()
    sizes = []
    for _ in range(20):
        for _ in range(50):
            thread = threading.Thread(target=run, args=(recorder, "pay", 1))
            thread.start()
            thread.join()
        recorder.snapshots()
        pipeline._pulse()
        assert isinstance(pipeline.cells.made, MappedFile)
        sizes.append(pipeline.cells.made._newest.used)  # type: ignore[union-attr]
    assert sizes[-1] <= 2 * sizes[0]
    assert pipeline.flush(60)
    assert executions(sink, "pay") == 1000


def test_a_pipeline_that_is_dropped_unclosed_leaves_its_values_and_has_no_more_of_them(
    make: Make, recorder: Recorder
) -> None:
    to = Destination(project=None, prefix="p", service="api", environment="test", sink="memory")
    dropped = Pipeline(to, sink=MemorySink(), is_shared=True)
    run(recorder, "pay", 3)
    del dropped
    gc.collect()
    pipeline, sink = make()
    run(recorder, "pay", 2)
    assert pipeline.flush(60)
    assert executions(sink, "pay") == 5


def test_the_file_goes_to_the_disk_as_often_as_was_set_and_no_more(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENESIS_PERF__MONITORING__BUFFER_SYNC_S", "5")
    config.reset()
    synced = []
    sync = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda fd: synced.append(clock.monotonic()) or sync(fd))
    to = Destination(project=None, prefix="p", service="api", environment="test", sink="memory")
    pipeline = Pipeline(to, sink=MemorySink(), is_shared=True, clock=clock)
    pipeline.buffer.record("orders", 1, kind="counter")
    begun = clock.monotonic()
    for _ in range(11):
        clock.advance(1)
        pipeline._pulse()
    assert [at - begun for at in synced] == [5, 10]
    assert pipeline.close(60)


def test_a_folder_that_is_removed_while_its_process_runs_loses_nothing(
    make: Make, recorder: Recorder, tmp_path: Path
) -> None:
    pipeline, sink = make()
    run(recorder, "pay", 3)
    pipeline.buffer.record("orders", 3, kind="counter")
    assert pipeline.flush(60)
    shutil.rmtree(tmp_path / ".buffer")
    for name in ("pay", "new"):
        run(recorder, name, 1)
        pipeline.buffer.record("orders", 1, kind="counter")
        assert pipeline.flush(60)
    assert (executions(sink, "pay"), executions(sink, "new"), sink.value("orders")) == (4, 1, 5)
    assert pipeline.complaints.counts["file removed"] == 1
    assert pipeline.close(60)
    heir, found = make()
    heir.buffer.record("orders", 1, kind="counter")
    assert heir.flush(60)
    assert found.value("orders") == 6


def test_two_destinations_of_one_process_both_get_the_operations(make: Make, recorder: Recorder) -> None:
    first, to_first = make("one")
    second, to_second = make("two")
    run(recorder, "pay", 3)
    assert first.flush(60)
    assert second.flush(60)
    assert executions(to_first, "pay") == executions(to_second, "pay") == 3


def test_a_process_that_does_not_send_opens_no_sink_and_its_values_arrive(make: Make) -> None:
    first, sink = make()
    second, unused = make()
    first.buffer.record("orders", 1, kind="counter")
    assert first.flush(60)
    second.buffer.record("orders", 2, kind="counter")
    assert second.flush(60)
    assert sink.value("orders") == 3
    assert (unused.writes, second.sink_name) == (0, "")
    assert (first.is_writer, second.is_writer) == (True, False)


def test_the_next_process_continues_when_the_writer_closes(make: Make) -> None:
    first, _ = make()
    second, sink = make()
    first.buffer.record("orders", 1, kind="counter")
    assert first.flush(60)
    second.buffer.record("orders", 2, kind="counter")
    assert first.close(5)
    assert second.flush(60)
    assert sink.value("orders") == 3


def test_the_gauges_of_the_process_are_sums_over_all_that_record(make: Make) -> None:
    pipeline, sink = make()
    pipeline.buffer.record("orders", 1, kind="counter")
    code = """
        import sys
        from genesis_performance.monitor.pipeline import Destination, Pipeline
        from genesis_performance.export.sinks.memory import MemorySink
        to = Destination(project=None, prefix="p", service="api", environment="test", sink="memory")
        pipeline = Pipeline(to, sink=MemorySink(), is_shared=True)
        pipeline.buffer.record("orders", 1, kind="counter")
        print("ready", flush=True)
        sys.stdin.read()
    """
    assert pipeline.flush(60)
    alone = sink.value("process/memory_bytes")
    other = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with other:
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"
        assert pipeline.flush(60)
        assert sink.value("process/memory_bytes") > alone + 10e6  # type: ignore[operator]
        other.kill()


def test_what_an_earlier_run_did_is_not_seen_as_of_now(make: Make, recorder: Recorder) -> None:
    first, sink = make()
    run(recorder, "pay", 5)
    assert first.flush(60)
    assert first.close(5)
    second, sink = make()
    run(recorder, "pay", 2)
    seen = {
        dict(one.labels)["status"]: one.points[0].value
        for one in second.observe(2_000_000_000_000_000_000)
        if one.metric.name == "operation/count"
    }
    assert seen == {"ok": 2, "error": 0}
    assert second.flush(60)
    assert executions(sink, "pay") == 7


def test_without_a_folder_everything_is_on_the_heap_and_health_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("GENESIS_PERF__MONITORING__BUFFER_DIR", str(tmp_path / "file"))
    config.reset()
    with PerformanceMonitor(service_name="api") as monitor:
        monitor.record_performance_metric("wait_ms", 1.0)
        assert monitor.flush(60)
        health = monitor.health()
    assert health["buffer"] == "heap"
    assert health["buffer_problems"] == {"no folder": 1}
    assert health["recorded"] == 1


def test_what_had_no_room_in_the_file_is_sent_by_its_process_for_itself(make: Make) -> None:
    pipeline, sink = make()
    pipeline.buffer.record("orders", 1, kind="counter")
    assert pipeline.cells.made is not None
    pipeline.cells.made.max_bytes = 0  # as a full disk: no chunk more
    for number in range(3000):
        pipeline.buffer.record("wait_ms", 1.0, {"n": f"a{number}x"})
    pipeline._pulse()
    assert pipeline._own is not None
    assert pipeline.flush(60)
    counts = [one.points[0].value.count for (name, _), one in sink.series.items() if name == "wait_ms"]  # type: ignore[union-attr]
    assert sum(counts) == 3000
    assert pipeline.complaints.counts["buffer full"] > 0


def test_the_heap_can_be_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GENESIS_PERF__MONITORING__BUFFER", "heap")
    config.reset()
    with PerformanceMonitor(service_name="api") as monitor:
        monitor.record_performance_metric("wait_ms", 1.0)
        assert monitor.flush(60)
    assert not (tmp_path / ".buffer").exists()


def test_health_shows_who_writes_and_which_files_there_are() -> None:
    with PerformanceMonitor(service_name="api") as monitor:
        monitor.record_performance_metric("wait_ms", 1.0)
        assert monitor.flush(60)
        health = monitor.health()
    assert health["buffer"] == "mapped"
    assert (health["is_writer"], health["writer_pid"]) == (True, os.getpid())
    assert health["buffer_files"] == 1
    assert health["buffer_bytes"] > 200_000
    assert health["buffer_lost"] == health["buffer_problems"] == {}


def test_a_hundred_thousand_label_sets_are_capped_counted_and_named(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("GENESIS_PERF__MONITORING__MAX_SERIES", "500")
    config.reset()
    with PerformanceMonitor(service_name="api") as monitor:
        for number in range(100_000):
            letters = "".join(chr(97 + (number // 26**place) % 26) for place in range(4))
            monitor.record_performance_metric("wait_ms", 1.0, {"n": letters})
        health = monitor.health()
        assert monitor.flush(60)
        sink = monitor._open().exporter.sink()
        assert isinstance(sink, MemorySink)
        counts = [one.points[0].value.count for (name, _), one in sink.series.items() if name == "wait_ms"]  # type: ignore[union-attr]
    assert sum(counts) == health["recorded"] == 100_000
    assert len(counts) <= 501
    assert health["adjusted"]["series folded"] >= 99_000
    assert health["buffer_bytes"] < 2_000_000
    assert "wait_ms" in caplog.text


FORKS = """
import os, sys
from genesis_performance.monitor import PerformanceMonitor
monitor = PerformanceMonitor(service_name="web")
handle = monitor.counter("orders")
for number in range(20_000):
    handle.add()
    monitor.record_performance_metric("wait_ms", 1.0, {"n": "abcdefgh"[number % 8]})
path = monitor._open().cells.made.path
pid = os.fork()
if not pid:
    handle.add(2)
    ok = monitor._open().cells.made.path != path and monitor.health()["recorded"] == 1
    sys.exit(0 if ok and monitor.flush(60) else 7)
assert os.waitpid(pid, 0)[1] == 0
assert monitor.flush(60)
sink = monitor._open().exporter.sink()
print(sink.value("orders"), sum(one.points[0].value.count for one in sink.series.values()
      if one.metric.name == "wait_ms"))
"""


def test_a_fork_with_a_full_buffer_counts_nothing_twice() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKS],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.split() == ["20002.0", "20000"], done.stderr


MEMORY = """
import os, sys, psutil
import genesis_performance.monitor.monitor, genesis_performance.operations
process = psutil.Process()
before = process.memory_info().rss
from genesis_performance.monitor import PerformanceMonitor
from genesis_performance.operations import Recorder, register
monitor = PerformanceMonitor(service_name="web")
recorder = Recorder()
register(recorder)
for round in range(50):
    for number in range(200):
        name = f"a{chr(97 + number % 26)}{chr(97 + number // 26)}"
        monitor.record_performance_metric("wait_ms", 1.0 * round, {"n": name})
        with recorder.operation(f"op{chr(97 + number % 26)}"):
            pass
assert monitor.flush(60)
print(monitor.health()["is_writer"], (process.memory_info().rss - before) / 1e6)
"""


def test_a_process_that_does_not_send_stays_small() -> None:
    with PerformanceMonitor(service_name="web") as first:
        first.record_performance_metric("wait_ms", 1.0)
        assert first.flush(60)
        done = subprocess.run(
            [sys.executable, "-c", MEMORY], capture_output=True, text=True, timeout=120, check=False
        )
    writes, added_mb = done.stdout.split()
    assert writes == "False", done.stderr
    assert float(added_mb) <= 15
