"""Names of secret versions: short ones, and Secret Manager's own.

Accepted are ``SECRET``, ``SECRET/versions/V`` and ``projects/P[/locations/L]/secrets/SECRET[/versions/V]``.

Source: https://cloud.google.com/secret-manager/docs/reference/rest (secret ids, version aliases)
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from ..errors import InvalidInputError

LATEST = "latest"

_NAME = re.compile(
    r"(?:projects/(?P<project>[a-z0-9][a-z0-9.:-]{0,126})(?:/locations/(?P<location>[a-z0-9-]{1,63}))?/secrets/)?"
    r"(?P<secret>[a-zA-Z0-9_-]{1,255})"
    r"(?:/versions/(?P<version>[a-zA-Z0-9_-]{1,63}))?"
)
PROJECT = re.compile(r"[a-z0-9][a-z0-9.:-]{0,126}")
_VERSION = re.compile(r"[1-9][0-9]{0,18}|[a-zA-Z][a-zA-Z0-9_-]{0,62}")


@dataclass(frozen=True, slots=True)
class SecretName:
    """One version of one secret."""

    project: str
    secret: str
    version: str  # a number, "latest" or an alias
    location: str | None = None  # of a regional secret

    @property
    def parent(self) -> str:
        """Resource name of the secret."""
        place = f"/locations/{self.location}" if self.location else ""
        return f"projects/{self.project}{place}/secrets/{self.secret}"

    @property
    def resource(self) -> str:
        """Resource name of the version."""
        return f"{self.parent}/versions/{self.version}"

    @property
    def place(self) -> str:
        """What shares quotas and outages: project and location."""
        return f"{self.project}/{self.location or 'global'}"

    @property
    def label(self) -> str:
        """Short, for reports: the version only where it is not the latest."""
        return self.secret if self.version == LATEST else f"{self.secret}/versions/{self.version}"


def parse(
    text: str,
    version: str | int = LATEST,
    *,
    project: Callable[[], str],
    location: str | None = None,
) -> SecretName:
    """Read a name as a caller writes it.

    Args:
        version: where the name itself has none.
        project: asked only for short names.
        location: of short names; None means global secrets.

    Raises:
        InvalidInputError: not a name, or name and ``version`` contradict each other.
    """
    found = _NAME.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise InvalidInputError(
            f"{_shown(text)} is not a secret's name; write 'my-secret' (letters, digits, _ and -, "
            "at most 255), 'my-secret/versions/3' or 'projects/P/secrets/my-secret/versions/3'"
        )
    if isinstance(version, bool) or not isinstance(version, str | int):
        raise InvalidInputError(
            f"the version of {text!r} is {type(version).__name__}; it is a number or text"
        )
    said = str(version)
    inside = found["version"]
    if inside and said not in (LATEST, inside):
        raise InvalidInputError(f"{text!r} names version {inside!r}, the argument says {said!r}; give one")
    chosen = inside or said
    if not _VERSION.fullmatch(chosen):
        raise InvalidInputError(
            f"{chosen[:80]!r} is not a version of {text!r}; it is a number from 1, 'latest' or an alias"
        )
    if found["project"]:
        return SecretName(found["project"], found["secret"], chosen, found["location"])
    return SecretName(project(), found["secret"], chosen, location)


def _shown(text: object) -> str:
    """The start of it: a payload passed by mistake must not be repeated whole."""
    if not isinstance(text, str):
        return f"a value of type {type(text).__name__}"
    return f"{text[:20]!r}..." if len(text) > 20 else repr(text)
