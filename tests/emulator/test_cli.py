from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys

import pytest

START = ("-m", "genesis_performance.cli.main", "emulator")


@contextlib.contextmanager
def _emulator(*arguments):
    process = subprocess.Popen(
        [sys.executable, *START, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_it_says_ready_in_one_line_and_stops_cleanly(stop):
    with _emulator("--port", "0", "--http-port", "0") as process:
        ready = json.loads(process.stdout.readline())
        assert set(ready) == {"ready", "grpc", "http"}
        assert ready["ready"] is True
        for front in ("grpc", "http"):
            host, _, port = ready[front].partition(":")
            with socket.create_connection((host, int(port))):
                pass
        process.send_signal(stop)
        rest, complaints = process.communicate(timeout=60)
    assert (process.returncode, rest, complaints) == (0, "", "")


def test_a_taken_port_ends_with_code_2_and_the_remedy():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with _emulator("--port", str(port)) as process:
            said, complaints = process.communicate(timeout=60)
    assert process.returncode == 2
    assert said == ""
    assert f"port {port} on 127.0.0.1 is taken" in complaints
    assert "--port 0 picks a free one" in complaints
    assert "Traceback" not in complaints


def test_a_port_that_is_none_is_refused():
    with _emulator("--port", "99999") as process:
        assert process.wait(60) == 2
