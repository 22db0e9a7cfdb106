"""Every setting, one file a section, and the one place that reads them.

Handed on lazily: the profiler needs one section at import, not all of them.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .loading import Settings, load, reset, settings
    from .project import configured_project, project_argument

__all__ = ["Settings", "configured_project", "load", "project_argument", "reset", "settings"]


def __getattr__(name: str) -> "Any":
    from importlib import import_module

    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = "project" if name.endswith(("_project", "_argument")) else "loading"
    return getattr(import_module(f"{__name__}.{home}"), name)
