import logging
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from genesis_performance import config
from genesis_performance.errors import ConfigurationError, InvalidInputError, StateError
from genesis_performance.export.sinks.memory import MemorySink
from genesis_performance.model.alert import IncidentState
from genesis_performance.model.series import Distribution
from genesis_performance.monitor import PerformanceMonitor
from genesis_performance.operations import register
from genesis_performance.storage import open_store

from .conftest import FakeClock, Operations


@pytest.fixture
def sink() -> MemorySink:
    return MemorySink()


@pytest.fixture
def make(clock: FakeClock, sink: MemorySink) -> Iterator[Callable[..., PerformanceMonitor]]:
    made: list[PerformanceMonitor] = []

    def make(**arguments: object) -> PerformanceMonitor:
        given = {"service_name": "api", "sink": sink, "clock": clock} | arguments
        made.append(PerformanceMonitor(**given))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def monitor(make: Callable[..., PerformanceMonitor]) -> PerformanceMonitor:
    return make()


def test_constructing_a_monitor_does_nothing(tmp_path: Path) -> None:
    threads = threading.active_count()
    PerformanceMonitor(gcp_project_id="p", metric_prefix="myapp.performance")
    assert threading.active_count() == threads
    assert list(tmp_path.iterdir()) == []


def test_importing_the_monitor_loads_nothing_heavy() -> None:
    code = (
        "import sys; before = set(sys.modules); import genesis_performance.monitor\n"
        "heavy = ('google', 'grpc', 'numpy', 'asyncio', 'psutil', 'rich')\n"
        "print([m for m in heavy if m in {*sys.modules} - before])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"


def test_a_recorded_metric_and_the_operations_reach_the_sink(
    monitor: PerformanceMonitor, sink: MemorySink, operations: Operations
) -> None:
    operations.run("pay", 30, times=3)
    operations.run("pay", 30, fails=True)
    monitor.record_performance_metric("response_time", 150.0, labels={"endpoint": "/users"})
    assert monitor.flush(60)
    recorded = sink.value("response_time", endpoint="/users", service="api", environment="production")
    assert isinstance(recorded, Distribution)
    assert (recorded.count, recorded.sum) == (1, 150)
    durations = sink.value("operation/duration", operation="pay", service="api")
    assert isinstance(durations, Distribution)
    assert (durations.count, durations.sum) == (4, 120)
    assert sink.value("operation/count", operation="pay", status="error") == 1
    assert sink.value("operation/count", operation="pay", status="ok") == 3
    assert sink.value("process/memory_bytes") > 1e6  # type: ignore[operator]


def test_raw_paths_are_redacted_on_their_way_out(
    monitor: PerformanceMonitor, sink: MemorySink, operations: Operations
) -> None:
    for number in (12345, 67890):
        operations.run(f"GET_/users/{number}/orders/9f8b1c2d-1234-4abc-9def-1234567890ab?token=abc", 5)
    monitor.flush(60)
    assert sink.value("operation/count", operation="GET_/users/{id}/orders/{id}", status="ok") == 2
    assert not any("12345" in str(key) or "token" in str(key) for key in sink.series)


def test_handles_record_without_looking_up(monitor: PerformanceMonitor, sink: MemorySink) -> None:
    orders, depth = monitor.counter("orders", {"shop": "x"}), monitor.gauge("depth")
    waits = monitor.distribution("wait", unit="ms")
    for value in (1, 2, 3):
        orders.add(value)
        depth.set(value)
        waits.record(value)
    orders.add(-1)
    monitor.flush(60)
    assert sink.value("orders", shop="x") == 6
    assert sink.value("depth") == 3
    assert sink.value("wait").count == 3  # type: ignore[union-attr]
    assert monitor.health()["dropped"] == {"counter can not fall": 1}


def test_recording_never_raises_whatever_it_is_given(monitor: PerformanceMonitor) -> None:
    odd: list[object] = [None, float("nan"), "x", [], {}, object(), 10**400, b"", True, "\ud800"]
    for name in [*odd, "ok"]:
        for value in [*odd, 1.0]:
            for labels in [*odd, {"a": "b"}, {object(): object()}]:
                monitor.record_performance_metric(name, value, labels)  # type: ignore[arg-type]
    health = monitor.health()
    assert sum(health["dropped"].values()) > 100
    assert monitor.flush(60)


def test_health_tells_what_was_dropped_changed_and_sent(monitor: PerformanceMonitor) -> None:
    monitor.record_performance_metric("wait_ms", float("nan"))
    monitor.record_performance_metric("wait ms", 1.0, {"text": "word " * 500})
    monitor.flush(60)
    health = monitor.health()
    assert health["recorded"] == 1
    assert health["dropped"] == {"value not finite": 1}
    assert health["adjusted"] == {"name changed": 1, "label value cut": 1}
    assert health["exported_points"] >= 2
    assert health["last_success_age_s"] == 0
    assert health["sink"] == "MemorySink"


def test_recording_with_wrong_settings_does_not_raise_and_starting_does(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("GENESIS_PERF__MONITORING__SINK", "nowhere")
    config.reset()
    monitor = PerformanceMonitor()
    monitor.record_performance_metric("wait_ms", 1.0)
    assert monitor.health()["dropped"] == {"failed": 1}
    assert "nowhere" in caplog.text
    with pytest.raises(ConfigurationError, match="nowhere"):
        monitor.start()


def test_two_project_arguments_that_differ_are_an_error() -> None:
    with pytest.raises(ConfigurationError, match="differ"):
        PerformanceMonitor("a", project_id="b")


@pytest.mark.parametrize("prefix", ["", "a b", "ä", "x" * 101, "/", 5])
def test_a_prefix_that_no_metric_can_have_is_refused(prefix: object) -> None:
    with pytest.raises(InvalidInputError, match="metric_prefix is"):
        PerformanceMonitor(metric_prefix=prefix)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["", " ", "\n", "x" * 101, 5])
def test_a_service_name_that_no_label_can_have_is_refused(name: object) -> None:
    with pytest.raises(InvalidInputError, match="service_name is"):
        PerformanceMonitor(service_name=name)  # type: ignore[arg-type]


def test_without_a_project_everything_stays_here_and_one_line_says_so(
    caplog: pytest.LogCaptureFixture, operations: Operations
) -> None:
    caplog.set_level(logging.INFO)
    operations.run("pay", 900)
    with PerformanceMonitor(environment="local-mode-test") as monitor:
        monitor.record_performance_metric("wait_ms", 1.0)
        alert = monitor.create_response_time_alert("api", 500, "local-mode-test")
        (incident,) = monitor.check_performance_thresholds()
        assert monitor.flush(60)
        assert monitor.health()["sink"] == "memory"
    assert alert.apply == "local"
    assert incident.alert_name == alert.name
    assert incident.current_value == pytest.approx(900)
    lines = [record for record in caplog.records if "no Google Cloud project" in record.getMessage()]
    assert len(lines) == 1


def test_an_incident_opens_stays_and_closes_with_the_traffic(
    monitor: PerformanceMonitor, operations: Operations, clock: FakeClock
) -> None:
    monitor.create_response_time_alert(service_name="api", threshold_ms=500, environment="production")
    operations.run("pay", 50, times=100)
    assert monitor.check_performance_thresholds() == []
    clock.advance(20)
    operations.run("pay", 800, times=20)
    (opened,) = monitor.check_performance_thresholds()
    assert opened.state is IncidentState.OPEN
    assert opened.operation == "pay"
    assert opened.current_value == pytest.approx(800, rel=0.07)
    clock.advance(20)
    assert [one.id for one in monitor.check_performance_thresholds()] == [opened.id]
    for _ in range(8):
        clock.advance(10)
        operations.run("pay", 50, times=50)
        found = monitor.check_performance_thresholds()
    assert found == []
    (kept,) = open_store().list("incident")
    assert kept.body["state"] == "CLOSED"
    assert len(kept.body["timeline"]) == 2


def test_an_error_rate_is_watched_per_operation(monitor: PerformanceMonitor, operations: Operations) -> None:
    monitor.create_error_rate_alert(service_name="api", threshold_percent=2.0, environment="production")
    operations.run("pay", 5, times=95)
    operations.run("pay", 5, times=5, fails=True)
    operations.run("list", 5, times=99)
    operations.run("list", 5, times=1, fails=True)
    (incident,) = monitor.check_performance_thresholds()
    assert (incident.operation, incident.current_value, incident.unit) == ("pay", 5.0, "%")


def test_values_recorded_as_response_time_are_watched_too(monitor: PerformanceMonitor) -> None:
    monitor.create_response_time_alert("api", 500)
    labels = {"service": "api", "endpoint": "/users", "environment": "production"}
    monitor.record_performance_metric("response_time", 900.0, labels=labels)
    monitor.record_performance_metric("response_time", 9000.0, labels={**labels, "service": "other"})
    (incident,) = monitor.check_performance_thresholds()
    assert incident.current_value == pytest.approx(900)


def test_traffic_of_another_environment_is_not_watched(
    make: Callable[..., PerformanceMonitor], operations: Operations
) -> None:
    monitor = make(environment="staging")
    monitor.create_response_time_alert("api", 500, "production")
    operations.run("pay", 900)
    assert monitor.check_performance_thresholds() == []


def test_a_monitor_without_a_name_takes_that_of_its_first_alert(
    make: Callable[..., PerformanceMonitor], operations: Operations, sink: MemorySink
) -> None:
    monitor = make(service_name=None)
    operations.run("pay", 900)
    monitor.create_response_time_alert("my-service", 500)
    assert len(monitor.check_performance_thresholds()) == 1
    monitor.flush(60)
    assert sink.value("operation/duration", operation="pay", service="my-service").count == 1  # type: ignore[union-attr]


def test_the_same_alert_again_is_one_alert_and_a_new_threshold_holds(
    monitor: PerformanceMonitor, operations: Operations
) -> None:
    monitor.create_response_time_alert("api", 500)
    monitor.create_response_time_alert("api", 1000)
    operations.run("pay", 700)
    assert monitor.check_performance_thresholds() == []
    assert [one.threshold for one in monitor.alerts()] == [1000]


def test_alerts_are_known_to_a_later_process(make: Callable[..., PerformanceMonitor]) -> None:
    made = make().create_response_time_alert("api", 500)
    assert make().alerts() == [made]


def test_a_deleted_alert_is_gone_with_its_incidents(
    monitor: PerformanceMonitor, operations: Operations
) -> None:
    alert = monitor.create_response_time_alert("api", 500)
    operations.run("pay", 900)
    assert len(monitor.check_performance_thresholds()) == 1
    assert monitor.delete_alert(alert)
    assert monitor.check_performance_thresholds() == []
    assert monitor.alerts() == []
    assert not monitor.delete_alert(alert.name)
    (kept,) = open_store().list("incident")
    assert kept.body["state"] == "CLOSED"


def test_an_incident_survives_a_restart_of_the_process(
    make: Callable[..., PerformanceMonitor], operations: Operations, clock: FakeClock
) -> None:
    first = make()
    first.create_response_time_alert("api", 500)
    operations.run("pay", 900)
    (opened,) = first.check_performance_thresholds()
    first.close()
    clock.advance(30)
    second = make()
    second.create_response_time_alert("api", 500)
    operations.run("pay", 900)
    assert [one.id for one in second.check_performance_thresholds()] == [opened.id]


def test_alerts_are_evaluated_in_the_background(
    monitor: PerformanceMonitor, operations: Operations, clock: FakeClock
) -> None:
    monitor.create_response_time_alert("api", 500)
    clock.settle()
    operations.run("pay", 900)
    ends = time.monotonic() + 60
    while not open_store().list("incident") and time.monotonic() < ends:
        clock.advance(10)
        clock.settle()
    assert len(open_store().list("incident")) == 1


def test_alerting_can_be_switched_off(
    monkeypatch: pytest.MonkeyPatch, make: Callable[..., PerformanceMonitor], operations: Operations,
    clock: FakeClock,
) -> None:  # fmt: skip
    monkeypatch.setenv("GENESIS_PERF__MONITORING__ENABLE_ALERTING", "false")
    config.reset()
    monitor = make()
    monitor.create_response_time_alert("api", 500)
    operations.run("pay", 900)
    for _ in range(5):
        clock.advance(10)
        time.sleep(0.01)  # no thread waits that could be waited for
    assert open_store().list("incident") == []


def test_a_store_that_can_not_be_written_stops_nothing(
    make: Callable[..., PerformanceMonitor], operations: Operations, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("not a folder")
    monitor = make(store=f"sqlite:///{tmp_path}/file/history.db")
    monitor.create_response_time_alert("api", 500)
    operations.run("pay", 900)
    assert len(monitor.check_performance_thresholds()) == 1
    assert monitor.health()["store_failures"] > 0


def test_after_close_records_are_counted_and_calls_say_so(
    monitor: PerformanceMonitor, sink: MemorySink
) -> None:
    monitor.record_performance_metric("wait_ms", 1.0)
    handle = monitor.counter("orders")
    handle.add()
    assert monitor.close()
    assert monitor.close()
    monitor.record_performance_metric("wait_ms", 1.0)
    handle.add()
    assert monitor.health()["dropped"] == {"closed": 2}
    assert monitor.health()["recorded"] == 2
    with pytest.raises(StateError, match="closed"):
        monitor.create_response_time_alert("api", 500)
    assert monitor.flush()


def test_two_monitors_of_one_destination_are_one_writer(operations: Operations) -> None:
    with (
        PerformanceMonitor(service_name="shared") as first,
        PerformanceMonitor(service_name="shared") as second,
    ):
        first.record_performance_metric("wait_ms", 1.0)
        second.record_performance_metric("wait_ms", 1.0)
        assert first._pipeline is second._pipeline
        assert first.health()["recorded"] == 2
        first.close()
        second.record_performance_metric("wait_ms", 1.0)
        assert second.health()["recorded"] == 3


def test_a_closed_pipeline_is_not_joined_again() -> None:
    for _ in range(2):
        with PerformanceMonitor(service_name="again") as monitor:
            monitor.record_performance_metric("wait_ms", 1.0)
            assert monitor.flush(60)
            assert monitor.health()["recorded"] == 1


@pytest.mark.slow  # it needs a processor of its own
def test_recording_is_fast_enough_for_a_request_path(monitor: PerformanceMonitor) -> None:
    labels = {"service": "api", "endpoint": "/users", "environment": "production"}
    monitor.record_performance_metric("wait_ms", 1.0, labels)
    begin = time.process_time()
    for _ in range(20_000):
        monitor.record_performance_metric("wait_ms", 1.0, labels)
    assert (time.process_time() - begin) / 20_000 < 50e-6


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_the_child_of_a_fork_counts_from_zero_and_exports_for_itself(tmp_path: Path) -> None:
    code = """
        import os, sys
        from genesis_performance.export.sinks.memory import MemorySink
        from genesis_performance.monitor import PerformanceMonitor
        from genesis_performance.operations import Recorder, register

        sink = MemorySink()
        monitor = PerformanceMonitor(service_name="api", sink=sink)
        recorder = Recorder()
        register(recorder)
        def work(times):
            for _ in range(times):
                monitor.record_performance_metric("wait_ms", 1.0)
                with recorder.operation("pay"):
                    pass
        work(5)
        monitor.create_response_time_alert("api", 500)
        assert monitor.flush(60)
        pid = os.fork()
        if not pid:
            sink.series.clear()
            work(2)
            ok = monitor.flush(60)
            ok = ok and sink.value("wait_ms").count == 2
            ok = ok and sink.value("operation/count", status="ok").real == 2
            ok = ok and monitor.check_performance_thresholds() == []
            os._exit(0 if ok else 7)
        assert os.waitpid(pid, 0)[1] == 0
        work(1)
        assert monitor.flush(60)
        assert sink.value("wait_ms").count == 6
        print("fine")
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert ended.stdout.strip() == "fine", ended.stderr


class _Broken:
    """A recorder whose snapshots can not be read."""

    start_unix_ns = 0

    def snapshots(self) -> list[object]:
        raise RuntimeError("torn")

    def reset(self) -> None: ...


def test_a_broken_recorder_does_not_stop_the_others(
    monitor: PerformanceMonitor, sink: MemorySink, operations: Operations, caplog: pytest.LogCaptureFixture
) -> None:
    broken = _Broken()
    register(broken)  # type: ignore[arg-type]
    operations.run("pay", 5)
    assert monitor.flush(60)
    assert sink.value("operation/count", operation="pay", status="ok") == 1
    assert "operations are missing: RuntimeError: torn" in caplog.text


def test_a_sandbox_without_process_figures_still_exports_operations(
    monitor: PerformanceMonitor, sink: MemorySink, operations: Operations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "psutil", None)
    operations.run("pay", 5)
    assert monitor.flush(60)
    assert sink.value("operation/count", operation="pay", status="ok") == 1


def test_a_clock_that_is_set_back_dates_no_point_before_another(
    monitor: PerformanceMonitor, sink: MemorySink, clock: FakeClock
) -> None:
    monitor.record_performance_metric("wait_ms", 1.0)
    monitor.flush(60)
    ends = []
    for _ in range(2):
        (series,) = [one for key, one in sink.series.items() if key[0] == "wait_ms"]
        ends.append(series.points[0].end_unix_ns)
        clock._unix_ns -= 3_000_000_000
        monitor.flush(60)
    assert ends[0] < ends[1]


def test_a_signal_that_records_while_recording_does_not_deadlock(monitor: PerformanceMonitor) -> None:
    with monitor._open().buffer._lock:
        monitor.record_performance_metric("wait_ms", 1.0)
    assert monitor.health()["recorded"] == 1


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs interval timers")
def test_a_signal_handler_that_records_and_flushes_in_the_middle_of_anything(
    monitor: PerformanceMonitor, sink: MemorySink
) -> None:
    monitor.start()
    handled = 0

    def handle(_number: int, _frame: object) -> None:
        nonlocal handled
        handled += 1
        monitor.record_performance_metric("in_handler", 1.0, {"n": chr(97 + handled % 26)})
        if handled % 10 == 0:
            monitor._open().exporter.begin_flush(1, final=False)

    previous = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    try:
        for number in range(20_000):
            labels = {"a": f"{chr(97 + number % 26)}{chr(97 + number // 26 % 26)}"}
            monitor.record_performance_metric("in_main", 1.0, labels)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert handled > 0
    assert monitor.flush(60)
    counts = [one.points[0].value.count for (name, _), one in sink.series.items() if name == "in_main"]  # type: ignore[union-attr]
    assert sum(counts) == 20_000
