"""Project ids and numbers: both name the same project, and every id has one stable number."""

from __future__ import annotations

import hashlib
import re

from google.rpc import error_details_pb2

from .rpc_error import RpcError

PROJECT = r"projects/(?P<project>[A-Za-z0-9][A-Za-z0-9.:_-]{0,99})"
LOCATION = r"locations/(?P<location>[a-z][a-z0-9-]{0,62})"

_NUMBER_DIGITS = 12


def number_of(project: str) -> str:
    """The number of a project; a number stands for itself."""
    if project.isdigit():
        return project
    digest = int.from_bytes(hashlib.sha256(project.encode()).digest()[:8], "big")
    return str(10 ** (_NUMBER_DIGITS - 1) + digest % (9 * 10 ** (_NUMBER_DIGITS - 1)))


def matched(pattern: str, name: str, refusal: str) -> re.Match[str]:
    """``name`` in the form of ``pattern``.

    Raises:
        RpcError: INVALID_ARGUMENT with ``refusal``, or Google's front's own words if no project is named.
    """
    match = re.fullmatch(pattern, name)
    if match is not None:
        return match
    if not re.match(r"projects/[^/]", name):
        info = error_details_pb2.ErrorInfo(reason="RESOURCE_PROJECT_INVALID", domain="googleapis.com")
        raise RpcError("INVALID_ARGUMENT", "Invalid resource field value in the request.", [info])
    raise RpcError("INVALID_ARGUMENT", refusal)
