"""No test sees the settings, recorders or working directory of another."""

import contextlib
import random
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from genesis_performance import config
from genesis_performance.operations import registry

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
