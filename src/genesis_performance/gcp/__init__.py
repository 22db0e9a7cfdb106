"""The only door to Google Cloud: clients, calls, errors, project and credentials.

Handed on lazily: who speaks OTLP asks for the project and needs neither asyncio nor a client.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .calling import acall, aeach, call, each
    from .clients import client, close_all
    from .project import credentials_available, resolve_project

_HOMES = {
    "acall": "calling",
    "aeach": "calling",
    "call": "calling",
    "client": "clients",
    "close_all": "clients",
    "credentials_available": "project",
    "each": "calling",
    "resolve_project": "project",
}

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


def __getattr__(name: str) -> "Any":
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
