"""Workers of one container against the emulator: as many series as one process has, whoever ends when."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from genesis_performance.gcp import each

if TYPE_CHECKING:
    from genesis_performance.emulator import RunningEmulator

PREFIX = "custom.googleapis.com/genesis.performance"
WRITE = "google.monitoring.v3.MetricService/CreateTimeSeries"

WORKER = """
import sys, time
from genesis_performance.export import flush_at_sigterm
from genesis_performance.monitor import PerformanceMonitor
from genesis_performance.operations import Recorder, register
flush_at_sigterm(60)
monitor = PerformanceMonitor(service_name="web")
recorder = Recorder()
register(recorder)
for _ in range(100):
    monitor.record_performance_metric("wait_ms", 1.0, {"queue": "mail"})
    with recorder.operation("pay"):
        pass
print("google.cloud.monitoring_v3" in sys.modules, flush=True)
time.sleep(600)
"""


def surroundings(cloud: RunningEmulator) -> dict[str, str]:
    return {
        **os.environ,
        "GENESIS_PERF_EMULATOR": cloud.grpc,
        "GENESIS_PERF_EMULATOR_HTTP": cloud.http,
        "GOOGLE_CLOUD_PROJECT": "p",
    }


def started(cloud: RunningEmulator, service: str = "web") -> subprocess.Popen[str]:
    code = textwrap.dedent(WORKER).replace('"web"', repr(service))
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=surroundings(cloud)
    )


def ran(cloud: RunningEmulator, code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True, text=True, timeout=120, check=False, env=surroundings(cloud),
    )  # fmt: skip


def ended(processes: list[subprocess.Popen[str]]) -> None:
    for one in processes:
        assert one.stdout is not None
        assert one.stdout.readline() == "False\n"
    for one in processes:
        one.send_signal(signal.SIGTERM)
    for one in processes:
        assert one.wait(120) == -signal.SIGTERM
        assert one.stdout is not None
        one.stdout.close()


def series(name: str, service: str) -> list[Any]:
    now_s = int(time.time())
    request = {
        "name": "projects/p",
        "filter": f'metric.type="{PREFIX}/{name}" AND metric.labels.service="{service}"',
        "interval": {"start_time": {"seconds": now_s - 3600}, "end_time": {"seconds": now_s + 200}},
    }
    return list(each("metrics", "list_time_series", request))


def test_four_workers_are_the_series_of_one_and_all_of_their_values_when_they_end_together(
    cloud: RunningEmulator,
) -> None:
    ended([started(cloud, "alone")])
    ended([started(cloud, "web") for _ in range(4)])
    for name in ("wait_ms", "operation/duration", "operation/count", "process/memory_bytes"):
        assert len(series(name, "web")) == len(series(name, "alone")) > 0
    (waits,) = series("wait_ms", "web")
    assert waits.points[0].value.distribution_value.count == 400
    (durations,) = series("operation/duration", "web")
    assert durations.points[0].value.distribution_value.count == 400
    (alone,) = series("wait_ms", "alone")
    assert alone.points[0].value.distribution_value.count == 100


def test_who_takes_over_from_a_writer_that_was_killed_while_it_sent_is_refused_nothing(
    cloud: RunningEmulator,
) -> None:
    code = """
        import os, signal, sys
        from genesis_performance.export.writer import Writer
        from genesis_performance.monitor import PerformanceMonitor
        if DIES:  # the points were taken, and it did not hear so
            Writer.exported = lambda self, result: os.kill(os.getpid(), signal.SIGKILL)
        monitor = PerformanceMonitor(service_name="web")
        for letter in "abcdefghij":
            monitor.record_performance_metric("wait_ms", 1.0, {"queue": letter})
        complete = monitor.flush(60)
        health = monitor.health()
        print(complete, dict(health["rejected_points"]), health["export_failures"])
        """
    assert ran(cloud, code.replace("DIES", "True")).returncode == -signal.SIGKILL
    assert len(series("wait_ms", "web")) == 10
    done = ran(cloud, code.replace("DIES", "False"))
    assert (done.stdout, done.stderr) == ("True {} 0\n", "")
    assert {one.points[0].value.distribution_value.count for one in series("wait_ms", "web")} == {2}


@pytest.mark.parametrize("late_ms", [500, 20_000], ids=["late", "later_than_the_end"])
def test_sigterm_in_the_middle_of_an_export_loses_nothing(cloud: RunningEmulator, late_ms: int) -> None:
    """What the dying process could not send is left to the next one."""
    code = """
        import os, signal, sys, threading
        from genesis_performance.export import flush_at_sigterm
        from genesis_performance.monitor import PerformanceMonitor
        flush_at_sigterm()
        monitor = PerformanceMonitor(service_name="web")
        for _ in range(3):
            monitor.record_performance_metric("wait_ms", 1.0)
        threading.Thread(target=monitor.flush, args=(60,), daemon=True).start()
        sys.stdin.readline()  # the export is under way
        for _ in range(4):
            monitor.record_performance_metric("wait_ms", 1.0)
        os.kill(os.getpid(), signal.SIGTERM)
        """
    cloud.fail(WRITE, "OK", delay_ms=late_ms)
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdin=subprocess.PIPE, text=True, env=surroundings(cloud),
    ) as process:  # fmt: skip
        try:
            until(lambda: cloud.calls().get(WRITE) == 1)
            process.communicate("go on\n", timeout=60)
        finally:
            process.kill()
        assert process.returncode == -signal.SIGTERM
    heir = """
        from genesis_performance.monitor import PerformanceMonitor
        monitor = PerformanceMonitor(service_name="web")
        assert monitor.flush(60)
        assert not monitor.health()["rejected_points"]
        """
    done = ran(cloud, heir)
    assert (done.returncode, done.stderr) == (0, "")
    (waits,) = series("wait_ms", "web")
    assert waits.points[0].value.distribution_value.count == 7


def until(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < ends, "it did not come"
        time.sleep(0.01)
