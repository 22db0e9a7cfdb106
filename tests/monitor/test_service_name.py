"""Under which service a monitor sends."""

import pytest

from genesis_performance import config
from genesis_performance.monitor import PerformanceMonitor

from .conftest import FakeClock, Operations


@pytest.fixture
def _named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "shop")
    config.reset()


def services(monitor: PerformanceMonitor, clock: FakeClock) -> set[str | None]:
    return {dict(one.labels).get("service") for one in monitor._open().observe(clock.unix_ns())}


@pytest.mark.usefixtures("_named")
def test_it_is_the_one_of_opentelemetrys_variable(clock: FakeClock, operations: Operations) -> None:
    with PerformanceMonitor(clock=clock) as monitor:
        operations.run("pay", 5)
        monitor.record_performance_metric("wait_ms", 1.0)
        assert services(monitor, clock) == {"shop"}


@pytest.mark.usefixtures("_named")
def test_the_one_given_in_code_comes_first(clock: FakeClock, operations: Operations) -> None:
    with PerformanceMonitor(service_name="api", clock=clock) as monitor:
        operations.run("pay", 5)
        assert services(monitor, clock) == {"api"}


@pytest.mark.usefixtures("_named")
def test_an_alert_of_another_service_does_not_rename_it_and_that_is_said(
    clock: FakeClock, operations: Operations, caplog: pytest.LogCaptureFixture
) -> None:
    with PerformanceMonitor(clock=clock) as monitor, caplog.at_level("INFO"):
        monitor.create_error_rate_alert("api", 2)
        operations.run("pay", 5)
        assert services(monitor, clock) == {"shop"}
    assert "looks at the service 'api'; this process sends as 'shop'" in caplog.text


def test_without_any_it_is_that_of_the_first_alert(
    clock: FakeClock, operations: Operations, caplog: pytest.LogCaptureFixture
) -> None:
    with PerformanceMonitor(clock=clock) as monitor, caplog.at_level("INFO"):
        operations.run("pay", 5)
        assert services(monitor, clock) == {"default"}
        monitor.create_error_rate_alert("api", 2)
        assert services(monitor, clock) == {"api"}
    assert "looks at the service" not in caplog.text
