"""Settings of the door to Google Cloud."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from .section import Positive, Section

_HOST_PORT = Meta(pattern=r"^[^:/\s]+:\d{1,5}$")


class GcpSection(Section, frozen=True, kw_only=True):
    """Which project, where, and over which endpoints.

    Args:
        project_id: argument, then ``GOOGLE_CLOUD_PROJECT``, then ``GCP_PROJECT_ID``, then this file's
            value, then the application default credentials.
        location: regional endpoints, for example ``europe-west3``; None is global.
        universe_domain: of a sovereign cloud.
        quota_project: billed for the calls, where it is not the project itself.
        residency: ``strict`` refuses services that only have a global endpoint.
        emulator: ``host:port`` of the emulator's gRPC port; every client then goes there, without
            credentials.
        emulator_http: ``host:port`` of its HTTP port.
        timeout_s: default deadline of a call.
    """

    NAME: ClassVar[str] = "gcp"

    project_id: str | None = None
    location: str | None = None
    universe_domain: str = "googleapis.com"
    quota_project: str | None = None
    residency: Literal["any", "strict"] = "any"
    emulator: Annotated[str, _HOST_PORT] | None = None
    emulator_http: Annotated[str, _HOST_PORT] | None = None
    timeout_s: Positive = 10.0
