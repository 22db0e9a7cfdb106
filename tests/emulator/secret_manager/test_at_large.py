from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from google.api_core import exceptions

P = "projects/shop"
ADD = "google.cloud.secretmanager.v1.SecretManagerService/AddSecretVersion"


def _ids(secrets):
    return [secret.name.rpartition("/")[2] for secret in secrets]


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
