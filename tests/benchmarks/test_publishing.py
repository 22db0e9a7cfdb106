"""Results on their way to Cloud Monitoring without any monitor of the host's."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from genesis_performance import config
from genesis_performance.benchmarks import BenchmarkConfig, PerformanceBenchmarks, publishing
from genesis_performance.gcp import close_all, each
from genesis_performance.storage import open_store

if TYPE_CHECKING:
    from genesis_performance.emulator import RunningEmulator


@pytest.fixture
def cloud(
    genesis_emulator: "RunningEmulator", monkeypatch: pytest.MonkeyPatch
) -> Iterator["RunningEmulator"]:
    monkeypatch.setattr(publishing, "_publishers", {})
    config.reset()
    yield genesis_emulator
    for one in publishing._publishers.values():
        one.exporter.close(5)
    close_all()
    config.reset()


def counts(project: str) -> dict[str, int]:
    """Values of each benchmark metric that the project holds."""
    found = {}
    for name in ("median", "avg", "p95", "p99"):
        request = {
            "name": f"projects/{project}",
            "filter": f'metric.type = "custom.googleapis.com/genesis.performance/benchmark_{name}_ms"',
            "interval": {
                "start_time": {"seconds": int(time.time()) - 3600},
                "end_time": {"seconds": int(time.time()) + 60},
            },
        }
        for one in each("metrics", "list_time_series", request):
            key = f"{name} of {one.metric.labels['benchmark']}"
            found[key] = one.points[0].value.distribution_value.count
    return found


def test_metrics_of_two_benchmarks_objects_reach_cloud_monitoring_without_a_monitor(
    cloud: "RunningEmulator", tmp_path: Path
) -> None:
    with open_store(f"sqlite:///{tmp_path}/history.db") as store:
        for _ in range(2):
            benchmarks = PerformanceBenchmarks(store)
            benchmarks.register_benchmark(
                BenchmarkConfig(
                    benchmark_name="sums",
                    target_function=lambda: sum(range(1000)),
                    measurement_iterations=3,
                    gcp_project_id="bench-project",
                    enable_cloud_monitoring=True,
                )
            )
            result = benchmarks.run_benchmark_sync("sums")
            assert not any("not sent" in note for note in result.notes)
    assert publishing._publishers["bench-project"].exporter.flush(60)
    assert counts("bench-project") == {f"{name} of sums": 2 for name in ("median", "avg", "p95", "p99")}


def test_the_project_of_the_settings_is_used_where_none_is_given(
    cloud: "RunningEmulator", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p")
    config.reset()
    assert publishing.publisher(None) is publishing.publisher("p")
