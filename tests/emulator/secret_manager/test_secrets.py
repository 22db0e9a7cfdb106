from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from google import pubsub_v1
from google.api_core import exceptions
from google.iam.v1 import policy_pb2
from google.protobuf import duration_pb2

P = "projects/shop"


def _ids(secrets):
    return [secret.name.rpartition("/")[2] for secret in secrets]


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


@pytest.fixture
def rotations(connect):
    """The topic that a rotation publishes to."""
    connect(pubsub_v1.PublisherClient).create_topic(name="projects/p/topics/rotations")


def _rotation(period_s, next_in_s):
    return {
        "topics": [{"name": "projects/p/topics/rotations"}],
        "rotation": {
            "rotation_period": duration_pb2.Duration(seconds=period_s),
            "next_rotation_time": datetime.now(UTC) + timedelta(seconds=next_in_s),
        },
    }


def test_the_next_rotation_moves_on_by_whole_periods(genesis_emulator, client, make, rotations):
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


def test_labels_can_change_shortly_before_a_rotation(genesis_emulator, make, change, rotations):
    make(**_rotation(3600, 400))
    genesis_emulator.advance(300)
    change(f"{P}/secrets/db", "labels", labels={"a": "b"})


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
