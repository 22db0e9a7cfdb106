"""From a name as a caller writes it to the one that Secret Manager knows: project and location filled in."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from ..config import settings
from ..errors import ConfigurationError
from .names import PROJECT, SecretName, parse


class Naming:
    """The project of short names, asked when a short name is first read."""

    def __init__(self, project: str | None) -> None:
        self._project = project

    def name(self, text: str, version: str | int) -> SecretName:
        """
        Raises:
            InvalidInputError: not a name.
            ConfigurationError: a short name, and no project is known.
        """
        return parse(text, version, project=self._known_project, location=settings().gcp.location)

    async def find_project(self, names: Iterable[str]) -> None:
        """Resolve the project off the event loop if the names need it: a metadata server is slow."""
        if self._project is None and not all(str(name).startswith("projects/") for name in names):
            await asyncio.to_thread(self._known_project)

    def _known_project(self) -> str:
        if self._project is None:
            from ..gcp.project import resolve_project

            self._project = resolve_project()
        if self._project is None:
            raise ConfigurationError(
                "no Google Cloud project is known; give project_id, set GOOGLE_CLOUD_PROJECT (or "
                "GCP_PROJECT_ID, or gcp.project_id), or use full names (projects/P/secrets/S)"
            )
        if not PROJECT.fullmatch(str(self._project)):
            raise ConfigurationError(
                f"{self._project!r} is not a project's id or number, such as 'my-project'"
            )
        return self._project
