from __future__ import annotations

import json
import stat
import subprocess
import sys

import grpc
import pytest
from google.cloud import monitoring_dashboard_v1, monitoring_v3, secretmanager_v1

from genesis_performance.emulator import spawn_emulator, state_file
from genesis_performance.emulator.cloud import Cloud
from genesis_performance.errors import EmulatorError

P = "projects/shop"
SECRETS = b"google.cloud.secretmanager.v1.SecretManagerService"


@pytest.fixture
def started(tmp_path):
    """``started()``: an emulator with the test's state file, and what connects clients to it."""
    running = []

    def start():
        for emulator, channel in running:
            channel.close()
            emulator.stop()
        emulator = spawn_emulator(state=tmp_path / "state.json")
        channel = grpc.insecure_channel(emulator.grpc)
        running.append((emulator, channel))
        return lambda cls: cls(transport=cls.get_transport_class("grpc")(channel=channel))

    yield start
    for emulator, channel in running:
        channel.close()
        emulator.stop()


def test_what_was_stored_is_there_after_a_restart(started):
    connect = started()
    client = connect(secretmanager_v1.SecretManagerServiceClient)
    secret = client.create_secret(parent=P, secret_id="db", secret={"replication": {"automatic": {}}})
    for payload in (b"1", b"2"):
        client.add_secret_version(parent=secret.name, payload={"data": payload})
    client.destroy_secret_version(name=f"{secret.name}/versions/1")
    channel = connect(monitoring_v3.NotificationChannelServiceClient).create_notification_channel(
        name=P,
        notification_channel=monitoring_v3.NotificationChannel(
            type="email", labels={"email_address": "a@example.com"}
        ),
    )
    dashboard = connect(monitoring_dashboard_v1.DashboardsServiceClient).create_dashboard(
        request={"parent": P, "dashboard": {"display_name": "d"}}
    )

    connect = started()
    client = connect(secretmanager_v1.SecretManagerServiceClient)
    assert client.get_secret(name=secret.name) == secret
    assert client.access_secret_version(name=f"{secret.name}/versions/latest").payload.data == b"2"
    assert client.get_secret_version(name=f"{secret.name}/versions/1").state.name == "DESTROYED"
    channels = connect(monitoring_v3.NotificationChannelServiceClient)
    assert channels.get_notification_channel(name=channel.name) == channel
    dashboards = connect(monitoring_dashboard_v1.DashboardsServiceClient)
    assert dashboards.get_dashboard(request={"name": dashboard.name}) == dashboard


def test_only_the_owner_may_read_the_file(tmp_path):
    state_file.save(Cloud(), tmp_path / "state.json")
    assert stat.S_IMODE((tmp_path / "state.json").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b'{"format": 2, "services": {}}',
        b'{"format": 1}',
        b'{"format": 1, "services": {"nobody": {}}}',
        b'{"format": 1, "services": {"%s": [{"project": 1}]}}' % SECRETS,
        b'{"format": 1, "services": {"%s": "x"}}' % SECRETS,
    ],
)
def test_a_file_that_is_no_state_is_refused_and_left_alone(tmp_path, content):
    path = tmp_path / "state.json"
    path.write_bytes(content)
    with pytest.raises(EmulatorError, match=r"the state file .*state\.json"):
        state_file.load(Cloud(), path)
    assert path.read_bytes() == content


def test_a_place_that_can_not_be_written_is_told_at_the_start(tmp_path):
    with pytest.raises(EmulatorError, match="choose another"):
        spawn_emulator(state=tmp_path / "missing" / "state.json")


def test_the_command_takes_the_option(tmp_path):
    command = [
        sys.executable,
        "-m",
        "genesis_performance.cli.main",
        "emulator",
        "--state",
        tmp_path / "s.json",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert json.loads(process.stdout.readline())["ready"]
        process.terminate()
        assert process.wait(60) == 0
    assert json.loads((tmp_path / "s.json").read_text())["format"] == 1
