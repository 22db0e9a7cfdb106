"""Fresh settings, an empty working directory and a clock that tests move."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from genesis_performance import config
from genesis_performance.operations import Recorder, register


@pytest.fixture(autouse=True)
def _fresh_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    for name in (
        "GOOGLE_CLOUD_PROJECT",
        "GCP_PROJECT_ID",
        "GENESIS_PERF_EMULATOR",
        "GOOGLE_APPLICATION_CREDENTIALS",
    ):
        monkeypatch.delenv(name, raising=False)
    # No metadata server is asked for a project.
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.chdir(tmp_path)
    config.reset()
    yield
    config.reset()


class FakeClock:
    """Stands still until a test advances it; waiting threads see it at once."""

    def __init__(self) -> None:
        self._unix_ns = time.time_ns()
        self._monotonic = 1000.0
        self._looks = 0  # of threads that wait and have to wait on

    def unix_ns(self) -> int:
        return self._unix_ns

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        self._unix_ns += round(seconds * 1e9)
        self._monotonic += seconds

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        ends = self._monotonic + timeout_s
        while not event.wait(0.002):
            if self._monotonic >= ends:
                return False
            self._looks += 1
        return True

    def settle(self) -> None:
        """Until a thread has seen what time it is, and waits on."""
        enough, patience = self._looks + 2, time.monotonic() + 60
        while self._looks < enough:
            assert time.monotonic() < patience, "no thread waits for this clock"
            time.sleep(0.001)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


class Operations:
    """Executions of chosen durations, as a profiler's recorder keeps them."""

    def __init__(self, clock: FakeClock) -> None:
        self._now_ns = 0
        self.recorder = Recorder(clock_ns=lambda: self._now_ns, wall_clock_ns=clock.unix_ns)
        register(self.recorder)

    def run(self, name: str, duration_ms: float, times: int = 1, *, fails: bool = False) -> None:
        for _ in range(times):
            try:
                with self.recorder.operation(name):
                    self._now_ns += round(duration_ms * 1e6)
                    if fails:
                        raise LookupError
            except LookupError:
                pass


@pytest.fixture
def operations(clock: FakeClock) -> Iterator[Operations]:
    made = Operations(clock)
    yield made
    made.recorder.reset()  # it may live on in a traceback: nothing of it in the next test


def make_objective(name: str) -> None:
    """An objective in the emulator, and its service."""
    from genesis_performance.gcp import call

    service, _, objective = name.partition("/serviceLevelObjectives/")
    parent, _, service_id = service.partition("/services/")
    call(
        "service_monitoring",
        "create_service",
        {"parent": parent, "service_id": service_id, "service": {"custom": {}}},
    )
    ratio = {"good_service_filter": 'metric.type="good"', "total_service_filter": 'metric.type="all"'}
    call(
        "service_monitoring",
        "create_service_level_objective",
        {
            "parent": service,
            "service_level_objective_id": objective,
            "service_level_objective": {
                "goal": 0.999,
                "rolling_period": {"seconds": 28 * 86_400},
                "service_level_indicator": {"request_based": {"good_total_ratio": ratio}},
            },
        },
    )
