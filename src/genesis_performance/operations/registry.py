"""Every recorder of this process: profilers register, monitors and optimizers read."""

from __future__ import annotations

import os
import threading
import weakref

from .recorder import Recorder

_lock = threading.Lock()
_recorders: weakref.WeakSet[Recorder] = weakref.WeakSet()


def register(recorder: Recorder) -> None:
    """Let the process's monitors see this recorder for as long as it lives."""
    with _lock:
        _recorders.add(recorder)


def recorders() -> list[Recorder]:
    """The recorders that live, oldest first."""
    with _lock:
        return sorted(_recorders, key=lambda recorder: recorder.start_unix_ns)


def _after_fork_in_child() -> None:
    global _lock  # noqa: PLW0603 - the parent's may be held by a thread that the child does not have
    _lock = threading.Lock()
    for recorder in list(_recorders):
        recorder.reset()


os.register_at_fork(after_in_child=_after_fork_in_child)
