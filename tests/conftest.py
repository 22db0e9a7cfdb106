"""No test sees the settings, recorders or working directory of another; a clock and a cloud for tests."""

import contextlib
import random
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from genesis_performance import config
from genesis_performance.operations import registry

if TYPE_CHECKING:
    from genesis_performance.emulator import RunningEmulator

# A shell that starts the tests in the background has them, and all that they start, ignore ctrl-c.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples every time, and none that a busy machine can fail; ./run test --all draws others.
settings.register_profile(
    "random", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("same", settings.get_profile("random"), derandomize=True, database=None)
settings.load_profile("same")


@pytest.fixture
def free_port() -> Callable[[], int]:
    """Finds a port for a server of another process.

    Below those that the system hands out: nobody else is given it before the server listens.
    """

    def found() -> int:
        for port in random.Random().sample(range(20_000, 32_000), 100):
            with socket.socket() as probe, contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port
        raise AssertionError("none of 100 ports is free")

    return found


@pytest.fixture(autouse=True)
def fresh_process_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Settings read anew, no recorder registered, files written to a folder of the test's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GENESIS_PERF__MONITORING__BUFFER_DIR", str(tmp_path / ".buffer"))
    registry._recorders.clear()
    registry._memory = registry._adopt = None  # of a monitor that an earlier test left running
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

    def settle(self, is_over: Callable[[], bool] = lambda: False) -> None:
        """Until a thread has seen what time it is and waits on; or until it is over."""
        enough, patience = self._looks + 2, time.monotonic() + 60
        while self._looks < enough and not is_over():
            assert time.monotonic() < patience, "no thread waits for this clock"
            time.sleep(0.001)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def cloud(
    genesis_emulator: "RunningEmulator", monkeypatch: pytest.MonkeyPatch
) -> Iterator["RunningEmulator"]:
    """A Google Cloud of the test's own, where everything goes to the project ``p``."""
    from genesis_performance.gcp import close_all

    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p")
    monkeypatch.setenv("NO_GCE_CHECK", "true")  # no metadata server is asked for a project
    config.reset()
    yield genesis_emulator
    close_all()
    assert genesis_emulator.cloud.internal_errors == 0
