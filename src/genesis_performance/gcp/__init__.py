"""The only door to Google Cloud: clients, calls, errors, project and credentials."""

from .calling import acall, aeach, call, each
from .clients import client, close_all
from .project import credentials_available, resolve_project

__all__ = [
    "acall",
    "aeach",
    "call",
    "client",
    "close_all",
    "credentials_available",
    "each",
    "resolve_project",
]
