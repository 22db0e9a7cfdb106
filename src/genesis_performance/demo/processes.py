"""The demo's child processes: started, waited for, asked to end, and never left behind."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..errors import GenesisPerformanceError

READY_TIMEOUT_S = 120.0  # a busy machine imports slowly
STOP_TIMEOUT_S = 10.0


class ProcessError(GenesisPerformanceError):
    """A child process did not start, or ended too early."""


class WebProcess:
    """A web server in a process of its own on a loopback port."""

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        port: int,
        environment: Mapping[str, str],
        folder: Path,
    ) -> None:
        self.name = name
        self.port = port
        self._log = folder / f"{name}.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, *arguments],
                stdin=subprocess.PIPE,  # its end tells the child that we are gone
                stdout=log,
                stderr=log,
                env=dict(environment),
                start_new_session=True,  # Ctrl+C is for us; we end the child
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def wait_until_ready(self, path: str, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Wait until ``path`` answers 200.

        Raises:
            ProcessError: it ended, or did not answer in time.
        """
        ends = time.monotonic() + timeout_s
        while time.monotonic() < ends:
            if not self.is_running:
                raise ProcessError(f"{self.name} ended at once: {self.last_words()}")
            if _answers(self.port, path):
                return
            time.sleep(0.1)
        raise ProcessError(f"{self.name} did not answer on port {self.port} in {timeout_s:.0f} s")

    def stop(self) -> None:
        """Ask it to end, and end it if it does not; a second call does nothing."""
        if self.is_running:
            self._process.terminate()
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()

    def last_words(self) -> str:
        """The last line that it wrote."""
        lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"


def free_port() -> int:
    """A loopback port that nobody has now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def child_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Our own environment with ``variables``, without settings of the user's that would change the demo."""
    kept = {name: value for name, value in os.environ.items() if not _is_setting(name)}
    return {**kept, **variables}


def _is_setting(name: str) -> bool:
    ours = name.startswith(("GENESIS_PERF_", "PERFORMANCE_")) and name != "GENESIS_PERF_PURE_PYTHON"
    return ours or name in {
        "GCP_PROJECT_ID",
        "GOOGLE_CLOUD_PROJECT",
        "SECRET_CACHE_STRATEGY",
        "SECRET_CACHE_TTL",
    }


def _answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
