"""What a project's secrets cost to keep: their active versions, whoever reads them.

An administrative read (``secretmanager.secrets.list``, ``secretmanager.versions.list``): one call a secret,
of a quota of 600 a minute. A running service makes it for its own secrets only, and only when it asks for
cost recommendations.

Source: https://cloud.google.com/secret-manager/pricing
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ..errors import CloudNotFoundError, GenesisPerformanceError
from ..model.money import Money
from ..prices import cost_of

log = logging.getLogger(__name__)

PRICE = "secretmanager.version"
PAGE = 250  # versions and secrets a call, at most 25,000 are allowed
LISTED_AGAIN_S = 3600.0
MOST_LISTED = 100  # two calls each, of 600 a minute


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptSecret:
    """One secret as it is kept. Disabled versions are active ones to the bill; destroyed ones are free."""

    resource: str
    enabled: tuple[int, ...]  # version numbers, the newest first
    disabled: tuple[int, ...]
    locations: int = 1

    @property
    def active(self) -> int:
        """What is billed: versions times locations."""
        return (len(self.enabled) + len(self.disabled)) * self.locations

    @property
    def monthly_cost(self) -> Money:
        """At list price, the billing account's free tier left out."""
        return cost_of(PRICE, self.active, free_tier=False)


def kept_secrets(project: str, location: str | None = None) -> Iterator[KeptSecret]:
    """Every secret of a project (and location).

    Raises:
        CloudError: the project does not exist, or may not be listed.
    """
    from ..gcp.calling import each

    parent = f"projects/{project}" + (f"/locations/{location}" if location else "")
    request = {"parent": parent, "page_size": PAGE}
    for secret in each("secret_manager", "list_secrets", request, location=_place(location)):
        # Secret Manager answers with the project's number; the reader knows it by its id.
        yield _kept(f"{parent}/secrets/{secret.name.rpartition('/')[2]}", secret, location)


def kept_secret(resource: str, location: str | None = None) -> KeptSecret:
    """One secret, by ``projects/P[/locations/L]/secrets/S``.

    Raises:
        CloudError: it does not exist, or may not be listed.
    """
    from ..gcp.calling import call

    secret = call("secret_manager", "get_secret", {"name": resource}, location=_place(location))
    return _kept(resource, secret, location)


def _kept(resource: str, secret: Any, location: str | None) -> KeptSecret:
    from ..gcp.calling import each

    request = {"parent": resource, "page_size": PAGE}
    states: dict[str, list[int]] = {"ENABLED": [], "DISABLED": []}
    for version in each("secret_manager", "list_secret_versions", request, location=_place(location)):
        states.setdefault(version.state.name, []).append(int(version.name.rpartition("/")[2]))
    return KeptSecret(
        resource=resource,
        enabled=tuple(sorted(states["ENABLED"], reverse=True)),
        disabled=tuple(sorted(states["DISABLED"], reverse=True)),
        locations=_locations(secret),
    )


def _place(location: str | None) -> str:
    from ..gcp.clients import GLOBAL

    return location or GLOBAL


def _locations(secret: Any) -> int:
    """Locations that are billed: automatic replication counts as one."""
    return max(1, len(secret.replication.user_managed.replicas))


class OwnVersions:
    """The versions of the secrets that this process reads: at most ``MOST_LISTED``, once an hour."""

    def __init__(self) -> None:
        self._known: dict[str, KeptSecret | None] = {}
        self._since = float("-inf")
        self._is_denied = False

    def listed(self, secrets: Iterable[tuple[str, str | None]], now: float) -> tuple[KeptSecret, ...] | None:
        """Those that may be listed; None when that is none. Never raises.

        Args:
            secrets: resource name and location of each.
            now: seconds, monotonic.
        """
        if not 0 <= now - self._since < LISTED_AGAIN_S:
            self._known, self._since, self._is_denied = {}, now, False
        for resource, location in secrets:
            if self._is_denied or len(self._known) >= MOST_LISTED:
                break
            if resource not in self._known:
                self._known[resource] = self._ask(resource, location)
        return tuple(kept for kept in self._known.values() if kept is not None) or None

    def _ask(self, resource: str, location: str | None) -> KeptSecret | None:
        try:
            return kept_secret(resource, location)
        except CloudNotFoundError:
            return None
        except GenesisPerformanceError as error:  # the next ones would end the same way
            self._is_denied = True
            log.info("versions are not listed, so nothing is said about what keeping them costs: %s", error)
            return None
