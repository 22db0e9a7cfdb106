"""The emulated Secret Manager: secrets, versions, payloads with checksums, policies.

Names are answered with the project's number, as the real service does. Global and regional secrets are both
served here; the real service keeps regional ones behind regional endpoints.

Sources: the documentation of the official client and the pages and issues that ``rules.py`` lists.
"""

from __future__ import annotations

from typing import Any

import google_crc32c
from google.cloud.secretmanager_v1 import types
from google.iam.v1 import iam_policy_pb2
from google.protobuf import empty_pb2

from .. import secret_names as names
from .. import secret_rules as rules
from ..cloud import Cloud
from ..etags import new_etag
from ..field_masks import update
from ..list_filters import matcher
from ..paging import page_of
from ..rpc_error import RpcError
from ..secret_names import Place
from ..secret_notices import SecretNotices
from ..secret_store import HeldSecret, HeldVersion, Secret, SecretStore, State, Version

MAX_PAYLOAD_BYTES = 64 * 1024
MAX_PAGE = 25_000
_FIXED = ("name", "replication", "create_time", "etag", "secret_type", "tags", "policy_member")
_Access = types.AccessSecretVersionResponse.pb()
_Secrets = types.ListSecretsResponse.pb()
_Versions = types.ListSecretVersionsResponse.pb()


class SecretManagerService:
    """google.cloud.secretmanager.v1.SecretManagerService."""

    SERVICE = "google.cloud.secretmanager.v1.SecretManagerService"

    def __init__(self, cloud: Cloud) -> None:
        self._clock = cloud.clock
        self._notices = SecretNotices(cloud)
        self._store = SecretStore(self._notices)

    def evaluate(self) -> None:
        """Let rotations, expiries and destructions happen that are due."""
        self._store.settle(self._clock.now_ns())

    def dump(self) -> Any:
        return self._store.dump()

    def load(self, value: Any) -> None:
        self._store.load(value)

    # secrets

    def CreateSecret(self, request: Any, context: Any = None) -> Any:
        place = names.place(request.parent)
        names.check_id(request.secret_id)
        if not request.HasField("secret"):
            raise RpcError("INVALID_ARGUMENT", "Secret must be provided.")
        now_ns = self._clock.now_ns()
        secret = Secret()
        secret.CopyFrom(request.secret)
        for field in ("tags", "policy_member"):
            secret.ClearField(field)
        secret.name = f"{place}/secrets/{request.secret_id}"
        _set_expiry(secret, now_ns)
        rules.check(secret, Secret(), now_ns=now_ns, is_regional=bool(place.location))
        rules.check_replication(secret.replication, is_regional=bool(place.location))
        rules.check_aliases(secret.version_aliases, 0)
        if self._store.get(place, request.secret_id, now_ns) is not None:
            raise RpcError("ALREADY_EXISTS", f"Secret [{secret.name}] already exists.")
        self._notices.configured(secret)
        secret.create_time.FromNanoseconds(now_ns)
        secret.etag = new_etag()
        self._store.put(place, request.secret_id, HeldSecret(secret))
        self._notices.publish("SECRET_CREATE", secret)
        return _copy(secret)

    def GetSecret(self, request: Any, context: Any = None) -> Any:
        return _copy(self._secret(request.name)[2].message)

    def ListSecrets(self, request: Any, context: Any = None) -> Any:
        place = names.place(request.parent)
        fits = matcher(request.filter, Secret)
        found = [held.message for held in self._store.of(place, self._clock.now_ns()) if fits(held.message)]
        page, following = page_of(found, request, most=MAX_PAGE)
        total = 0 if request.filter else len(found)
        return _Secrets(secrets=page, next_page_token=following, total_size=total)

    def UpdateSecret(self, request: Any, context: Any = None) -> Any:
        _, _, held = self._secret(request.secret.name)
        _check_etag(held.message, request.secret.etag)
        paths = [path for path in request.update_mask.paths if path != "etag"]
        if not request.update_mask.paths:
            raise RpcError("INVALID_ARGUMENT", "update_mask must be provided.")
        changed, now_ns = _copy(held.message), self._clock.now_ns()
        update(changed, request.secret, paths, fixed=_FIXED)
        _set_expiry(changed, now_ns)
        rules.check(changed, held.message, now_ns=now_ns, is_regional="/locations/" in changed.name)
        rules.check_aliases(changed.version_aliases, len(held.versions))
        if changed.topics != held.message.topics:
            self._notices.configured(changed)
        changed.etag = new_etag()
        held.message = changed
        self._notices.publish("SECRET_UPDATE", changed)
        return _copy(changed)

    def DeleteSecret(self, request: Any, context: Any = None) -> Any:
        place, secret_id, held = self._secret(request.name)
        _check_etag(held.message, request.etag)
        self._store.remove(place, secret_id)
        self._notices.publish("SECRET_DELETE", held.message, delete_type="REQUESTED")
        return empty_pb2.Empty()

    # versions

    def AddSecretVersion(self, request: Any, context: Any = None) -> Any:
        _, _, held = self._secret(request.parent)
        payload = request.payload
        if not payload.data:
            raise RpcError("INVALID_ARGUMENT", "Secret Payload cannot be empty.")
        if len(payload.data) > MAX_PAYLOAD_BYTES:
            raise RpcError(
                "INVALID_ARGUMENT", f"The secret payload must be at most {MAX_PAYLOAD_BYTES} bytes long."
            )
        if payload.HasField("data_crc32c") and payload.data_crc32c != google_crc32c.value(payload.data):
            raise RpcError(
                "INVALID_ARGUMENT", "The payload does not match the provided data_crc32c checksum."
            )
        added = held.add(payload, self._clock.now_ns()).message
        self._notices.publish("SECRET_VERSION_ADD", held.message, added)
        return _copy(added)

    def AccessSecretVersion(self, request: Any, context: Any = None) -> Any:
        place, secret_id, version = names.version(request.name)
        held = self._store.get(place, secret_id, self._clock.now_ns())
        if held is None:
            raise RpcError("NOT_FOUND", f"Secret [{place}/secrets/{secret_id}] not found or has no versions.")
        found = held.version(version)
        if found.payload is None or found.message.state != State.ENABLED:
            raise _in_state(found.message)
        response = _Access(name=found.message.name)
        response.payload.data = found.payload
        response.payload.data_crc32c = google_crc32c.value(found.payload)
        return response

    def GetSecretVersion(self, request: Any, context: Any = None) -> Any:
        return _copy(self._version(request.name)[1].message)

    def ListSecretVersions(self, request: Any, context: Any = None) -> Any:
        _, _, held = self._secret(request.parent)
        fits = matcher(request.filter, Version)
        found = [version.message for version in reversed(held.versions) if fits(version.message)]
        page, following = page_of(found, request, most=MAX_PAGE)
        total = 0 if request.filter else len(found)
        return _Versions(versions=page, next_page_token=following, total_size=total)

    def EnableSecretVersion(self, request: Any, context: Any = None) -> Any:
        return self._set_state(request, State.ENABLED, "SECRET_VERSION_ENABLE")

    def DisableSecretVersion(self, request: Any, context: Any = None) -> Any:
        return self._set_state(request, State.DISABLED, "SECRET_VERSION_DISABLE")

    def DestroySecretVersion(self, request: Any, context: Any = None) -> Any:
        held, found = self._changeable(request)
        delay_s = held.message.version_destroy_ttl.seconds
        if not delay_s:
            return self._set_state(request, State.DESTROYED, "SECRET_VERSION_DESTROY")
        now_ns = self._clock.now_ns()
        found.set_state(State.DISABLED, now_ns)
        found.message.scheduled_destroy_time.FromNanoseconds(now_ns + delay_s * 1_000_000_000)
        self._notices.publish("SECRET_VERSION_DESTROY_SCHEDULED", held.message, found.message)
        return _copy(found.message)

    # policies

    def GetIamPolicy(self, request: Any, context: Any = None) -> Any:
        return _copy(self._secret(request.resource)[2].policy)

    def SetIamPolicy(self, request: Any, context: Any = None) -> Any:
        _, _, held = self._secret(request.resource)
        if request.policy.etag and request.policy.etag != held.policy.etag:
            raise RpcError(
                "ABORTED",
                "There were concurrent policy changes. Please retry the whole read-modify-write with "
                "exponential backoff.",
            )
        policy = _copy(request.policy)
        policy.etag = new_etag().encode()
        held.policy = policy
        return _copy(policy)

    def TestIamPermissions(self, request: Any, context: Any = None) -> Any:
        """The caller may do everything: nobody is authenticated here."""
        self._secret(request.resource)
        return iam_policy_pb2.TestIamPermissionsResponse(permissions=request.permissions)

    # how the above find what they are about

    def _secret(self, name: str) -> tuple[Place, str, HeldSecret]:
        place, secret_id = names.secret(name)
        held = self._store.get(place, secret_id, self._clock.now_ns())
        if held is None:
            raise RpcError("NOT_FOUND", f"Secret [{place}/secrets/{secret_id}] not found.")
        return place, secret_id, held

    def _version(self, name: str) -> tuple[HeldSecret, HeldVersion]:
        place, secret_id, version = names.version(name)
        held = self._secret(f"{place}/secrets/{secret_id}")[2]
        return held, held.version(version)

    def _changeable(self, request: Any) -> tuple[HeldSecret, HeldVersion]:
        held, found = self._version(request.name)
        _check_etag(found.message, request.etag)
        if found.message.state == State.DESTROYED:
            raise _in_state(found.message)
        return held, found

    def _set_state(self, request: Any, state: int, event: str) -> Any:
        held, found = self._changeable(request)
        found.set_state(state, self._clock.now_ns())
        self._notices.publish(event, held.message, found.message)
        return _copy(found.message)


def _set_expiry(secret: Any, now_ns: int) -> None:
    """Turn the ``ttl`` that came in into the ``expire_time`` that goes out."""
    if secret.HasField("ttl"):
        ttl_ns = secret.ttl.ToNanoseconds()
        try:
            secret.expire_time.FromNanoseconds(now_ns + ttl_ns)
        except ValueError:
            raise RpcError("INVALID_ARGUMENT", "Secret.ttl is out of range.") from None


def _check_etag(message: Any, etag: str) -> None:
    if etag and etag != message.etag:
        raise RpcError(
            "FAILED_PRECONDITION", f"The etag provided does not match the current etag of [{message.name}]."
        )


def _in_state(version: Any) -> RpcError:
    return RpcError(
        "FAILED_PRECONDITION", f"Secret Version [{version.name}] is in {State(version.state).name} state."
    )


def _copy(message: Any) -> Any:
    """What leaves must not change with what is held: gRPC serializes it later."""
    copied = type(message)()
    copied.CopyFrom(message)
    return copied


SERVICES = (SecretManagerService,)
