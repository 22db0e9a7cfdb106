"""Says in words which packages are missing before anything tries to import them."""

from __future__ import annotations

import importlib.util

from ..errors import MissingDependencyError

MODULES = (
    "grpc",
    "starlette",
    "uvicorn",
    "google_crc32c",
    "google.cloud.secretmanager_v1",
    "google.cloud.monitoring_v3",
    "google.cloud.monitoring_dashboard_v1",
    "google.cloud.billing_v1",
    "google.cloud.billing.budgets_v1",
    "google.cloud.recommender_v1",
    "google.pubsub_v1",
)


def check() -> None:
    """Raise unless everything that the emulator serves with is installed.

    Raises:
        MissingDependencyError: names what is missing and the line that installs it.
    """
    missing = [name for name in MODULES if not _is_there(name)]
    if missing:
        raise MissingDependencyError(
            f"the emulator needs {', '.join(missing)}: pip install 'genesis-performance[emulator]'"
        )


def _is_there(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # the package around it is missing
        return False
