"""The servers that people deploy, started for real, against an emulator in a process of its own."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from genesis_performance import config, gcp
from genesis_performance.emulator import SpawnedEmulator, spawn_emulator

APPS = Path(__file__).with_name("servers")
ACCESS = "google.cloud.secretmanager.v1.SecretManagerService/AccessSecretVersion"
START_TIMEOUT_S = 120.0
ANSWER_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 60.0
SECRETS = {"api-key": b"k-123", "db-password": b"hunter2", "slow": b"s-1"}


class Server:
    """A server's process, with the port that it listens on."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process = process
        self.port = port
        self._log = log

    def get(self, path: str = "/") -> dict[str, object]:
        with urllib.request.urlopen(
            f"http://127.0.0.1:{self.port}{path}", timeout=ANSWER_TIMEOUT_S
        ) as answer:
            return json.loads(answer.read())

    def workers(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def said(self) -> str:
        return self._log.read_text(errors="replace")

    def await_start(self) -> None:
        until(lambda: self.process.poll() is not None or self._answers(), START_TIMEOUT_S)
        assert self.process.poll() is None, self.said()
        assert self._answers(), self.said()

    def stop(self) -> int:
        """SIGTERM as Cloud Run sends it; the exit code, with every worker gone."""
        workers = self.workers()
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(STOP_TIMEOUT_S)
        _gone, alive = psutil.wait_procs(workers, timeout=60)
        assert not alive
        return code

    def _answers(self) -> bool:
        try:
            return bool(self.get())
        except (OSError, http.client.HTTPException, ValueError):
            return False


def until(condition: Callable[[], object], timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)


@pytest.fixture(scope="module")
def emulator() -> Iterator[SpawnedEmulator]:
    """With the secrets in it; a module of servers asks it, each counting its own calls."""
    with spawn_emulator() as running, pytest.MonkeyPatch.context() as patch:
        patch.setenv("GENESIS_PERF_EMULATOR", running.grpc)
        config.reset()
        for name, payload in SECRETS.items():
            secret = {"replication": {"automatic": {}}}
            parent = {"parent": "projects/p", "secret_id": name, "secret": secret}
            gcp.call("secret_manager", "create_secret", parent)
            version = {"parent": f"projects/p/secrets/{name}", "payload": {"data": payload}}
            gcp.call("secret_manager", "add_secret_version", version)
        gcp.close_all()
        config.reset()
        yield running


@pytest.fixture
def calls(emulator: SpawnedEmulator) -> Callable[[], int]:
    """How often the emulator was asked for a payload since the test began."""

    def counted() -> int:
        with urllib.request.urlopen(f"http://{emulator.http}/control/calls") as answer:
            return json.loads(answer.read()).get(ACCESS, 0)

    before = counted()
    return lambda: counted() - before


@pytest.fixture
def late(emulator: SpawnedEmulator) -> Iterator[Callable[[float], None]]:
    """Makes the next read of a payload take that long."""

    def control(method: str, body: dict[str, object] | None = None) -> None:
        data = None if body is None else json.dumps(body).encode()
        address = f"http://{emulator.http}/control/faults"
        urllib.request.urlopen(urllib.request.Request(address, data, method=method)).close()

    yield lambda delay_s: control("POST", {"method": ACCESS, "delay_ms": delay_s * 1000, "times": 1})
    control("DELETE")


@pytest.fixture
def serve(
    emulator: SpawnedEmulator, tmp_path: Path, free_port: Callable[[], int]
) -> Iterator[Callable[..., Server]]:
    """Starts ``python -m COMMAND``, PORT in it replaced, and waits until it answers."""
    started: list[Server] = []

    def start(*command: str, **variables: str) -> Server:
        port = free_port()
        log = tmp_path / f"server-{port}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", *(part.replace("PORT", str(port)) for part in command)],
                cwd=APPS,
                env=os.environ
                | {
                    "GENESIS_PERF_EMULATOR": emulator.grpc,
                    "XDG_RUNTIME_DIR": str(tmp_path),
                }  # gunicorn's socket
                | variables,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        started.append(Server(process, port, log))
        started[-1].await_start()
        return started[-1]

    yield start
    for server in started:
        with contextlib.suppress(psutil.NoSuchProcess):
            left = [*server.workers(), psutil.Process(server.process.pid)]
            for process in left:
                process.kill()
        server.process.wait(STOP_TIMEOUT_S)


def gunicorn(serve: Callable[..., Server], *options: str, **variables: str) -> Server:
    named = ("--bind", "127.0.0.1:PORT", "--graceful-timeout", "5", *options)
    return serve("gunicorn", "--preload", "--workers", "2", *named, "prefork:app", **variables)


def answers_of_both_workers(server: Server, path: str = "/") -> dict[object, dict[str, object]]:
    """By process id; the kernel decides which worker answers, so it is asked until both have."""
    said: dict[object, dict[str, object]] = {}

    def ask() -> bool:
        answer = server.get(path)
        said[answer["pid"]] = answer
        return len(said) >= 2

    until(ask, ANSWER_TIMEOUT_S)
    return said


def test_gunicorn_workers_go_on_with_what_was_read_before_the_fork(serve, calls):
    server = gunicorn(serve)
    said = answers_of_both_workers(server)
    assert len(said) == 2
    assert server.process.pid not in said
    assert {answer["value"] for answer in said.values()} == {"k-123"}
    assert calls() == 1, "the master read it; the workers did not have to"
    fresh = answers_of_both_workers(server, "/fresh")
    assert {answer["value"] for answer in fresh.values()} == {"k-123"}
    assert all(answer["refreshing"] for answer in fresh.values()), "the thread starts anew in each worker"
    assert calls() >= 3
    assert server.stop() == 0


def test_uvicorn_serves_secrets_and_ends_on_sigterm(serve, calls):
    server = serve("uvicorn", "asgi:app", "--host", "127.0.0.1", "--port", "PORT")
    for _ in range(3):
        answer = server.get()
        assert answer["value"] == "k-123"
        assert answer["batch"] == {"api-key": "k-123", "db-password": "hunter2"}
    assert calls() == 2
    assert server.get("/fresh")["value"] == "k-123"
    assert calls() == 3
    assert server.stop() in (0, -signal.SIGTERM)  # it stops cleanly and then sends itself the signal
    assert "Traceback" not in server.said()
    assert "Application shutdown complete" in server.said()


@pytest.mark.parametrize(
    ("source", "options"),
    [("function_sync.py", ()), ("function_async.py", ("--asgi",))],
    ids=["sync", "async"],
)
def test_functions_framework_serves_secrets_and_ends_on_sigterm(serve, calls, source, options):
    server = serve(
        "functions_framework", "--target", "handle", "--source", source,
        "--host", "127.0.0.1", "--port", "PORT", *options,
    )  # fmt: skip
    answers = [server.get() for _ in range(3)]
    assert [answer["value"] for answer in answers] == ["k-123"] * 3
    assert server.process.pid not in {answer["pid"] for answer in answers}, "a forked worker serves"
    assert calls() == 1
    assert server.get("/?fresh=1")["value"] == "k-123"
    assert calls() == 2
    assert server.stop() == 0
    assert "Traceback" not in server.said()


@pytest.mark.slow
def test_a_worker_that_dies_is_replaced_by_one_that_reads(serve):
    server = gunicorn(serve)
    first = answers_of_both_workers(server)
    os.kill(min(first), signal.SIGKILL)
    seen: set[object] = set()
    until(lambda: seen.add(server.get("/fresh")["pid"]) or seen - set(first), ANSWER_TIMEOUT_S)
    assert seen - set(first)
    assert server.stop() == 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sync", "gthread"])
def test_sixty_four_requests_at_once_are_all_answered(serve, kind):
    """With a lifetime so short that reads, refreshes and hits mix in every worker."""
    server = gunicorn(serve, "--worker-class", kind, "--threads", "8", TTL_S="0.2")
    values: list[object] = []

    def ask() -> None:
        values.extend(server.get(path)["value"] for path in ["/", "/fresh"] * 8)

    threads = [threading.Thread(target=ask) for _ in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert values == ["k-123"] * (64 * 16)
    assert server.stop() == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gunicorn", "uvicorn"])
def test_sigterm_lets_a_request_that_reads_end(serve, calls, late, name):
    """Cloud Run gives ten seconds: the read on its way lands, its caller is answered, nothing hangs."""
    if name == "gunicorn":
        server = gunicorn(serve)
    else:
        server = serve("uvicorn", "asgi:app", "--host", "127.0.0.1", "--port", "PORT")
    late(2.0)
    answers: list[dict[str, object]] = []
    asking = threading.Thread(target=lambda: answers.append(server.get("/slow")))
    before = calls()
    asking.start()
    until(lambda: calls() > before, ANSWER_TIMEOUT_S)
    begin = time.monotonic()
    assert server.stop() in (0, -signal.SIGTERM)
    asking.join(ANSWER_TIMEOUT_S)
    assert [answer["value"] for answer in answers] == ["s-1"]
    assert time.monotonic() - begin < 8


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("--asgi",)], ids=["sync", "async"])
def test_functions_framework_with_several_workers(serve, options):
    source = "function_async.py" if options else "function_sync.py"
    server = serve(
        "functions_framework", "--target", "handle", "--source", source,
        "--host", "127.0.0.1", "--port", "PORT", *options, WORKERS="2",
    )  # fmt: skip
    assert len(answers_of_both_workers(server, "/?fresh=1")) == 2
    assert server.stop() == 0
