"""Names of secrets and versions, global and regional, and the words that refuse others."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .projects import LOCATION, PROJECT, matched, number_of
from .rpc_error import RpcError

SECRET_ID = r"[a-zA-Z0-9_-]{1,255}"
ALIAS = r"[a-zA-Z][a-zA-Z0-9_-]{0,62}"
_PARENT = rf"{PROJECT}(?:/{LOCATION})?"
_SECRET = rf"{_PARENT}/secrets/(?P<secret>{SECRET_ID})"
_VERSION = rf"{_SECRET}/versions/(?P<version>[0-9]{{1,18}}|{ALIAS})"


@dataclass(frozen=True, slots=True)
class Place:
    """Where secrets live: a project, for regional ones a location of it."""

    project: str  # its number
    location: str = ""

    def __str__(self) -> str:
        return f"projects/{self.project}" + (f"/locations/{self.location}" if self.location else "")


def place(name: str) -> Place:
    """``projects/*`` or ``projects/*/locations/*``."""
    match = matched(_PARENT, name, _refusal(name, "projects/*"))
    return _place(match)


def secret(name: str) -> tuple[Place, str]:
    """The place and the id in the name of a secret."""
    match = matched(_SECRET, name, _refusal(name, "projects/*/secrets/*"))
    return _place(match), match["secret"]


def version(name: str) -> tuple[Place, str, str]:
    """The place, the id of the secret, and the number, alias or ``latest`` in the name of a version."""
    match = matched(_VERSION, name, _refusal(name, "projects/*/secrets/*/versions/*"))
    return _place(match), match["secret"], match["version"]


def check_id(secret_id: str) -> None:
    if re.fullmatch(SECRET_ID, secret_id) is None:
        raise RpcError("INVALID_ARGUMENT", _refusal(secret_id, f"[{SECRET_ID}]"))


def _place(match: re.Match[str]) -> Place:
    return Place(number_of(match["project"]), match["location"] or "")


def _refusal(name: str, form: str) -> str:
    bracketed = form if form.startswith("[") else f"[{form}]"
    return f"The provided Secret ID [{name}] does not match the expected format {bracketed}"
