"""Fresh settings around every test, and a clock that tests move."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from genesis_performance import config


@pytest.fixture(autouse=True)
def _fresh_settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("GOOGLE_CLOUD_PROJECT", "GCP_PROJECT_ID", "GENESIS_PERF_EMULATOR"):
        monkeypatch.delenv(name, raising=False)
    config.reset()
    yield
    config.reset()


class FakeClock:
    """Stands still until a test advances it; waiting threads see it at once."""

    def __init__(self) -> None:
        self._unix_ns = time.time_ns()
        self._monotonic = 1000.0
        self._moved = threading.Condition()
        self._looks = 0  # of threads that wait and have to wait on

    def unix_ns(self) -> int:
        return self._unix_ns

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        with self._moved:
            self._unix_ns += round(seconds * 1e9)
            self._monotonic += seconds
            self._moved.notify_all()

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        ends = self._monotonic + timeout_s
        while not event.wait(0.002):
            if self._monotonic >= ends:
                return False
            self._looks += 1
        return True

    def settle(self, is_over: Callable[[], bool] = lambda: False) -> None:
        """Until a thread has seen what time it is and waits on; or until it is over."""
        enough, patience = self._looks + 2, time.monotonic() + 60
        while self._looks < enough and not is_over():
            assert time.monotonic() < patience, "no thread waits for this clock"
            time.sleep(0.001)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()
