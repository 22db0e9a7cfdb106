"""Pauses of the garbage collector during a session, by the operation that they fell into."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable
from typing import Any

from ..model.operation import OVERFLOW_NAME
from ..model.profile import GcActivity
from ..operations import current_operation

MAX_OPERATIONS = 1000
"""Names told apart; pauses of later ones are under ``__other__``. Names may hold what a host made of ids."""

_running: set[GcWatch] = set()


class GcWatch:
    """Times every collection between ``start`` and ``stop``; several may run at once.

    The interpreter calls back before and after each collection, in the thread that caused it, and begins none
    while one runs: no lock is needed, and the current operation is the one that pays. A collection that was
    begun before ``start`` or ends after ``stop`` is not counted.

    Source: https://docs.python.org/3/library/gc.html#gc.callbacks

    Args:
        clock_ns: monotonic clock in nanoseconds.
    """

    def __init__(self, *, clock_ns: Callable[[], int] = time.perf_counter_ns) -> None:
        self._clock_ns = clock_ns
        self._begin_ns: int | None = None
        self._collections: dict[int, int] = {}
        self._by_operation: dict[str, int] = {}
        self._pause_ns = self._longest_ns = self._collected = 0
        self.failures = 0  # faults of our own, never raised into the host

    def start(self) -> None:
        """Begin to count; a watch that runs goes on."""
        if self not in _running:
            _running.add(self)
            gc.callbacks.append(self._on_collection)

    def stop(self) -> GcActivity:
        """End, and say what was counted; the host may have cleared ``gc.callbacks`` meanwhile."""
        _running.discard(self)
        try:  # noqa: SIM105 - contextlib for one line
            gc.callbacks.remove(self._on_collection)
        except ValueError:
            pass
        self._begin_ns = None
        generations = range(max(self._collections, default=2) + 1)
        return GcActivity(
            collections=tuple(self._collections.get(generation, 0) for generation in generations),
            pause_ns=self._pause_ns,
            longest_ns=self._longest_ns,
            collected=self._collected,
            by_operation=dict(self._by_operation),
        )

    def _on_collection(self, phase: str, info: dict[str, Any]) -> None:
        try:
            if phase == "start":
                self._begin_ns = self._clock_ns()
                return
            begin_ns, self._begin_ns = self._begin_ns, None
            if begin_ns is None:
                return
            pause_ns = max(self._clock_ns() - begin_ns, 0)  # a clock may go backwards
            self._pause_ns += pause_ns
            if pause_ns > self._longest_ns:
                self._longest_ns = pause_ns
            generation = info["generation"]
            self._collections[generation] = self._collections.get(generation, 0) + 1
            self._collected += info["collected"]
            name = current_operation()
            if name is not None:
                sums = self._by_operation
                if name not in sums and len(sums) >= MAX_OPERATIONS:
                    name = OVERFLOW_NAME
                sums[name] = sums.get(name, 0) + pause_ns
        except Exception:  # noqa: BLE001 - within a collection nobody can be told; at exit all is gone
            self.failures += 1


def _after_fork_in_child() -> None:
    for watch in list(_running):
        watch.stop()


os.register_at_fork(after_in_child=_after_fork_in_child)
