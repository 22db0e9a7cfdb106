"""Secrets in memory: versions, their states and payloads, and what time does to them.

Of what time does, notices are published: rotations that are due, expiries, delayed destructions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from google.cloud.secretmanager_v1 import types
from google.iam.v1 import policy_pb2

from .etags import new_etag
from .rpc_error import RpcError
from .secret_names import Place
from .secret_notices import SecretNotices

State = types.SecretVersion.State
Version = types.SecretVersion.pb()
Secret = types.Secret.pb()
Json = dict[str, Any]


@dataclass(slots=True)
class HeldVersion:
    message: Any
    payload: bytes | None  # None: destroyed

    def set_state(self, state: int, now_ns: int) -> None:
        self.message.state = state
        self.message.ClearField("scheduled_destroy_time")
        self.message.etag = new_etag()
        if state == State.DESTROYED:
            self.payload = None
            self.message.destroy_time.FromNanoseconds(now_ns)

    def settle(self, now_ns: int) -> bool:
        """Destroy it if its delayed destruction is due; tells whether it was."""
        message = self.message
        if message.HasField("scheduled_destroy_time"):
            due_ns = message.scheduled_destroy_time.ToNanoseconds()
            if due_ns <= now_ns:
                self.set_state(State.DESTROYED, due_ns)
                return True
        return False


@dataclass(slots=True)
class HeldSecret:
    message: Any
    versions: list[HeldVersion] = field(default_factory=list)  # version n stands at n - 1
    policy: Any = field(default_factory=policy_pb2.Policy)

    def version(self, text: str) -> HeldVersion:
        """The version by number, alias, or ``latest``: the newest one, whatever its state.

        Raises:
            RpcError: NOT_FOUND.
        """
        if text == "latest":
            number = len(self.versions)
            if number == 0:
                raise RpcError("NOT_FOUND", f"Secret [{self.message.name}] not found or has no versions.")
        elif text.isdigit():
            number = int(text)
        else:
            number = self.message.version_aliases.get(text, 0)
        if not 1 <= number <= len(self.versions):
            raise RpcError("NOT_FOUND", f"Secret Version [{self.message.name}/versions/{text}] not found.")
        return self.versions[number - 1]

    def add(self, payload: Any, now_ns: int) -> HeldVersion:
        version = Version(
            name=f"{self.message.name}/versions/{len(self.versions) + 1}",
            state=State.ENABLED,
            etag=new_etag(),
            client_specified_payload_checksum=payload.HasField("data_crc32c"),
        )
        version.create_time.FromNanoseconds(now_ns)
        replication = self.message.replication
        if replication.HasField("user_managed"):
            for replica in replication.user_managed.replicas:
                version.replication_status.user_managed.replicas.add(location=replica.location)
        elif replication.HasField("automatic"):
            version.replication_status.automatic.SetInParent()
        held = HeldVersion(version, bytes(payload.data))
        self.versions.append(held)
        return held


class SecretStore:
    """Every secret of every project."""

    def __init__(self, notices: SecretNotices) -> None:
        self._secrets: dict[tuple[Place, str], HeldSecret] = {}
        self._notices = notices

    def get(self, place: Place, secret_id: str, now_ns: int) -> HeldSecret | None:
        """The secret as of now: expired ones are gone, delayed destructions are done."""
        held = self._secrets.get((place, secret_id))
        if held is None:
            return None
        if held.message.HasField("expire_time") and held.message.expire_time.ToNanoseconds() <= now_ns:
            del self._secrets[place, secret_id]
            self._notices.publish("SECRET_DELETE", held.message, delete_type="EXPIRATION")
            return None
        if _rotate(held.message, now_ns):
            self._notices.publish("SECRET_ROTATE", held.message)
        for version in held.versions:
            if version.settle(now_ns):
                self._notices.publish("SECRET_VERSION_DESTROY", held.message, version.message)
        return held

    def settle(self, now_ns: int) -> None:
        """Bring every secret to now, so that notices are published in time and not when somebody looks."""
        for place, secret_id in list(self._secrets):
            self.get(place, secret_id, now_ns)

    def put(self, place: Place, secret_id: str, held: HeldSecret) -> None:
        self._secrets[place, secret_id] = held

    def remove(self, place: Place, secret_id: str) -> None:
        del self._secrets[place, secret_id]

    def of(self, place: Place, now_ns: int) -> Iterator[HeldSecret]:
        """The secrets of a place, newest first."""
        ids = [secret_id for where, secret_id in reversed(self._secrets) if where == place]
        for secret_id in ids:
            held = self.get(place, secret_id, now_ns)
            if held is not None:
                yield held

    def dump(self) -> list[Json]:
        return [
            {
                "project": place.project,
                "location": place.location,
                "id": secret_id,
                "secret": held.message.SerializeToString().hex(),
                "policy": held.policy.SerializeToString().hex(),
                "versions": [
                    {
                        "version": version.message.SerializeToString().hex(),
                        "payload": None if version.payload is None else version.payload.hex(),
                    }
                    for version in held.versions
                ],
            }
            for (place, secret_id), held in self._secrets.items()
        ]

    def load(self, value: list[Json]) -> None:
        """Take back what ``dump`` gave."""
        for entry in value:
            held = HeldSecret(
                Secret.FromString(bytes.fromhex(entry["secret"])),
                [
                    HeldVersion(
                        Version.FromString(bytes.fromhex(version["version"])),
                        None if version["payload"] is None else bytes.fromhex(version["payload"]),
                    )
                    for version in entry["versions"]
                ],
                policy_pb2.Policy.FromString(bytes.fromhex(entry["policy"])),
            )
            self.put(Place(entry["project"], entry["location"]), entry["id"], held)


def _rotate(secret: Any, now_ns: int) -> bool:
    """Move the time of the next rotation into the future, by whole periods; tells whether one was due.

    Without a period there is but one rotation, and its time is taken out once it has passed.
    """
    rotation = secret.rotation
    if not rotation.HasField("next_rotation_time"):
        return False
    late_ns = now_ns - rotation.next_rotation_time.ToNanoseconds()
    if late_ns < 0:
        return False
    period_ns = rotation.rotation_period.ToNanoseconds()
    if period_ns:
        rotation.next_rotation_time.FromNanoseconds(now_ns - late_ns % period_ns + period_ns)
    else:
        rotation.ClearField("next_rotation_time")
    return True
