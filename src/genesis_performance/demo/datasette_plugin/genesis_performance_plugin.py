"""A Datasette plugin: every request is an operation of Genesis Performance.

Datasette loads this file with ``--plugins-dir``; nothing of Datasette is changed.
"""

from __future__ import annotations

import functools
from typing import Any

from datasette import hookimpl
from datasette.version import __version__

from genesis_performance import runtime
from genesis_performance.demo.datasette_routes import template
from genesis_performance.demo.lifeline import end_with_parent
from genesis_performance.integrations.asgi import App, PerformanceMiddleware


@hookimpl  # type: ignore[untyped-decorator]  # Datasette has no types
def asgi_wrapper(datasette: Any) -> Any:
    profiler = _running().profiler

    def wrap(app: App) -> PerformanceMiddleware:
        return PerformanceMiddleware(app, profiler=profiler, operation_name=template)

    return wrap


@functools.cache
def _running() -> runtime.Runtime:
    """Started once: Datasette makes its application anew for its own client."""
    end_with_parent()
    return runtime.start("datasette", environment="demo", release=__version__, interval_s=2.0)
