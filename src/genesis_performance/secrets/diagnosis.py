"""Why a secret can not be read, in words, and the command that changes it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from ..errors import (
    CloudDeadlineError,
    CloudError,
    CloudNotFoundError,
    CloudPermissionError,
    CloudPreconditionError,
    CloudQuotaError,
    CloudUnavailableError,
    GenesisPerformanceError,
)
from .names import SecretName

_NUMBER = re.compile(r"/versions/([0-9]+)\] is in")


class Words(NamedTuple):
    """What is wrong and what to do; ``explained`` fills in secret, version, project, where and error."""

    text: str
    remedy: str


NOT_ENABLED = Words(
    "the Secret Manager API is not enabled in project {project!r}",
    "gcloud services enable secretmanager.googleapis.com --project={project}",
)
NO_VERSION = Words(
    "secret {secret!r} exists in project {project!r}, but it has no version {version!r}",
    "gcloud secrets versions list {secret} {where}",
)
DISABLED = Words(
    "version {version!r} is disabled",
    "gcloud secrets versions enable {number} --secret={secret} {where}",
)
DESTROYED = Words(
    "version {version!r} is destroyed, and can not be brought back",
    "gcloud secrets versions add {secret} {where} --data-file=FILE",
)
NO_CREDENTIALS = Words("there are no valid credentials", "{error}")
BY_ERROR: tuple[tuple[type[CloudError], Words], ...] = (
    (
        CloudNotFoundError,
        Words(
            "there is no secret {secret!r} in project {project!r}, or it has no version {version!r}",
            "gcloud secrets list {where}; then gcloud secrets create {secret} {where} --data-file=FILE, or "
            "gcloud secrets versions add {secret} {where} --data-file=FILE",
        ),
    ),
    (
        CloudPermissionError,
        Words(
            "the caller lacks secretmanager.versions.access, "
            "or the secret does not exist and the caller may not know that",
            "gcloud secrets add-iam-policy-binding {secret} {where} "
            "--member=serviceAccount:ACCOUNT --role=roles/secretmanager.secretAccessor",
        ),
    ),
    (
        CloudPreconditionError,
        Words(
            "version {version!r} is disabled or destroyed",
            "gcloud secrets versions list {secret} {where}; then "
            "gcloud secrets versions enable VERSION --secret={secret} {where}, or "
            "gcloud secrets versions add {secret} {where} --data-file=FILE",
        ),
    ),
    (
        CloudQuotaError,
        Words(
            "the quota of accesses is used up (90,000 a minute and project)",
            "let values live longer: SECRET_CACHE_TTL",
        ),
    ),
    (
        CloudDeadlineError,
        Words(
            "Secret Manager did not answer in time", "check the network, or raise secret_manager.timeout_s"
        ),
    ),
    (
        CloudUnavailableError,
        Words("Secret Manager could not be reached: {error}", "check the network and try again"),
    ),
)
"""The first that fits."""
BY_TEXT: tuple[tuple[type[CloudError], str, Words], ...] = (
    (CloudNotFoundError, "Secret Version [", NO_VERSION),
    (CloudPreconditionError, "DISABLED state", DISABLED),
    (CloudPreconditionError, "DESTROYED state", DESTROYED),
)
"""What Secret Manager says more exactly than by its code; looked at first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What was found about one secret; ``remedy`` is a command or a sentence, empty when all is well."""

    resource: str
    is_readable: bool
    text: str
    remedy: str = ""
    code: str = ""


def readable(name: SecretName, version: str, latency_ms: float) -> Diagnosis:
    return Diagnosis(
        resource=name.resource,
        is_readable=True,
        text=f"version {version} can be read; it took {latency_ms:.0f} ms",
    )


def explained(name: SecretName, error: GenesisPerformanceError) -> Diagnosis:
    """The diagnosis of an error that reading ``name`` raised."""
    words = _words(error)
    number = _NUMBER.search(str(error))  # the one that "latest" or an alias stands for
    fields = {
        "secret": name.secret,
        "version": name.version,
        "project": name.project,
        "number": number[1] if number else "VERSION",
        "where": f"--project={name.project}" + (f" --location={name.location}" if name.location else ""),
        "error": error,
    }
    return Diagnosis(
        resource=name.resource,
        is_readable=False,
        text=words.text.format_map(fields),
        remedy=words.remedy.format_map(fields),
        code=error.code if isinstance(error, CloudError) else "",
    )


def _words(error: GenesisPerformanceError) -> Words:
    if isinstance(error, CloudPermissionError):
        reasons = {getattr(detail, "reason", "") for detail in error.details}
        if error.code == "UNAUTHENTICATED":
            return NO_CREDENTIALS
        if "SERVICE_DISABLED" in reasons or "has not been used in project" in str(error):
            return NOT_ENABLED
    for kind, saying, words in BY_TEXT:
        if isinstance(error, kind) and saying in str(error):
            return words
    return next((words for kind, words in BY_ERROR if isinstance(error, kind)), Words("{error}", ""))
