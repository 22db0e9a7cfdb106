"""A process whose sink can not be reached: ``close()`` says what is not sent, and what becomes of it."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator

import pytest

from genesis_performance import config
from genesis_performance.monitor import PerformanceMonitor

Closed = Callable[..., PerformanceMonitor]


@pytest.fixture
def silent_url() -> Iterator[str]:
    """Somebody who takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch, silent_url: str) -> Closed:
    """Makes a monitor that has recorded two series and was closed."""

    def make(*, buffer: str = "mapped", url: str = silent_url) -> PerformanceMonitor:
        monkeypatch.setenv("GENESIS_PERF__MONITORING__SINK", "otlp")
        monkeypatch.setenv("GENESIS_PERF__MONITORING__BUFFER", buffer)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        config.reset()
        monitor = PerformanceMonitor(service_name="shop")
        monitor.record_performance_metric("wait_ms", 5.0)
        monitor.gauge("depth").set(4)
        assert not monitor.close(0.3)
        return monitor

    return make


def said(caplog: pytest.LogCaptureFixture) -> str:
    """The one warning."""
    (line,) = [
        one.getMessage()
        for one in caplog.records
        if one.levelno == logging.WARNING and "not sent at the end" in one.getMessage()
    ]
    return line


def test_what_a_silent_sink_did_not_take_is_kept_for_the_next_process(
    closed: Closed, caplog: pytest.LogCaptureFixture
) -> None:
    closed()
    line = said(caplog)
    assert "of 2 series are not sent" in line or "of 3 series are not sent" in line  # with our own memory
    assert "sent by the next process" in line


def test_on_the_heap_it_is_lost(closed: Closed, caplog: pytest.LogCaptureFixture) -> None:
    closed(buffer="heap")
    assert said(caplog).endswith("they were kept in memory and are lost")


def test_why_is_in_the_health_and_in_the_warning(closed: Closed, caplog: pytest.LogCaptureFixture) -> None:
    error = closed().health()["last_error"]
    assert error
    assert error in said(caplog)


def test_nobody_who_listens_is_said_too(closed: Closed, caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
    error = closed(url=url).health()["last_error"]
    assert error
    assert error in said(caplog)


def test_what_was_sent_is_not_warned_of(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("GENESIS_PERF__MONITORING__SINK", "memory")
    config.reset()
    monitor = PerformanceMonitor(service_name="shop")
    monitor.record_performance_metric("wait_ms", 5.0)
    assert monitor.close(60)
    assert "not sent at the end" not in caplog.text
    assert monitor.health()["last_error"] is None
