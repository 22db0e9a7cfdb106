"""Every setting, one file a section, and the one place that reads them."""

from .loading import Settings, load, reset, settings
from .project import configured_project, project_argument

__all__ = ["Settings", "configured_project", "load", "project_argument", "reset", "settings"]
