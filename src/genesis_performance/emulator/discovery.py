"""Finds the emulated services: modules under ``services/``, and ``monitoring``, that name ``SERVICES``."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import pkgutil
from typing import Any

from . import services


@functools.cache
def service_classes() -> tuple[type[Any], ...]:
    """The service classes, in the order of their modules' names."""
    names = [f"{services.__name__}.{module.name}" for module in pkgutil.iter_modules(services.__path__)]
    monitoring = f"{__package__}.monitoring"
    if importlib.util.find_spec(monitoring) is not None:
        names.append(monitoring)
    modules = [importlib.import_module(name) for name in names]
    return tuple(cls for module in modules for cls in getattr(module, "SERVICES", ()))
