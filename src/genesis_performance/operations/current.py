"""The operation that runs now, and the calls that are made within it.

A client of ours (the secret cache, a database wrapper) reports each call with ``note_call``. The same
call made again within one execution of an operation is remembered with its call site: the trace that
an N+1 query or an uncached read leaves.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .execution import Execution

MAX_KEYS = 256
"""Different calls remembered within one execution; more are not told apart."""

PACKAGE = os.path.dirname(os.path.dirname(__file__))  # noqa: PTH120 - pathlib costs a cold start 3 ms
"""Our own source folder: frames in it are never a call site."""

_LIBRARY_PARTS = ("site-packages", "dist-packages", "/lib/python", "<frozen")

current: ContextVar[Execution | None] = ContextVar("genesis_performance.current", default=None)

current_execution: Callable[[], Execution | None] = current.get
"""The innermost execution that runs; the compiled recorder puts its own look-up here."""

noting_execution: Callable[[], Execution | None] = current.get
"""The same, for somebody who will note calls in it: from then on child tasks must know their operation."""


class Site(NamedTuple):
    """A place in the host's code."""

    file: str
    line: int
    function: str


UNKNOWN_SITE = Site("<unknown>", 0, "<unknown>")


class Tally:
    """How often one call was made within one execution."""

    __slots__ = ("calls", "duration_ns", "site")

    def __init__(self, duration_ns: int, site: Site | None, calls: int = 1) -> None:
        self.calls = calls
        self.duration_ns = duration_ns
        self.site = site


def current_operation() -> str | None:
    """Name of the innermost operation that runs in this task or thread."""
    execution = current_execution()
    return execution.name if execution is not None else None


def note_call(kind: str, key: str, duration_ns: int) -> None:
    """Report one call made now; does nothing outside an operation and never raises.

    Args:
        kind: what was called, for example ``"secret read"``.
        key: with what, for example the secret's name; never a payload.
        duration_ns: wall time that it took.
    """
    execution = noting_execution()
    if execution is not None:
        tally(execution, kind, key, duration_ns)


def tally(execution: Execution, kind: str, key: str, duration_ns: int) -> None:
    calls = execution.calls
    if calls is None:
        calls = execution.calls = {}
    entry = calls.get((kind, key))
    if entry is None:
        if len(calls) < MAX_KEYS:
            # A nested operation hands its calls up when it ends; the site must be known by then.
            site = call_site() if execution.parent is not None else None
            calls[kind, key] = Tally(duration_ns, site)
        return
    entry.calls += 1
    entry.duration_ns += duration_ns
    if entry.site is None:
        entry.site = call_site()


def call_site() -> Site:
    """The nearest caller in the host's own code; a library's where there is none.

    Frames of this package and of the standard library are passed over.
    """
    frame = sys._getframe(1)
    fallback: Site | None = None
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith(PACKAGE):
            site = Site(file, frame.f_lineno, frame.f_code.co_qualname)
            if not any(part in file for part in _LIBRARY_PARTS):
                return site
            fallback = fallback or site
        parent = frame.f_back
        if parent is None:
            break
        frame = parent
    return fallback or UNKNOWN_SITE
