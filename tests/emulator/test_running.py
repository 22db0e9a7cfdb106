from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time

import grpc
import pytest
from google.api_core import exceptions
from google.cloud import secretmanager_v1

from genesis_performance.emulator import dependencies, running_emulator, spawn_emulator
from genesis_performance.emulator.rpc_error import RpcError
from genesis_performance.emulator.services.secret_manager import SecretManagerService
from genesis_performance.errors import EmulatorError, MissingDependencyError

GET = "google.cloud.secretmanager.v1.SecretManagerService/GetSecret"


def _client(channel, cls=secretmanager_v1.SecretManagerServiceClient):
    return cls(transport=cls.get_transport_class("grpc")(channel=channel))


def test_two_emulators_in_one_process_share_nothing():
    with running_emulator() as one, running_emulator() as two:
        with grpc.insecure_channel(one.grpc) as channel, pytest.raises(exceptions.GoogleAPICallError):
            _client(channel).get_secret(name="projects/p/secrets/s")
        assert one.calls() == {GET: 1}
        assert two.calls() == {}


async def test_the_async_client_of_the_same_process_is_served(genesis_emulator):
    cls = secretmanager_v1.SecretManagerServiceAsyncClient
    async with grpc.aio.insecure_channel(genesis_emulator.grpc) as channel:
        client = cls(transport=cls.get_transport_class("grpc_asyncio")(channel=channel))
        answers = await asyncio.gather(
            *(client.get_secret(name="projects/p/secrets/s") for _ in range(20)), return_exceptions=True
        )
    assert all(isinstance(answer, exceptions.GoogleAPICallError) for answer in answers)


def test_after_the_block_nothing_listens(genesis_emulator):
    with running_emulator() as emulator:
        ports = [int(address.rpartition(":")[2]) for address in (emulator.grpc, emulator.http)]
    for port in ports:
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.parametrize("front", ["port", "http_port"])
def test_a_taken_port_is_named_with_the_remedy(front):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        remedy = f"port {port} .* is taken .* --{front.replace('_', '-')}"
        with pytest.raises(EmulatorError, match=remedy), running_emulator(**{front: port}):
            pass


def test_two_emulators_never_share_a_port(genesis_emulator):
    port = int(genesis_emulator.grpc.rpartition(":")[2])
    with pytest.raises(EmulatorError, match="is taken"), running_emulator(port=port):
        pass


def test_a_bug_in_a_service_answers_internal_without_the_text_of_the_exception(monkeypatch):
    def bug(*_):
        raise RuntimeError("payload: hunter2")

    monkeypatch.setattr(SecretManagerService, "GetSecret", bug)
    with running_emulator() as emulator:
        with (
            grpc.insecure_channel(emulator.grpc) as channel,
            pytest.raises(exceptions.InternalServerError) as answered,
        ):
            _client(channel).get_secret(name="projects/p/secrets/s")
        assert "hunter2" not in str(answered.value)
        assert "RuntimeError" in str(answered.value)
        assert emulator.cloud.internal_errors == 1


def test_details_of_an_error_reach_the_client(genesis_emulator):
    from google.rpc import error_details_pb2

    def take(_method):
        raise RpcError("INVALID_ARGUMENT", "bad: ümlaut", [error_details_pb2.ErrorInfo(reason="WHY")])

    genesis_emulator.cloud.faults.take = take
    with (
        grpc.insecure_channel(genesis_emulator.grpc) as channel,
        pytest.raises(exceptions.InvalidArgument, match="bad: ümlaut") as answered,
    ):
        _client(channel).get_secret(name="projects/p/secrets/s")
    assert answered.value.details[0].reason == "WHY"


def test_a_spawned_emulator_serves_until_it_is_stopped():
    with (
        spawn_emulator() as emulator,
        grpc.insecure_channel(emulator.grpc) as channel,
        pytest.raises(exceptions.NotFound),
    ):
        _client(channel).get_secret(name="projects/p/secrets/s")
    assert emulator.process.returncode == 0


def test_a_spawned_emulator_ends_with_the_process_that_spawned_it():
    script = (
        "from genesis_performance.emulator import spawn_emulator\n"
        "import os, signal\n"
        "print(spawn_emulator().grpc, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    parent = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert parent.returncode == -signal.SIGKILL
    port = int(parent.stdout.strip().rpartition(":")[2])
    deadline = time.monotonic() + 60
    with socket.socket() as probe:
        while probe.connect_ex(("127.0.0.1", port)) == 0:
            probe.close()
            probe = socket.socket()
            assert time.monotonic() < deadline, "the emulator outlived its parent"
            time.sleep(0.02)
        probe.close()


def test_a_spawned_emulator_that_can_not_start_says_why():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(EmulatorError, match=r"did not start: port \d+ .* is taken"):
            spawn_emulator(port=taken.getsockname()[1])


def test_workers_forked_beside_a_spawned_emulator_reach_it():
    script = (
        "import os, sys, grpc\n"
        "from google.api_core import exceptions\n"
        "from google.cloud import secretmanager_v1\n"
        "from genesis_performance.emulator import spawn_emulator\n"
        "cls = secretmanager_v1.SecretManagerServiceClient\n"
        "with spawn_emulator() as emulator:\n"
        "    pid = os.fork()\n"
        "    if pid == 0:\n"
        "        channel = grpc.insecure_channel(emulator.grpc)\n"
        "        client = cls(transport=cls.get_transport_class('grpc')(channel=channel))\n"
        "        try: client.get_secret(name='projects/p/secrets/s')\n"
        "        except exceptions.NotFound: os._exit(0)\n"
        "        os._exit(1)\n"
        "    sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=120).returncode == 0


def test_the_fixture_points_the_environment_at_the_emulator(genesis_emulator):
    assert os.environ["GENESIS_PERF_EMULATOR"] == genesis_emulator.grpc
    assert os.environ["GENESIS_PERF_EMULATOR_HTTP"] == genesis_emulator.http


def test_missing_packages_are_named_with_the_line_that_installs_them(monkeypatch):
    monkeypatch.setattr(dependencies, "MODULES", ("grpc", "absent_here", "absent_here.too"))
    with pytest.raises(
        MissingDependencyError, match=r"absent_here, .*pip install 'genesis-performance\[emulator\]'"
    ):
        spawn_emulator()
