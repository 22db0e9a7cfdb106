"""What a project's secrets cost to keep: their active versions, whoever reads them.

An administrative read (``secretmanager.secrets.list``, ``secretmanager.versions.list``): one call a secret,
of a quota of 600 a minute. Never made by a running service.

Source: https://cloud.google.com/secret-manager/pricing
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..model.money import Money
from ..prices import cost_of

PRICE = "secretmanager.version"
PAGE = 250  # versions and secrets a call, at most 25,000 are allowed


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptSecret:
    """One secret as it is kept. Disabled versions are active ones to the bill; destroyed ones are free."""

    resource: str
    enabled: int
    disabled: int
    locations: int
    monthly_cost: Money  # at list price, the billing account's free tier left out


def kept_secrets(project: str, location: str | None = None) -> Iterator[KeptSecret]:
    """Every secret of a project (and location).

    Raises:
        CloudError: the project does not exist, or may not be listed.
    """
    from ..gcp.calling import each
    from ..gcp.clients import GLOBAL

    parent = f"projects/{project}" + (f"/locations/{location}" if location else "")
    place = location or GLOBAL
    for secret in each(
        "secret_manager", "list_secrets", {"parent": parent, "page_size": PAGE}, location=place
    ):
        request = {"parent": secret.name, "page_size": PAGE}
        states = [
            version.state.name
            for version in each("secret_manager", "list_secret_versions", request, location=place)
        ]
        enabled, disabled = states.count("ENABLED"), states.count("DISABLED")
        locations = _locations(secret)
        yield KeptSecret(
            resource=secret.name,
            enabled=enabled,
            disabled=disabled,
            locations=locations,
            monthly_cost=cost_of(PRICE, (enabled + disabled) * locations, free_tier=False),
        )


def _locations(secret: Any) -> int:
    """Locations that are billed: automatic replication counts as one."""
    return max(1, len(secret.replication.user_managed.replicas))
