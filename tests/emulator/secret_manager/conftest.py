"""An official client of the emulated Secret Manager, and short ways to make and change secrets."""

from __future__ import annotations

import pytest
from google.cloud import secretmanager_v1
from google.protobuf import field_mask_pb2

P = "projects/shop"
AUTOMATIC = {"replication": {"automatic": {}}}


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
