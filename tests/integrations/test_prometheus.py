"""The endpoint that Prometheus scrapes."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from genesis_performance import config
from genesis_performance.integrations.prometheus import PrometheusEndpoint
from genesis_performance.monitor import PerformanceMonitor
from genesis_performance.profiler import PerformanceProfiler


@pytest.fixture
def monitor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[PerformanceMonitor]:
    monkeypatch.setenv("GENESIS_PERF__MONITORING__BUFFER_DIR", str(tmp_path / "buffer"))
    monkeypatch.setenv("GENESIS_PERF__MONITORING__SINK", "none")
    config.reset()
    with PerformanceMonitor(service_name="shop", metric_prefix="shop") as monitor:
        yield monitor


def scraped(text: str, name: str) -> list[float]:
    """The values of a metric's lines."""
    lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    return [float(value) for series, _, value in lines if series.partition("{")[0] == name]


def wsgi(endpoint: PrometheusEndpoint) -> tuple[str, dict[str, str], str]:
    started: list[Any] = []
    body = b"".join(endpoint.wsgi({}, lambda *given: started.extend(given)))
    return started[0], dict(started[1]), body.decode()


def test_operations_and_recorded_metrics_are_scraped(monitor: PerformanceMonitor) -> None:
    profiler = PerformanceProfiler()
    with profiler.profile_context("pay"):
        pass
    monitor.counter("orders").add(3)
    monitor.record_performance_metric("queue_ms", 7.0, {"queue": "mail"})
    status, headers, text = wsgi(PrometheusEndpoint(monitor))
    assert (status, headers["Content-Type"]) == ("200 OK", "text/plain; version=0.0.4; charset=utf-8")
    assert scraped(text, "shop_orders_total") == [3]
    assert scraped(text, "shop_queue_ms_count") == [1]
    assert scraped(text, "shop_operation_duration_count") == [1]


async def test_it_answers_as_an_asgi_application(monitor: PerformanceMonitor) -> None:
    monitor.counter("orders").add(2)
    sent: list[Any] = []

    async def send(part: Any) -> None:
        sent.append(part)

    async def receive() -> Any:
        raise AssertionError("a scrape has no body")

    await PrometheusEndpoint(monitor)({"type": "http"}, receive, send)
    assert sent[0]["status"] == 200
    assert scraped(sent[1]["body"].decode(), "shop_orders_total") == [2]


def test_a_worker_that_ended_still_counts(monitor: PerformanceMonitor) -> None:
    monitor.counter("orders").add(1)
    child = os.fork()
    if not child:
        monitor.counter("orders").add(5)
        os._exit(0)
    os.waitpid(child, 0)
    assert scraped(monitor.prometheus_text(), "shop_orders_total") == [6]


def test_after_the_end_a_scrape_fails_and_raises_nothing(monitor: PerformanceMonitor) -> None:
    monitor.close()
    status, _, text = wsgi(PrometheusEndpoint(monitor))
    assert (status, text) == ("503 Service Unavailable", "# StateError\n")
