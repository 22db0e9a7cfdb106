"""The monitored resource that the series of this process belong to."""

from __future__ import annotations

import itertools
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

GENERIC_TASK = "generic_task"
"""The resource of Google's own OpenTelemetry exporters for code that is no virtual machine and no pod;
``cloud_run_revision`` takes no metrics of users (ops-go#128)."""

_LOCATION = re.compile(r"[a-z]{2,}(?:-[a-z]+)+-?\d+(?:-[a-z])?")
_started_ns = time.time_ns()
_number = itertools.count()


_given: ContextVar[str | None] = ContextVar("task_id", default=None)


@contextmanager
def acting_as(task: str) -> Iterator[None]:
    """Open sinks that write series of this task, whichever process continues them."""
    token = _given.set(task)
    try:
        yield
    finally:
        _given.reset(token)


def task_id() -> str:
    """A text that no other process and no other exporter of this one has.

    Host and pid do not tell containers apart (every one is ``localhost``, pid 1), so the time is in it too.
    Where processes share a folder, it is the folder's: see ``acting_as``.
    """
    given = _given.get()
    if given is not None:
        return given
    import socket

    text = f"{socket.gethostname()[:60]}-{os.getpid()}-{_started_ns:x}"
    number = next(_number)
    return f"{text}-{number}" if number else text


def generic_task(*, project: str, location: str | None, namespace: str, job: str) -> Mapping[str, str]:
    """Labels of ``generic_task`` for this process."""
    return {
        "project_id": project,
        "location": location if location and _LOCATION.fullmatch(location) else "global",
        "namespace": namespace,
        "job": job,
        "task_id": task_id(),
    }


def _after_fork_in_child() -> None:
    global _started_ns, _number  # noqa: PLW0603 - the child is a process of its own
    _started_ns = time.time_ns()
    _number = itertools.count()


os.register_at_fork(after_in_child=_after_fork_in_child)
