from __future__ import annotations

import asyncio
import importlib
import json
import os
import subprocess
import sys
import threading

import grpc
import pytest
from google.cloud import secretmanager_v1

from genesis_performance import config, gcp
from genesis_performance.errors import ConfigurationError, MissingDependencyError, UnknownNameError
from genesis_performance.gcp import clients
from genesis_performance.gcp.clients import GLOBAL, SERVICES, client, endpoint_of

PATH = {"name": "projects/p/secrets/s"}


def use(**gcp_settings):
    config.reset(config.load(arguments={f"gcp.{key}": value for key, value in gcp_settings.items()}))


@pytest.fixture
def adc(tmp_path, monkeypatch):
    """Application default credentials of a made-up user."""
    path = tmp_path / "adc.json"
    path.write_text(
        json.dumps(
            {
                "type": "authorized_user",
                "client_id": "x",
                "client_secret": "x",
                "refresh_token": "x",
                "quota_project_id": "payer",
            }
        )
    )
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("aio", [False, True])
def test_every_service_of_the_table_has_a_client(wire, service, aio):
    async def make():
        return client(service, aio=aio)

    made = asyncio.run(make())
    assert type(made).__name__ == SERVICES[service].client.replace(
        "Client", "AsyncClient" if aio else "Client"
    )


@pytest.mark.parametrize("service", SERVICES)
def test_the_table_s_hosts_are_the_clients_own(service):
    row = SERVICES[service]
    default = getattr(importlib.import_module(row.module), row.client).DEFAULT_ENDPOINT
    assert default == f"{row.host}.googleapis.com"


def test_a_client_is_made_once(wire):
    assert client("metrics") is client("metrics")
    assert client("metrics") is not client("alert_policies")


def test_threads_share_a_client(wire):
    made = []
    threads = [threading.Thread(target=lambda: made.append(client("metrics"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(one) for one in made}) == 1


def test_each_event_loop_has_its_own_client(wire):
    wire.answers["GetSecret"] = [secretmanager_v1.Secret(name="n")]

    async def read():
        await gcp.acall("secret_manager", "get_secret", PATH)
        assert client("secret_manager", aio=True) is client("secret_manager", aio=True)

    for _ in range(3):
        asyncio.run(read())
    assert len(wire.requests) == 3


def test_clients_of_closed_loops_are_forgotten(wire):
    async def make():
        client("metrics", aio=True)

    for _ in range(5):
        asyncio.run(make())
    assert sum(1 for key in clients._clients if key[3]) == 1


def test_an_async_client_outside_a_loop_is_refused(wire):
    with pytest.raises(RuntimeError, match="no running event loop"):
        client("metrics", aio=True)


def test_after_closing_a_new_client_is_made(wire):
    wire.answers["GetSecret"] = [secretmanager_v1.Secret(name="n")]
    first = client("secret_manager")
    gcp.call("secret_manager", "get_secret", PATH)
    gcp.close_all()
    assert client("secret_manager") is not first
    assert gcp.call("secret_manager", "get_secret", PATH).name == "n"


def test_a_child_process_makes_its_own_client(wire):
    wire.answers["GetSecret"] = [secretmanager_v1.Secret(name="n")]
    # The forking process must not serve: gRPC servers do not survive a fork.
    script = f"""
import os
from genesis_performance import gcp
def read():
    return gcp.call("secret_manager", "get_secret", {PATH!r}, timeout_s=60).name
assert read() == "n"
first = gcp.client("secret_manager")
pid = os.fork()
if pid == 0:
    ok = gcp.client("secret_manager") is not first and read() == "n"
    os._exit(0 if ok else 1)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
assert gcp.client("secret_manager") is first and read() == "n"
"""
    ran = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert len(wire.requests) == 3


def test_calls_carry_our_user_agent_and_the_routing_header(wire):
    wire.answers["GetSecret"] = [secretmanager_v1.Secret()]
    gcp.call("secret_manager", "get_secret", PATH)
    assert wire.metadata[0]["user-agent"].startswith("genesis-performance/")
    assert wire.metadata[0]["x-goog-request-params"] == "name=projects/p/secrets/s"


def test_the_emulator_gets_no_credentials(wire, adc):
    wire.answers["GetSecret"] = [secretmanager_v1.Secret()]
    gcp.call("secret_manager", "get_secret", PATH)
    assert "authorization" not in wire.metadata[0]


def test_an_emulator_elsewhere_is_warned_about(caplog):
    use(emulator="emulator.internal:9090")
    client("metrics")
    assert "plain text" in caplog.text


@pytest.mark.parametrize("aio", [False, True])
def test_without_the_emulator_the_client_is_google_s_over_tls(adc, aio):
    use(quota_project="payer")

    async def make():
        return client("metrics", aio=aio)

    made = asyncio.run(make())
    assert made.transport.host == "monitoring.googleapis.com:443"
    assert made.transport._credentials.quota_project_id == "payer"


def test_messages_of_any_size_and_our_options_reach_the_channel(adc, monkeypatch):
    seen = {}
    real = grpc.secure_channel

    def spy(target, credentials, options=None, **rest):
        seen.update(target=target, options=dict(options))
        return real(target, credentials, options=options, **rest)

    monkeypatch.setattr(grpc, "secure_channel", spy)
    client("secret_manager")
    assert seen["target"] == "secretmanager.googleapis.com:443"
    assert seen["options"]["grpc.max_receive_message_length"] == -1
    assert seen["options"]["grpc.keepalive_time_ms"] == 60_000
    assert seen["options"]["grpc.primary_user_agent"].startswith("genesis-performance/")


def test_location_and_universe_make_the_host_name():
    assert endpoint_of("secret_manager") == "secretmanager.googleapis.com"
    assert endpoint_of("secret_manager", "europe-west3") == "secretmanager.europe-west3.rep.googleapis.com"
    use(location="europe-west3", universe_domain="example.cloud")
    assert endpoint_of("secret_manager") == "secretmanager.europe-west3.rep.example.cloud"
    assert endpoint_of("secret_manager", GLOBAL) == "secretmanager.example.cloud"
    assert endpoint_of("metrics") == "monitoring.example.cloud"


def test_strict_residency_refuses_global_endpoints():
    use(location="europe-west3", residency="strict")
    assert "europe-west3.rep" in endpoint_of("secret_manager")
    with pytest.raises(ConfigurationError, match="residency is 'strict'"):
        client("metrics")
    with pytest.raises(ConfigurationError, match=r"set gcp\.location"):
        endpoint_of("secret_manager", GLOBAL)


def test_strict_residency_is_checked_with_the_emulator_too(wire):
    use(emulator=wire.address, residency="strict")
    with pytest.raises(ConfigurationError, match="residency"):
        gcp.call("metrics", "list_time_series", {"name": "projects/p"})


def test_an_endpoint_of_one_s_own_is_reached_over_tls(adc):
    assert (
        client("metrics", endpoint="monitoring.private.test").transport.host == "monitoring.private.test:443"
    )


def test_an_unknown_service_is_named_with_the_known_ones():
    with pytest.raises(UnknownNameError, match="secret_manager"):
        client("secrets")


def test_a_missing_package_is_named_with_its_extra(wire, monkeypatch):
    monkeypatch.setitem(sys.modules, "google.cloud.recommender_v1", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'genesis-performance\[emulator\]'"):
        client("recommender")


def test_the_withdrawn_grpcio_is_refused(wire, monkeypatch):
    monkeypatch.setattr(grpc, "__version__", "1.78.1")
    with pytest.raises(ConfigurationError, match=r"1\.78\.1 hangs"):
        client("metrics")


def test_importing_the_door_loads_no_google_package():
    script = (
        "import sys, genesis_performance.gcp, genesis_performance.secrets\n"
        "heavy = {'grpc', 'google.auth', 'google.api_core', 'google.protobuf'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
