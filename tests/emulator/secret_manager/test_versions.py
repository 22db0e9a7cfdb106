from __future__ import annotations

import google_crc32c
import pytest
from google.api_core import exceptions
from google.cloud import secretmanager_v1
from google.protobuf import duration_pb2

P = "projects/shop"
State = secretmanager_v1.SecretVersion.State


def _ids(secrets):
    return [secret.name.rpartition("/")[2] for secret in secrets]


def test_what_is_added_is_what_is_read_with_its_checksum(client, make):
    make("db", b"\x00hunter2\xff")
    answer = client.access_secret_version(name=f"{P}/secrets/db/versions/1")
    assert answer.payload.data == b"\x00hunter2\xff"
    assert answer.payload.data_crc32c == google_crc32c.value(b"\x00hunter2\xff")


def test_names_are_answered_with_the_project_number(client, make):
    secret = make("db", b"x")
    project = secret.name.split("/")[1]
    assert len(project) == 12
    assert project.isdigit()
    assert client.access_secret_version(name=f"{P}/secrets/db/versions/latest").name == (
        f"projects/{project}/secrets/db/versions/1"
    )


def test_project_id_and_number_are_the_same_project(client, make):
    secret = make("db", b"x")
    assert client.get_secret(name=secret.name) == client.get_secret(name=f"{P}/secrets/db")


def test_latest_is_the_newest_version(client, make):
    make("db", b"1", b"2", b"3")
    assert client.access_secret_version(name=f"{P}/secrets/db/versions/latest").payload.data == b"3"


def test_latest_that_is_disabled_is_refused_although_an_older_one_is_enabled(client, make):
    make("db", b"1", b"2")
    client.disable_secret_version(name=f"{P}/secrets/db/versions/2")
    with pytest.raises(
        exceptions.FailedPrecondition, match=r"\[projects/\d+/secrets/db/versions/2\] is in DISABLED state"
    ):
        client.access_secret_version(name=f"{P}/secrets/db/versions/latest")


def test_64_kib_fit_and_one_byte_more_does_not(client, make):
    make("db", b"x" * 65_536)
    with pytest.raises(exceptions.InvalidArgument, match="65536 bytes"):
        client.add_secret_version(parent=f"{P}/secrets/db", payload={"data": b"x" * 65_537})


def test_an_empty_payload_is_refused(client, make):
    make()
    for payload in ({}, {"data": b""}):
        with pytest.raises(exceptions.InvalidArgument, match="Payload cannot be empty"):
            client.add_secret_version(parent=f"{P}/secrets/db", payload=payload)


def test_a_right_checksum_is_noted(client, make):
    make()
    payload = {"data": b"x", "data_crc32c": google_crc32c.value(b"x")}
    assert client.add_secret_version(
        parent=f"{P}/secrets/db", payload=payload
    ).client_specified_payload_checksum


def test_a_wrong_checksum_is_refused_and_nothing_is_stored(client, make):
    make()
    with pytest.raises(exceptions.InvalidArgument, match="checksum"):
        client.add_secret_version(parent=f"{P}/secrets/db", payload={"data": b"x", "data_crc32c": 1})
    assert list(client.list_secret_versions(parent=f"{P}/secrets/db")) == []


def test_a_disabled_version_can_be_enabled_again(client, make):
    make("db", b"x")
    name = f"{P}/secrets/db/versions/1"
    assert client.disable_secret_version(name=name).state == State.DISABLED
    assert client.enable_secret_version(name=name).state == State.ENABLED
    assert client.access_secret_version(name=name).payload.data == b"x"


def test_a_destroyed_version_stays_destroyed(client, make):
    make("db", b"x")
    name = f"{P}/secrets/db/versions/1"
    destroyed = client.destroy_secret_version(name=name)
    assert destroyed.state == State.DESTROYED
    assert destroyed.destroy_time
    for call in (
        client.access_secret_version,
        client.enable_secret_version,
        client.disable_secret_version,
        client.destroy_secret_version,
    ):
        with pytest.raises(exceptions.FailedPrecondition, match="is in DESTROYED state"):
            call(name=name)


def test_the_payload_of_a_destroyed_version_is_gone(genesis_emulator, client, make):
    make("db", b"hunter2")
    client.destroy_secret_version(name=f"{P}/secrets/db/versions/1")
    service = genesis_emulator.cloud.services["google.cloud.secretmanager.v1.SecretManagerService"]
    assert b"hunter2".hex() not in str(service.dump())


def test_delayed_destruction_disables_first_and_destroys_when_due(genesis_emulator, client, make):
    make("db", b"x", version_destroy_ttl=duration_pb2.Duration(seconds=86_400))
    name = f"{P}/secrets/db/versions/1"
    scheduled = client.destroy_secret_version(name=name)
    assert scheduled.state == State.DISABLED
    assert scheduled.scheduled_destroy_time
    genesis_emulator.advance(86_401)
    assert client.get_secret_version(name=name).state == State.DESTROYED


def test_enabling_takes_back_a_delayed_destruction(genesis_emulator, client, make):
    make("db", b"x", version_destroy_ttl=duration_pb2.Duration(seconds=86_400))
    name = f"{P}/secrets/db/versions/1"
    client.destroy_secret_version(name=name)
    assert not client.enable_secret_version(name=name).scheduled_destroy_time
    genesis_emulator.advance(100_000)
    assert client.get_secret_version(name=name).state == State.ENABLED


def test_versions_are_listed_newest_first_and_filtered_by_state(client, make):
    make("db", b"1", b"2", b"3")
    client.disable_secret_version(name=f"{P}/secrets/db/versions/2")
    assert _ids(client.list_secret_versions(parent=f"{P}/secrets/db")) == ["3", "2", "1"]
    request = {"parent": f"{P}/secrets/db", "filter": "state:ENABLED"}
    assert _ids(client.list_secret_versions(request=request)) == ["3", "1"]


@pytest.mark.parametrize("version", ["2", "0", "007", "staging"])
def test_an_unknown_version_is_not_found(client, make, version):
    make("db", b"x")
    with pytest.raises(exceptions.NotFound, match=rf"Secret Version \[.*/versions/{version}\] not found"):
        client.access_secret_version(name=f"{P}/secrets/db/versions/{version}")


def test_an_unknown_secret_is_not_found(client):
    with pytest.raises(exceptions.NotFound, match=r"secrets/db\] not found or has no versions"):
        client.access_secret_version(name=f"{P}/secrets/db/versions/latest")
    with pytest.raises(exceptions.NotFound, match=r"secrets/db\] not found"):
        client.get_secret(name=f"{P}/secrets/db")


def test_a_secret_without_versions_has_no_latest(client, make):
    make()
    with pytest.raises(exceptions.NotFound, match="not found or has no versions"):
        client.access_secret_version(name=f"{P}/secrets/db/versions/latest")


def test_an_alias_stands_for_its_version(client, make, change):
    make("db", b"1", b"2")
    change(f"{P}/secrets/db", "version_aliases", version_aliases={"stable": 1})
    assert client.access_secret_version(name=f"{P}/secrets/db/versions/stable").payload.data == b"1"


@pytest.mark.parametrize(
    "aliases",
    [
        {"latest": 1},
        {"NEW": 1},
        {"1st": 1},
        {"a" * 64: 1},
        {"ok": 2},
        {"ok": 0},
        {f"a{n}": 1 for n in range(51)},
    ],
)
def test_an_alias_that_can_not_be_is_refused(make, change, aliases):
    make("db", b"1")
    with pytest.raises(exceptions.InvalidArgument, match="alias"):
        change(f"{P}/secrets/db", "version_aliases", version_aliases=aliases)
