"""Which Google Cloud project a part works on."""

from __future__ import annotations

from ..errors import ConfigurationError
from .loading import settings


def project_argument(gcp_project_id: str | None, project_id: str | None) -> str | None:
    """One project out of the two argument names that the constructors accept.

    Raises:
        ConfigurationError: both are given and differ, or one is no text.
    """
    for name, given in (("gcp_project_id", gcp_project_id), ("project_id", project_id)):
        if given is not None and not isinstance(given, str):
            raise ConfigurationError(f"{name} is {given!r:.80}; it must be the id of a project, as text")
    if gcp_project_id and project_id and gcp_project_id != project_id:
        raise ConfigurationError(
            f"gcp_project_id={gcp_project_id!r} and project_id={project_id!r} differ; give one of them"
        )
    return gcp_project_id or project_id


def configured_project(argument: str | None = None) -> str | None:
    """Argument, then environment, then configuration file; credentials are asked by ``gcp``."""
    current = settings()
    return argument or current.gcp.project_id or current.monitoring.gcp_project_id
