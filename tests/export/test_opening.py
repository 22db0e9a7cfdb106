import os
import sys

import pytest

from genesis_performance.errors import ConfigurationError, MissingDependencyError
from genesis_performance.export.catalog import OPERATION_COUNT
from genesis_performance.export.clock import SystemClock
from genesis_performance.export.limits import Complaints, SeriesBudget
from genesis_performance.export.messages import descriptor_request
from genesis_performance.export.opening import open_sink
from genesis_performance.export.process_series import ProcessSeries
from genesis_performance.export.resource import generic_task, task_id
from genesis_performance.export.sinks.memory import MemorySink
from genesis_performance.export.sinks.none import NoSink

from ..conftest import FakeClock


def opened(name: str, project: str | None = None) -> object:
    return open_sink(
        name, project=project, prefix="p", service="s", environment="e", location=None, clock=SystemClock()
    )


def test_auto_is_memory_without_a_project_and_cloud_monitoring_with_one() -> None:
    assert isinstance(opened("auto"), MemorySink)
    assert type(opened("auto", "p")).__name__ == "CloudMonitoringSink"


def test_none_sends_nothing() -> None:
    sink = opened("none")
    assert isinstance(sink, NoSink)
    assert sink.write([], timeout_s=1).is_complete


def test_cloud_monitoring_without_a_project_says_what_to_set() -> None:
    with pytest.raises(ConfigurationError, match="GOOGLE_CLOUD_PROJECT"):
        opened("cloud_monitoring")


def test_cloud_monitoring_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "google.cloud.monitoring_v3.types", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'genesis-performance\[gcp\]'"):
        descriptor_request("p", "x", OPERATION_COUNT, ())


def test_a_sink_that_does_not_exist_is_refused_in_words() -> None:
    with pytest.raises(ConfigurationError, match="known are"):
        opened("statsd")


def test_otlp_is_opened_for_the_endpoint_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
    assert type(opened("otlp")).__name__ == "OtlpSink"


def test_task_ids_are_unique_and_name_the_process() -> None:
    first, second = task_id(), task_id()
    assert first != second
    assert str(os.getpid()) in first


@pytest.mark.parametrize(
    ("location", "sent"),
    [
        ("europe-west3", "europe-west3"),
        ("us-central1-a", "us-central1-a"),
        (None, "global"),
        ("Mars", "global"),
    ],
)
def test_the_location_is_a_region_or_global(location: str | None, sent: str) -> None:
    assert generic_task(project="p", location=location, namespace="e", job="s")["location"] == sent


def test_the_cpu_of_the_process_needs_two_looks(clock: FakeClock) -> None:
    subject = ProcessSeries((("service", "s"),), monotonic=clock.monotonic)
    assert [one.metric.name for one in subject.series(1)] == ["process/memory_bytes"]
    clock.advance(10)
    memory, cpu = subject.series(2)
    assert memory.points[0].value > 1e6  # type: ignore[operator]
    assert 0 <= cpu.points[0].value < 10  # type: ignore[operator]
    assert cpu.points[0].start_unix_ns is None


def test_a_budget_is_not_overdrawn() -> None:
    budget = SeriesBudget(4)
    assert budget.take(3)
    assert not budget.take(2)
    assert budget.take()
    assert not budget.take()


def test_complaints_say_how_many_were_not_said(clock: FakeClock, caplog: pytest.LogCaptureFixture) -> None:
    import logging

    complaints = Complaints(logging.getLogger("test"), clock=clock.monotonic)
    for _ in range(5):
        complaints.add("reason", "it is %s", "wrong")
    clock.advance(61)
    complaints.add("reason", "it is %s", "wrong")
    assert [record.getMessage() for record in caplog.records] == [
        "it is wrong",
        "it is wrong (and 4 more since the last such line)",
    ]
    assert complaints.counts["reason"] == 6


def test_a_log_handler_that_raises_does_not_reach_the_host() -> None:
    import logging

    class Raises(logging.Logger):
        def warning(self, *_args: object, **_named: object) -> None:
            raise RuntimeError

    complaints = Complaints(Raises("x"))
    complaints.add("reason", "text")
    assert complaints.counts["reason"] == 1
