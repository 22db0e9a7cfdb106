"""What a process that sends tells ``genesis-perf doctor``, through the folder that both see."""

import dataclasses
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from genesis_performance import config
from genesis_performance.cli.doctor import command as doctor
from genesis_performance.config import settings
from genesis_performance.monitor import PerformanceMonitor
from genesis_performance.monitor.published_health import NAME, ProcessesHealth, publish, published


@pytest.fixture(autouse=True)
def _memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENESIS_PERF__MONITORING__SINK", "memory")
    config.reset()


def seen() -> list[ProcessesHealth]:
    return published(settings().monitoring.buffer_dir)


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def folder() -> Path:
    (found,) = (one for one in Path(settings().monitoring.buffer_dir or "").iterdir() if one.is_dir())
    return found


def said() -> str:
    return CliRunner().invoke(doctor, []).output


def change(monitor: PerformanceMonitor, **health: Any) -> None:
    """As if the process that runs had said so, and nothing since."""
    pipeline = monitor._open()
    pipeline.stop_looking(monitor._publish)
    monitor.flush(60)  # the thread is done with what it did
    (one,) = seen()
    publish(one.folder, {**one.health, **health})


def test_a_process_that_sends_is_seen_from_outside() -> None:
    with PerformanceMonitor(service_name="shop") as monitor:
        monitor.record_performance_metric("wait_ms", 5.0)
        until(lambda: bool(seen() and seen()[0].health))
        (one,) = seen()
    assert (one.service, one.environment, one.writer_pid) == ("shop", "production", os.getpid())
    assert one.files == 1
    assert one.failure == ""
    assert one.health["is_writer"] is True


def test_its_last_words_stay_when_it_has_ended() -> None:
    with PerformanceMonitor(service_name="shop") as monitor:
        monitor.record_performance_metric("wait_ms", 5.0)
        monitor.record_performance_metric("wait_ms", float("nan"))
    (one,) = seen()
    assert one.writer_pid is None
    assert one.health["recorded"] == 1
    assert one.health["dropped"] == {"value not finite": 1}
    text = said()
    assert "no process runs" in text
    assert "values dropped: value not finite 1" in text


def test_what_is_lost_refused_and_given_up_is_said() -> None:
    with PerformanceMonitor(service_name="shop") as monitor:
        monitor.record_performance_metric("wait_ms", 5.0)
        until(lambda: bool(seen() and seen()[0].health and seen()[0].writer_pid))
        change(
            monitor,
            sink="memory",
            rejected_points={"unknown label": 7},
            deferred_points=3,
            given_up={"buckets": 4},
            monthly_cost_usd=1.5,
            notifications={"delivered": 2, "left": 1},
        )
        text, code = (result := CliRunner().invoke(doctor, [])).output, result.exit_code
    assert code == 1
    assert f"process {os.getpid()} sends to memory" in text
    assert "points are refused for good: unknown label (7)" in text
    assert "3 points had to come again" in text
    assert "not sent for their cost: buckets 4" in text
    assert "costs 1.50 USD a month" in text
    assert "notifications: delivered 2, left 1" in text


def test_what_all_processes_recorded_is_said_although_the_one_that_sends_recorded_nothing() -> None:
    code = (
        "from genesis_performance.monitor import PerformanceMonitor\n"
        "with PerformanceMonitor(service_name='shop') as one:\n"
        "    for _ in range(3): one.record_performance_metric('wait_ms', 5.0)\n"
        "    one.gauge('depth').set(4)\n"
    )
    with PerformanceMonitor(service_name="shop") as monitor:
        monitor.start()
        until(lambda: bool(seen() and seen()[0].health and seen()[0].writer_pid == os.getpid()))
        for _ in range(2):
            subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
        (one,) = seen()
        text = said()
    assert one.health["recorded"] == 0
    assert (one.values, one.series) == (6, 2)
    assert "all processes together: 6 values in 2 series" in text


def test_a_sink_that_is_gone_for_several_intervals_is_a_failure_and_one_error_is_not() -> None:
    with PerformanceMonitor(service_name="shop") as monitor:
        monitor.record_performance_metric("wait_ms", 5.0)
        until(lambda: bool(seen() and seen()[0].health and seen()[0].writer_pid))
        change(monitor, last_error="503 down", last_success_age_s=60.0)
        assert not seen()[0].is_failing
        change(monitor, last_error="503 down", last_success_age_s=200.0)
        assert seen()[0].failure == "nothing arrives: 503 down"
        change(monitor, last_error="503 down", last_success_age_s=None)
        assert seen()[0].is_failing
    assert not seen()[0].is_failing, "it has ended"


def test_damaged_files_are_counted() -> None:
    with PerformanceMonitor(service_name="shop") as monitor:
        monitor.record_performance_metric("wait_ms", 5.0)
    (folder() / "x.damaged").write_bytes(b"?")
    assert seen()[0].set_aside == 1
    assert "1 files set aside" in said()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"health": 5, "at_unix_s": "x"}'])
def test_a_file_that_can_not_be_read_tells_nothing(text: str) -> None:
    with PerformanceMonitor(service_name="shop") as monitor:
        monitor.record_performance_metric("wait_ms", 5.0)
        until(lambda: bool(seen() and seen()[0].health))
        (folder() / NAME).write_text(text)
        assert all(one.health == {} for one in seen())


def test_what_nobody_wrote_to_for_a_day_is_not_shown() -> None:
    with PerformanceMonitor(service_name="shop") as monitor:
        monitor.record_performance_metric("wait_ms", 5.0)
    long_ago = time.time() - 25 * 3600
    for path in folder().iterdir():
        os.utime(path, (long_ago, long_ago))
    assert seen() == []
    assert "-     none" in said()


def test_json_holds_what_the_text_says() -> None:
    with PerformanceMonitor(service_name="shop") as monitor:
        monitor.record_performance_metric("wait_ms", 5.0)
    body = json.loads(CliRunner().invoke(doctor, ["--json"]).output)
    (one,) = body["processes"]
    assert one["service"] == "shop"
    assert one["failure"] == ""
    assert set(one) == {field.name for field in dataclasses.fields(ProcessesHealth)} | {"failure"}


def test_only_the_owner_may_read_it() -> None:
    with PerformanceMonitor(service_name="shop") as monitor:
        monitor.record_performance_metric("wait_ms", 5.0)
    assert (folder() / NAME).stat().st_mode & 0o777 == 0o600
