"""Secret Manager, as the rules say it is."""

from __future__ import annotations

from typing import Any

import google_crc32c
from google.cloud import secretmanager_v1
from google.protobuf import field_mask_pb2

from .check import VERSION_USD, Site, check

Client = secretmanager_v1.SecretManagerServiceClient


def _secret(site: Site, *payloads: bytes) -> Any:
    client = site.client(Client)
    secret = site.call(
        client.create_secret,
        parent=site.parent,
        secret_id=site.name(),
        secret={"replication": {"automatic": {}}, "labels": {"made-by": "genesis-verify"}},
    )
    site.afterwards(client.delete_secret, name=secret.name)
    for payload in payloads:
        _add(site, secret, payload)
    return secret


def _add(site: Site, secret: Any, payload: bytes) -> Any:
    client = site.client(Client)
    return site.call(
        client.add_secret_version, may_cost_usd=VERSION_USD, parent=secret.name, payload={"data": payload}
    )


@check("secret/crc32c", "secret/version-ids", "secret/project-number")
def payloads_come_back_with_their_checksum(site: Site) -> None:
    """A payload comes back with its checksum, under the project's number."""
    secret = _secret(site, b"first")
    answer = site.call(site.client(Client).access_secret_version, name=f"{secret.name}/versions/latest")
    site.same("payload", answer.payload.data, b"first")
    site.same("checksum", answer.payload.data_crc32c, google_crc32c.value(b"first"))
    site.same("version", answer.name.rpartition("/")[2], "1")
    site.same("a number stands for the project", answer.name.split("/")[1].isdigit(), True)


@check("secret/crc32c")
def wrong_checksums_are_refused(site: Site) -> None:
    """A payload whose checksum is wrong is refused."""
    secret = _secret(site)
    site.refused(
        "INVALID_ARGUMENT", "", site.client(Client).add_secret_version,
        parent=secret.name, payload={"data": b"x", "data_crc32c": 1},
    )  # fmt: skip


@check("secret/latest", "secret/state-text")
def latest_may_be_disabled(site: Site) -> None:
    """latest is the newest version also when that one is disabled."""
    secret, client = _secret(site, b"1", b"2"), site.client(Client)
    site.call(client.disable_secret_version, name=f"{secret.name}/versions/2")
    site.refused(
        "FAILED_PRECONDITION", "is in DISABLED state", client.access_secret_version,
        name=f"{secret.name}/versions/latest",
    )  # fmt: skip


@check("secret/destroyed", "secret/state-text")
def destroyed_is_the_end(site: Site) -> None:
    """A destroyed version can be neither read nor enabled."""
    secret, client = _secret(site, b"1"), site.client(Client)
    name = f"{secret.name}/versions/1"
    site.call(client.destroy_secret_version, name=name)
    site.refused("FAILED_PRECONDITION", "is in DESTROYED state", client.access_secret_version, name=name)
    site.refused("FAILED_PRECONDITION", "", client.enable_secret_version, name=name)


@check("secret/payload", "secret/empty-payload")
def payload_sizes(site: Site) -> None:
    """64 KiB fit, one byte more does not, and nothing is too little."""
    secret = _secret(site)
    _add(site, secret, b"x" * 65_536)
    for data in (b"x" * 65_537, b""):
        site.refused(
            "INVALID_ARGUMENT", "", site.client(Client).add_secret_version,
            parent=secret.name, payload={"data": data},
        )  # fmt: skip


@check("secret/etag")
def etags_of_the_past(site: Site) -> None:
    """A change with an old etag is refused with FAILED_PRECONDITION."""
    secret, client = _secret(site), site.client(Client)
    mask = field_mask_pb2.FieldMask(paths=["labels"])
    update = {"name": secret.name, "labels": {"a": "b"}, "etag": secret.etag}
    site.call(client.update_secret, secret=update, update_mask=mask)
    site.refused("FAILED_PRECONDITION", "", client.update_secret, secret=update, update_mask=mask)


@check("secret/aliases", "secret/alias-target")
def aliases(site: Site) -> None:
    """An alias stands for its version; latest can not be one, nor may it point to nothing."""
    secret, client = _secret(site, b"1", b"2"), site.client(Client)
    mask = field_mask_pb2.FieldMask(paths=["version_aliases"])

    def update(wanted: dict[str, int]) -> dict[str, Any]:
        return {"secret": {"name": secret.name, "version_aliases": wanted}, "update_mask": mask}

    site.call(client.update_secret, **update({"stable": 1}))
    answer = site.call(client.access_secret_version, name=f"{secret.name}/versions/stable")
    site.same("payload", answer.payload.data, b"1")
    site.refused("INVALID_ARGUMENT", "", client.update_secret, **update({"latest": 1}))
    site.refused("INVALID_ARGUMENT", "", client.update_secret, **update({"stable": 9}))


@check("secret/no-versions", "secret/version-not-found", "secret/not-found")
def what_is_not_there(site: Site) -> None:
    """Reading what is not there is NOT_FOUND, in the known words."""
    secret, client = _secret(site), site.client(Client)
    site.refused(
        "NOT_FOUND", "not found or has no versions", client.access_secret_version,
        name=f"{secret.name}/versions/latest",
    )  # fmt: skip
    site.refused("NOT_FOUND", "not found", client.access_secret_version, name=f"{secret.name}/versions/7")
    site.refused("NOT_FOUND", "not found", client.get_secret, name=f"{site.parent}/secrets/{site.name()}")


@check("secret/exists", "secret/id", "secret/name-form", "secret/no-project", "secret/replication")
def names_and_replication(site: Site) -> None:
    """Bad names, a missing replication and a second secret of the same name are refused."""
    secret, client = _secret(site), site.client(Client)
    automatic: dict[str, Any] = {"replication": {"automatic": {}}}
    short = secret.name.rpartition("/")[2]
    site.refused(
        "ALREADY_EXISTS", "already exists", client.create_secret,
        parent=site.parent, secret_id=short, secret=automatic,
    )  # fmt: skip
    site.refused(
        "INVALID_ARGUMENT", "", client.create_secret, parent=site.parent, secret_id="a.b", secret=automatic
    )
    site.refused(
        "INVALID_ARGUMENT", "", client.create_secret, parent=site.parent, secret_id=site.name(), secret={}
    )
    site.refused(
        "INVALID_ARGUMENT", "does not match the expected format", client.access_secret_version,
        name=f"{site.parent}/secrets/a.b/versions/latest",
    )  # fmt: skip
    site.refused("INVALID_ARGUMENT", "Invalid resource field value", client.get_secret, name="a/secrets/b")


@check("secret/labels", "secret/annotations", "secret/rotation")
def fields_of_a_secret(site: Site) -> None:
    """Labels, annotations and rotation have their limits."""
    client = site.client(Client)
    wrong: tuple[dict[str, Any], ...] = (
        {"labels": {"Upper": "x"}},
        {"labels": {f"l{number}": "x" for number in range(65)}},
        {"annotations": {"a": "x" * 16_384}},
        {"rotation": {"rotation_period": {"seconds": 3600}}},
    )
    for fields in wrong:
        site.refused(
            "INVALID_ARGUMENT", "", client.create_secret,
            parent=site.parent, secret_id=site.name(), secret={"replication": {"automatic": {}}, **fields},
        )  # fmt: skip
