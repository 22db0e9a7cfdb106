"""What the cache needs from outside: reads, times, chance and threads; all of it replaceable."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import NamedTuple, Protocol

from .names import SecretName

NEWEST = 20  # versions whose times are asked for, in one call


class Version(Protocol):
    """What an access brings: see ``gcp.secret_version.SecretVersion``."""

    @property
    def name(self) -> str: ...

    @property
    def payload(self) -> bytes: ...


Access = Callable[[SecretName, float], Version]
"""Read a version within so many seconds."""

History = Callable[[SecretName, float], Sequence[float]]
"""The times (seconds since 1970) at which a secret's latest versions were made, within so many seconds."""


def access_over_grpc(name: SecretName, timeout_s: float) -> Version:
    """Read a version from Secret Manager, or from the emulator."""
    from ..gcp.clients import GLOBAL
    from ..gcp.secret_version import access_secret_version

    return access_secret_version(name.resource, timeout_s=timeout_s, location=name.location or GLOBAL)


def history_over_grpc(name: SecretName, timeout_s: float) -> list[float]:
    """Create times from ``ListSecretVersions``, the newest first; needs secretmanager.versions.list."""
    from ..gcp.calling import call
    from ..gcp.clients import GLOBAL

    pager = call(
        "secret_manager",
        "list_secret_versions",
        {"parent": name.parent, "page_size": NEWEST},
        timeout_s=timeout_s,
        location=name.location or GLOBAL,
    )
    page = next(iter(pager.pages))
    return [version.create_time.timestamp() for version in page.versions]


class Outside(NamedTuple):
    """Where reads, times, chance and threads come from."""

    access: Access = access_over_grpc
    history: History | None = history_over_grpc
    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    chance: Callable[[], float] = random.random  # 0 to 1
    executor: Executor | None = None  # instead of a pool of the cache's own
