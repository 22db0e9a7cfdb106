"""Read one secret version: checked against its checksum, and out of every log.

Google's client writes whole responses, payloads included, into its DEBUG log records; a filter takes them
out. No frame of this module holds a payload when it raises.
"""

from __future__ import annotations

import logging
from typing import NamedTuple

from ..errors import CloudError, MissingDependencyError
from .calling import call

_PACKAGE = "google.cloud.secretmanager_v1.services.secret_manager_service"
_LOGGERS = tuple(
    f"{_PACKAGE}.{name}"
    for name in (
        "client",
        "async_client",
        "transports.grpc",
        "transports.grpc_asyncio",
        "transports.rest",
        "transports.rest_base",
    )
)
_FIELDS = ("request", "response", "httpRequest", "httpResponse")
LEFT_OUT = "left out: may hold a secret"


class SecretVersion(NamedTuple):
    """A secret version as it was read."""

    name: str  # projects/P/secrets/S/versions/N, the version resolved
    payload: bytes

    def __repr__(self) -> str:
        return f"SecretVersion({self.name!r}, payload left out)"


def access_secret_version(
    name: str, *, timeout_s: float | None = None, location: str | None = None
) -> SecretVersion:
    """Read the version called ``name`` (``projects/P/secrets/S/versions/V``) and check its checksum.

    A payload that does not match is read once more.

    Raises:
        CloudError: Secret Manager refused, could not be reached, or sent a damaged payload twice.
    """
    crc32c(b"")  # without the package it fails here, where no payload is near
    for _try in range(2):
        version = _access(name, timeout_s, location)
        if version is not None:
            return version
    raise CloudError(
        f"{name}: DATA_LOSS: the payload does not match its CRC32C checksum, twice in a row; "
        "it was damaged on the way",
        code="DATA_LOSS",
    )


def _access(name: str, timeout_s: float | None, location: str | None) -> SecretVersion | None:
    """The version, or None when the checksum does not match."""
    response = call(
        "secret_manager", "access_secret_version", {"name": name}, timeout_s=timeout_s, location=location
    )
    payload = response.payload
    if crc32c(payload.data) != payload.data_crc32c:
        return None
    return SecretVersion(response.name, payload.data)


def crc32c(data: bytes) -> int:
    """CRC32C (Castagnoli), as Secret Manager sends it."""
    try:
        import google_crc32c
    except ImportError as error:
        raise MissingDependencyError(
            "Secret Manager needs google-crc32c: pip install 'genesis-performance[secrets]'"
        ) from error
    return int(google_crc32c.value(data))


def keep_payloads_out_of_logs() -> None:
    """Take requests and responses out of the log records of Google's Secret Manager client."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if _without_payload not in logger.filters:
            logger.addFilter(_without_payload)


def _without_payload(record: logging.LogRecord) -> bool:
    for field in _FIELDS:
        if field in record.__dict__:
            record.__dict__[field] = LEFT_OUT
    return True
