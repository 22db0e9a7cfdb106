"""Runs the fidelity checks where asked: on a fresh emulator, or in a real project."""

from __future__ import annotations

from typing import Any

import grpc

from ..errors import EmulatorError
from .fidelity import Report, run
from .fidelity.check import Site
from .running import running_emulator

LOCAL_PROJECT = "genesis-verify-local"
REAL_POLL_S = 5.0


def verify_emulator() -> Report:
    """Check a fresh emulator."""
    with running_emulator() as emulator, grpc.insecure_channel(emulator.grpc) as channel:

        def connect(cls: type[Any]) -> Any:
            return cls(transport=cls.get_transport_class("grpc")(channel=channel))

        return run(Site(LOCAL_PROJECT, connect), "emulator")


def verify_project(project: str, max_usd: float) -> Report:
    """Check the real Google Cloud, with application default credentials, in ``project``.

    Raises:
        EmulatorError: there are no credentials.
    """
    import google.auth
    from google.auth.exceptions import DefaultCredentialsError

    try:
        credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
    except DefaultCredentialsError as error:
        raise EmulatorError(
            "no credentials for Google Cloud; run: gcloud auth application-default login"
        ) from error
    site = Site(project, lambda cls: cls(credentials=credentials), poll_s=REAL_POLL_S, max_usd=max_usd)
    return run(site, "google cloud")
