from __future__ import annotations

from types import SimpleNamespace

import pytest

from genesis_performance.errors import (
    CloudDeadlineError,
    CloudError,
    CloudNotFoundError,
    CloudPermissionError,
    CloudPreconditionError,
    CloudQuotaError,
    CloudUnavailableError,
    ConfigurationError,
)
from genesis_performance.secrets.diagnosis import explained, readable
from genesis_performance.secrets.names import SecretName

NAME = SecretName("p", "db", "3", "europe-west3")


@pytest.mark.parametrize(
    ("error", "text", "remedy"),
    [
        (
            CloudNotFoundError("x"),
            "no secret 'db' in project 'p', or it has no version '3'",
            "gcloud secrets create db --project=p",
        ),
        (
            CloudPermissionError("x"),
            "lacks secretmanager.versions.access",
            "roles/secretmanager.secretAccessor",
        ),
        (CloudPermissionError("no ADC", code="UNAUTHENTICATED"), "no valid credentials", "no ADC"),
        (
            CloudPermissionError("x", details=(SimpleNamespace(reason="SERVICE_DISABLED"),)),
            "API is not enabled in project 'p'",
            "gcloud services enable",
        ),
        (
            CloudNotFoundError("Secret Version [projects/1/secrets/db/versions/3] not found."),
            "secret 'db' exists in project 'p', but it has no version '3'",
            "gcloud secrets versions list db",
        ),
        (CloudPreconditionError("x"), "'3' is disabled or destroyed", "versions enable VERSION --secret=db"),
        (
            CloudPreconditionError("Secret Version [projects/1/secrets/db/versions/3] is in DISABLED state."),
            "version '3' is disabled",
            "gcloud secrets versions enable 3 --secret=db",
        ),
        (
            CloudPreconditionError(
                "Secret Version [projects/1/secrets/db/versions/3] is in DESTROYED state."
            ),
            "version '3' is destroyed, and can not be brought back",
            "gcloud secrets versions add db",
        ),
        (CloudQuotaError("x"), "quota", "SECRET_CACHE_TTL"),
        (CloudDeadlineError("x"), "in time", "timeout_s"),
        (CloudUnavailableError("no route"), "no route", "network"),
        (CloudError("odd"), "odd", ""),
        (ConfigurationError("strict"), "strict", ""),
    ],
)
def test_every_error_is_explained_in_words(error, text, remedy):
    found = explained(NAME, error)
    assert not found.is_readable
    assert text in found.text
    assert remedy in found.remedy


def test_commands_name_project_and_location():
    assert "--project=p --location=europe-west3" in explained(NAME, CloudPermissionError("x")).remedy


def test_a_readable_secret_shows_its_version_and_not_its_payload():
    found = readable(NAME, "3", 12.3)
    assert found.is_readable
    assert found.text == "version 3 can be read; it took 12 ms"
