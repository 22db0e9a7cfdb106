from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import google_crc32c
import pytest
from google.api_core import exceptions
from google.cloud import secretmanager_v1
from google.iam.v1 import policy_pb2
from google.protobuf import duration_pb2, field_mask_pb2

P = "projects/shop"
AUTOMATIC = {"replication": {"automatic": {}}}
State = secretmanager_v1.SecretVersion.State
ADD = "google.cloud.secretmanager.v1.SecretManagerService/AddSecretVersion"


@pytest.fixture
def client(connect):
    return connect(secretmanager_v1.SecretManagerServiceClient)


@pytest.fixture
def make(client):
    def make(secret_id="db", *payloads, parent=P, **fields):
        regional = "/locations/" in parent
        secret = client.create_secret(
            parent=parent, secret_id=secret_id, secret=fields if regional else AUTOMATIC | fields
        )
        for payload in payloads:
            client.add_secret_version(parent=secret.name, payload={"data": payload})
        return secret

    return make


@pytest.fixture
def change(client):
    def change(name, *paths, **fields):
        return client.update_secret(
            secret={"name": name, **fields}, update_mask=field_mask_pb2.FieldMask(paths=paths)
        )

    return change


def _ids(secrets):
    return [secret.name.rpartition("/")[2] for secret in secrets]


# payloads


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


# versions


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


# aliases


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


# secrets


def test_the_same_secret_twice_already_exists(make):
    make()
    with pytest.raises(exceptions.AlreadyExists, match=r"secrets/db\] already exists"):
        make()


def test_a_deleted_secret_is_gone_with_its_versions(client, make):
    make("db", b"1")
    client.delete_secret(name=f"{P}/secrets/db")
    make("db", b"new")
    assert _ids(client.list_secret_versions(parent=f"{P}/secrets/db")) == ["1"]


@pytest.mark.parametrize("secret_id", ["", "a b", "a.b", "ü", "a/b", "x" * 256])
def test_an_id_that_can_not_be_is_refused(make, secret_id):
    with pytest.raises(exceptions.InvalidArgument, match="does not match the expected format"):
        make(secret_id)


@pytest.mark.parametrize(
    "name",
    ["db", "projects/shop", "projects/shop/secrets", "projects/shop/secrets/a.b", "projects//secrets/x", ""],
)
def test_a_name_that_can_not_be_is_refused(client, name):
    with pytest.raises(exceptions.InvalidArgument):
        client.get_secret(name=name)


def test_replication_is_required_for_a_global_secret(client):
    with pytest.raises(exceptions.InvalidArgument, match="replication must be provided"):
        client.create_secret(parent=P, secret_id="db", secret={})


def test_user_managed_replicas_are_seen_in_the_status_of_a_version(client):
    replication = {"user_managed": {"replicas": [{"location": "europe-west1"}, {"location": "us-east1"}]}}
    client.create_secret(parent=P, secret_id="db", secret={"replication": replication})
    version = client.add_secret_version(parent=f"{P}/secrets/db", payload={"data": b"x"})
    locations = [replica.location for replica in version.replication_status.user_managed.replicas]
    assert locations == ["europe-west1", "us-east1"]


def test_replication_can_not_change(make, change):
    make()
    with pytest.raises(exceptions.InvalidArgument):
        change(f"{P}/secrets/db", "replication", replication={"automatic": {}})


def test_a_regional_secret_lives_in_its_location_only(client, make):
    make("db", b"x", parent=f"{P}/locations/europe-west1")
    name = f"{P}/locations/europe-west1/secrets/db/versions/latest"
    assert "/locations/europe-west1/secrets/db/versions/1" in client.access_secret_version(name=name).name
    with pytest.raises(exceptions.NotFound):
        client.get_secret(name=f"{P}/secrets/db")
    assert list(client.list_secrets(parent=P)) == []


def test_only_what_the_mask_names_changes(make, change):
    make(labels={"env": "prod"}, annotations={"team": "x"})
    changed = change(f"{P}/secrets/db", "labels", labels={"env": "test"}, annotations={})
    assert dict(changed.labels) == {"env": "test"}
    assert dict(changed.annotations) == {"team": "x"}


@pytest.mark.parametrize("paths", [(), ("nothing",), ("name",), ("labels.a.b", "x"), ("create_time",), ("",)])
def test_a_mask_that_names_no_changeable_field_is_refused(make, change, paths):
    make()
    with pytest.raises(exceptions.InvalidArgument):
        change(f"{P}/secrets/db", *paths)


@pytest.mark.parametrize(
    "fields",
    [
        {"labels": {"Upper": "x"}},
        {"labels": {"": "x"}},
        {"labels": {"a" * 64: "x"}},
        {"labels": {"a": "UP"}},
        {"labels": {"a": "x" * 64}},
        {"labels": {f"l{n}": "x" for n in range(65)}},
        {"annotations": {"-a": "x"}},
        {"annotations": {"a": "x" * 16_384}},
        {"topics": [{"name": "topic"}]},
        {"topics": [{"name": f"projects/p/topics/topic{n}"} for n in range(11)]},
        {"ttl": duration_pb2.Duration(seconds=-5)},
        {"ttl": duration_pb2.Duration(seconds=315_576_000_000)},
        {"expire_time": datetime(2001, 1, 1, tzinfo=UTC)},
        {"rotation": {"rotation_period": duration_pb2.Duration(seconds=3600)}},
        {"version_destroy_ttl": duration_pb2.Duration(seconds=60)},
        {"version_aliases": {"stable": 1}},
    ],
    ids=str,
)
def test_a_secret_that_can_not_be_is_refused(make, fields):
    with pytest.raises(exceptions.InvalidArgument):
        make(**fields)


def test_labels_take_lower_case_letters_of_any_alphabet(make):
    assert make(labels={"größe": "見本"}).labels == {"größe": "見本"}


def test_a_secret_expires(genesis_emulator, client, make):
    secret = make(ttl=duration_pb2.Duration(seconds=60))
    assert secret.expire_time > datetime.now(UTC)
    assert "ttl" not in secret
    genesis_emulator.advance(61)
    with pytest.raises(exceptions.NotFound):
        client.get_secret(name=secret.name)
    assert list(client.list_secrets(parent=P)) == []


# rotation


def _rotation(period_s, next_in_s):
    return {
        "topics": [{"name": "projects/p/topics/rotations"}],
        "rotation": {
            "rotation_period": duration_pb2.Duration(seconds=period_s),
            "next_rotation_time": datetime.now(UTC) + timedelta(seconds=next_in_s),
        },
    }


def test_the_next_rotation_moves_on_by_whole_periods(genesis_emulator, client, make):
    first = make(**_rotation(3600, 400)).rotation.next_rotation_time
    genesis_emulator.advance(400 + 2 * 3600)
    moved = client.get_secret(name=f"{P}/secrets/db").rotation.next_rotation_time
    assert moved - first == timedelta(seconds=3 * 3600)


@pytest.mark.parametrize(("period_s", "next_in_s"), [(3599, 400), (3600, 200), (3_153_600_001, 400)])
def test_a_rotation_out_of_bounds_is_refused(make, period_s, next_in_s):
    with pytest.raises(exceptions.InvalidArgument, match="rotation"):
        make(**_rotation(period_s, next_in_s))


def test_a_period_needs_the_next_time(make):
    fields = _rotation(3600, 400)
    del fields["rotation"]["next_rotation_time"]
    with pytest.raises(exceptions.InvalidArgument, match="next_rotation_time must be set"):
        make(**fields)


def test_labels_can_change_shortly_before_a_rotation(genesis_emulator, make, change):
    make(**_rotation(3600, 400))
    genesis_emulator.advance(300)
    change(f"{P}/secrets/db", "labels", labels={"a": "b"})


# etags


def test_an_etag_of_the_past_is_refused(client, make, change):
    old = make().etag
    new = change(f"{P}/secrets/db", "labels", labels={"a": "b"}).etag
    assert new != old
    with pytest.raises(exceptions.FailedPrecondition, match="etag"):
        change(f"{P}/secrets/db", "labels", labels={}, etag=old)
    with pytest.raises(exceptions.FailedPrecondition, match="etag"):
        client.delete_secret(request={"name": f"{P}/secrets/db", "etag": old})
    client.delete_secret(request={"name": f"{P}/secrets/db", "etag": new})


def test_a_version_has_an_etag_of_its_own(client, make):
    make("db", b"x")
    name = f"{P}/secrets/db/versions/1"
    secret_etag = client.get_secret(name=f"{P}/secrets/db").etag
    old = client.get_secret_version(name=name).etag
    client.disable_secret_version(request={"name": name, "etag": old})
    with pytest.raises(exceptions.FailedPrecondition, match="etag"):
        client.enable_secret_version(request={"name": name, "etag": old})
    assert client.get_secret(name=f"{P}/secrets/db").etag == secret_etag


# lists


def test_secrets_are_listed_newest_first(client, make):
    for name in "abc":
        make(name)
    assert _ids(client.list_secrets(parent=P)) == ["c", "b", "a"]


def test_pages_hold_everything_once(client, make):
    for number in range(7):
        make(f"s{number}")
    found = client.list_secrets(request={"parent": P, "page_size": 3})
    pages = [_ids(page.secrets) for page in found.pages]
    assert [len(page) for page in pages] == [3, 3, 1]
    assert sorted(itertools.chain(*pages)) == [f"s{number}" for number in range(7)]


def test_the_total_is_told_unless_filtered(client, make):
    make("a")
    make("b")
    assert client.list_secrets(request={"parent": P, "page_size": 1}).total_size == 2
    assert client.list_secrets(request={"parent": P, "filter": "name:a"}).total_size == 0


@pytest.mark.parametrize(
    "request_", [{"page_size": -1}, {"page_token": "x"}, {"page_token": "ä"}, {"page_token": "AAAA" * 1000}]
)
def test_a_page_that_can_not_be_is_refused(client, make, request_):
    make()
    with pytest.raises(exceptions.InvalidArgument):
        client.list_secrets(request={"parent": P, **request_})


def test_a_page_token_belongs_to_its_filter(client, make):
    make("a")
    make("b")
    token = client.list_secrets(request={"parent": P, "page_size": 1}).next_page_token
    with pytest.raises(exceptions.InvalidArgument):
        client.list_secrets(request={"parent": P, "page_size": 1, "page_token": token, "filter": "name:a"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name:db", ["db-test", "db-prod"]),
        ("db", ["db-test", "db-prod"]),
        ("labels.env=prod", ["api-prod", "db-prod"]),
        ("labels.env:pro", ["api-prod", "db-prod"]),
        ("labels.env:*", ["api-prod", "db-test", "db-prod"]),
        ("labels:env", ["api-prod", "db-test", "db-prod"]),
        ("NOT labels.env:*", ["plain"]),
        ("-name:prod", ["plain", "db-test"]),
        ("name:db AND labels.env=prod", ["db-prod"]),
        ("name:db labels.env=prod", ["db-prod"]),
        ("name:plain OR name:api", ["plain", "api-prod"]),
        ("name:db AND (labels.env=test OR name:api)", ["db-test"]),
        ('labels.env="prod"', ["api-prod", "db-prod"]),
        ("create_time > 2001-01-01T00:00:00Z", ["plain", "api-prod", "db-test", "db-prod"]),
        ("create_time<2001-01-01", []),
        ("replication.automatic:*", ["plain", "api-prod", "db-test", "db-prod"]),
        ("expire_time:*", []),
        ("labels.env!=prod", ["plain", "db-test"]),
    ],
)
def test_filters(client, make, text, expected):
    make("db-prod", labels={"env": "prod"})
    make("db-test", labels={"env": "test"})
    make("api-prod", labels={"env": "prod"})
    make("plain")
    assert _ids(client.list_secrets(request={"parent": P, "filter": text})) == expected


@pytest.mark.parametrize(
    "text",
    [
        "(",
        ")",
        "name:",
        "=x",
        "nothing=1",
        "a AND",
        "name:a OR",
        "create_time>yesterday",
        "!",
        '"open',
        "(" * 999,
    ],
)
def test_a_filter_that_can_not_be_read_is_refused(client, make, text):
    make()
    with pytest.raises(exceptions.InvalidArgument, match="Invalid filter"):
        client.list_secrets(request={"parent": P, "filter": text})


# policies


def test_a_policy_set_is_the_policy_got(client, make):
    make()
    policy = policy_pb2.Policy(
        bindings=[
            policy_pb2.Binding(role="roles/secretmanager.secretAccessor", members=["user:a@example.com"])
        ]
    )
    stored = client.set_iam_policy(request={"resource": f"{P}/secrets/db", "policy": policy})
    assert client.get_iam_policy(request={"resource": f"{P}/secrets/db"}) == stored
    assert stored.bindings == policy.bindings


def test_a_policy_with_the_etag_of_the_past_is_aborted(client, make):
    make()
    first = client.set_iam_policy(request={"resource": f"{P}/secrets/db", "policy": policy_pb2.Policy()})
    client.set_iam_policy(request={"resource": f"{P}/secrets/db", "policy": policy_pb2.Policy()})
    with pytest.raises(exceptions.Aborted, match="concurrent policy changes"):
        client.set_iam_policy(request={"resource": f"{P}/secrets/db", "policy": first})


def test_every_permission_is_held(client, make):
    make()
    wanted = ["secretmanager.versions.access"]
    answer = client.test_iam_permissions(request={"resource": f"{P}/secrets/db", "permissions": wanted})
    assert list(answer.permissions) == wanted


# at large


def test_concurrent_additions_each_get_a_number(client, make):
    make()
    with ThreadPoolExecutor(8) as pool:
        names = list(
            pool.map(
                lambda _: client.add_secret_version(parent=f"{P}/secrets/db", payload={"data": b"x"}).name,
                range(64),
            )
        )
    assert sorted(int(name.rpartition("/")[2]) for name in names) == list(range(1, 65))


def test_an_answer_does_not_change_with_what_is_held(client, make, change):
    before = make(labels={"a": "b"})
    change(before.name, "labels", labels={})
    assert before.labels == {"a": "b"}


def test_managed_rotation_is_not_emulated(client, make):
    make()
    with pytest.raises(exceptions.MethodNotImplemented, match="RotateSecret is not emulated"):
        client.rotate_secret(request={"parent": f"{P}/secrets/db"})


def test_a_planted_fault_hits_additions_and_stores_nothing(genesis_emulator, client, make):
    make()
    genesis_emulator.fail(ADD, "UNAVAILABLE")
    with pytest.raises(exceptions.ServiceUnavailable):
        client.add_secret_version(parent=f"{P}/secrets/db", payload={"data": b"x"})
    assert _ids(client.list_secret_versions(parent=f"{P}/secrets/db")) == []
