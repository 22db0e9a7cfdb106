"""A Datasette plugin: every request is an operation of Genesis Performance.

Datasette loads this file with ``--plugins-dir``; nothing of Datasette is changed.
"""

from __future__ import annotations

from typing import Any

from datasette import hookimpl
from datasette.version import __version__

from genesis_performance import runtime
from genesis_performance.demo.datasette_routes import template
from genesis_performance.demo.lifeline import end_with_parent
from genesis_performance.integrations.asgi import App, PerformanceMiddleware


@hookimpl  # type: ignore[untyped-decorator]  # Datasette has no types
def asgi_wrapper(datasette: Any) -> Any:
    end_with_parent()
    running = runtime.start("datasette", environment="demo", release=__version__, interval_s=2.0)

    def wrap(app: App) -> PerformanceMiddleware:
        return PerformanceMiddleware(app, profiler=running.profiler, operation_name=template)

    return wrap
