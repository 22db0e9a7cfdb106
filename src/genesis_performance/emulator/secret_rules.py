"""What a secret may hold: labels, annotations, topics, rotation, expiry, aliases, replication.

Source: the documentation of ``Secret`` in the official client; ``rules.py`` lists each rule with its kind.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from .rpc_error import RpcError
from .secret_names import ALIAS

DAY_S = 86_400
MAX_LABELS = 64
MAX_ANNOTATION_BYTES = 16 * 1024
MAX_TOPICS = 10
MAX_ALIASES = 50
MIN_ROTATION_S = 3_600
MIN_NEXT_ROTATION_S = 300
MAX_ROTATION_S = 3_153_600_000
MIN_DESTROY_TTL_S = DAY_S
MAX_TIME_S = 253_402_300_800  # the year 10000, where protobuf's timestamps end
MAX_DESTROY_TTL_S = 1_000 * DAY_S

_TOPIC = re.compile(r"projects/[^/]+/topics/[a-zA-Z][a-zA-Z0-9._~+%-]{2,254}")
_ANNOTATION_KEY = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9_.-]{0,61}[a-zA-Z0-9])?")


def check(secret: Any, before: Any, *, now_ns: int, is_regional: bool) -> None:
    """Refuse what no stored secret may be; aliases are checked against its versions elsewhere.

    Args:
        before: the secret as it was, whose rotation may by now be closer than a new one could be set.

    Raises:
        RpcError: INVALID_ARGUMENT.
    """
    _check_labels(secret.labels)
    _check_annotations(secret.annotations)
    _check_topics(secret.topics)
    if secret.rotation != before.rotation or secret.topics != before.topics:
        _check_rotation(secret, now_ns / 1e9)
    if secret.HasField("expire_time") and not now_ns / 1e9 < _seconds(secret.expire_time) < MAX_TIME_S:
        raise _invalid("Secret expiration must be in the future.")
    if secret.HasField("version_destroy_ttl"):
        ttl_s = _seconds(secret.version_destroy_ttl)
        if not MIN_DESTROY_TTL_S <= ttl_s <= MAX_DESTROY_TTL_S:
            raise _invalid("version_destroy_ttl must be between 1 and 1000 days.")
    if not is_regional and secret.HasField("customer_managed_encryption"):
        raise _invalid("customer_managed_encryption of a secret is for regional secrets.")


def check_replication(replication: Any, *, is_regional: bool) -> None:
    """A global secret says how it is replicated; a regional one can not."""
    kind = replication.WhichOneof("replication")
    if is_regional:
        if kind is not None:
            raise _invalid("A regional secret must not have a replication policy.")
        return
    if kind is None:
        raise _invalid("Secret.replication must be provided.")
    if kind == "user_managed":
        locations = [replica.location for replica in replication.user_managed.replicas]
        if not locations or not all(locations) or len(set(locations)) < len(locations):
            raise _invalid("Secret.replication.user_managed.replicas must name each location once.")


def check_aliases(aliases: Mapping[str, int], newest: int) -> None:
    """An alias is well formed and stands for a version that exists."""
    if len(aliases) > MAX_ALIASES:
        raise _invalid(f"A secret may have at most {MAX_ALIASES} version aliases.")
    for alias, number in aliases.items():
        if re.fullmatch(ALIAS, alias) is None or alias in {"latest", "NEW"}:
            raise _invalid(f"The version alias [{alias}] is not valid.")
        if not 1 <= number <= newest:
            raise _invalid(f"The version alias [{alias}] names version {number}, which does not exist.")


def _check_labels(labels: Mapping[str, str]) -> None:
    if len(labels) > MAX_LABELS:
        raise _invalid(f"No more than {MAX_LABELS} labels can be assigned to a secret.")
    for key, value in labels.items():
        starts = key[:1] and unicodedata.category(key[0]) in {"Ll", "Lo"}
        if not starts or not _is_label_text(key):
            raise _invalid(f"The label key [{key}] is not valid.")
        if not _is_label_text(value):
            raise _invalid(f"The label value [{value}] of the key [{key}] is not valid.")


def _is_label_text(text: str) -> bool:
    """``[\\p{Ll}\\p{Lo}\\p{N}_-]{0,63}``, at most 128 bytes."""
    allowed = all(c in "_-" or unicodedata.category(c) in {"Ll", "Lo", "Nd", "Nl", "No"} for c in text)
    return allowed and len(text) <= 63 and len(text.encode()) <= 128


def _check_annotations(annotations: Mapping[str, str]) -> None:
    for key in annotations:
        if _ANNOTATION_KEY.fullmatch(key) is None:
            raise _invalid(f"The annotation key [{key}] is not valid.")
    if sum(len(f"{key}{value}".encode()) for key, value in annotations.items()) >= MAX_ANNOTATION_BYTES:
        raise _invalid("The total size of annotation keys and values must be less than 16KiB.")


def _check_topics(topics: Any) -> None:
    if len(topics) > MAX_TOPICS:
        raise _invalid(f"A secret may have at most {MAX_TOPICS} topics.")
    for topic in topics:
        if _TOPIC.fullmatch(topic.name) is None:
            raise _invalid(
                f"The topic [{topic.name}] does not match the expected format [projects/*/topics/*]"
            )


def _check_rotation(secret: Any, now_s: float) -> None:
    if not secret.HasField("rotation"):
        return
    rotation = secret.rotation
    if not secret.topics:
        raise _invalid("Secret.topics must be set to configure rotation.")
    if rotation.HasField("rotation_period"):
        if not MIN_ROTATION_S <= _seconds(rotation.rotation_period) <= MAX_ROTATION_S:
            raise _invalid("Secret.rotation.rotation_period must be from 3600s to 3153600000s.")
        if not rotation.HasField("next_rotation_time"):
            raise _invalid("Secret.rotation.next_rotation_time must be set if rotation_period is set.")
    if rotation.HasField("next_rotation_time"):
        ahead_s = _seconds(rotation.next_rotation_time) - now_s
        if not MIN_NEXT_ROTATION_S <= ahead_s <= MAX_ROTATION_S:
            raise _invalid("Secret.rotation.next_rotation_time must be 300s to 3153600000s in the future.")


def _seconds(time_or_duration: Any) -> float:
    seconds: float = time_or_duration.seconds + time_or_duration.nanos / 1e9
    return seconds


def _invalid(message: str) -> RpcError:
    return RpcError("INVALID_ARGUMENT", message)
