"""The recorder's fast path in Python: the twin of the compiled ``_core``."""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from . import tracking
from .execution import NULL, Execution, NullExecution

if TYPE_CHECKING:
    from collections.abc import Collection

    from .cell import Cell
    from .recorder import Key


_getrefcount = sys.getrefcount


class _Idle:
    idle: object = None


def _references_of_an_idle_one() -> int:
    """Counted the way ``operation`` does, because interpreters differ in what they count."""
    cell = _Idle()
    cell.idle = object()
    execution = cell.idle
    return _getrefcount(execution)


_ONLY_IDLE = _references_of_an_idle_one()


class _Alive:
    """Goes with the thread that it is local to."""

    __slots__ = ("__weakref__",)


class RecorderCore:
    """Cells by thread, and the executions that write them. ``Recorder`` is the whole of it."""

    _lock: threading.RLock

    def __init__(
        self,
        enabled: bool,
        cpu_mask: int,
        clock_ns: Callable[[], int],
        cpu_clock_ns: Callable[[], int],
    ) -> None:
        self.enabled = enabled
        self.cpu_mask = cpu_mask
        self.clock_ns = clock_ns
        self.cpu_clock_ns = cpu_clock_ns

    def forget_threads(self) -> None:
        """Drop every cell."""
        for _, cells in getattr(self, "_threads", ()):
            for cell in cells.values():
                cell.detach()
        self._local = threading.local()
        self._threads: list[tuple[weakref.ref[_Alive], dict[Key, Cell]]] = []

    def operation(
        self, operation_name: str, labels: Mapping[str, str] | None = None
    ) -> Execution | NullExecution:
        """A context manager that records its body under a name; never raises."""
        try:
            if labels is None and self.enabled:
                cell: Cell = self._local.cells[operation_name]
                execution = cell.idle
                if _getrefcount(execution) == _ONLY_IDLE:
                    return execution  # type: ignore[return-value] # nobody else has it
                execution = cell.idle = Execution(cell)
                return execution
        except (AttributeError, KeyError, TypeError):
            pass  # the first of this thread, an odd name, or one beyond the cap
        return self._new_operation(operation_name, labels)

    def _new_operation(self, name: object, labels: Mapping[str, str] | None) -> Execution | NullExecution:
        if not self.enabled:
            return NULL
        key = self.key(name, labels)
        return NULL if key is None else Execution(self.cell(key))

    # What happens rarely is the same for both cores, and in ``Recorder``.

    def key(self, name: object, labels: Mapping[str, str] | None) -> Key | None:
        raise NotImplementedError

    def new_cell(self, cells: dict[Key, Cell], key: Key) -> Cell:
        raise NotImplementedError

    def count_failure(self, message: str, *values: object) -> None:
        raise NotImplementedError

    def count_error(self, cell: Cell, kind: type[BaseException]) -> None:
        raise NotImplementedError

    def fold_calls(self, execution: Execution) -> None:
        raise NotImplementedError

    def new_shard(self) -> dict[Key, Cell]:
        """The calling thread's cells, of which it has none yet."""
        cells: dict[Key, Cell] = {}
        alive = self._local.alive = _Alive()
        self._local.cells = cells
        if "greenlet" in sys.modules:
            tracking.use_greenlets()
        with self._lock:
            self._threads.append((weakref.ref(alive), cells))
        return cells

    def cell(self, key: Key) -> Cell:
        """The calling thread's cell of an operation."""
        cells: dict[Key, Cell] | None = getattr(self._local, "cells", None)
        if cells is None:
            cells = self.new_shard()
        cell = cells.get(key)
        if cell is None:
            cell = self.new_cell(cells, key)
            cell.recorder = self
            cell.key = key if cell.name == (key if isinstance(key, str) else key[0]) else cell.name
            cell.clock_ns = self.clock_ns
            cell.cpu_mask = self.cpu_mask
        return cell

    def cells_of_threads(self) -> list[dict[Key, Cell]]:
        """What every thread that still runs has recorded."""
        return [cells for _, cells in self._threads]

    def take_ended_threads(self, running: Collection[int]) -> list[dict[Key, Cell]]:
        """Remove and return the cells of threads that ended.

        Told by what is local to them, not by the ids that run: with gevent a greenlet is such a thread.
        """
        kept, ended = [], []
        for alive, cells in self._threads:
            if alive() is not None:
                kept.append((alive, cells))
            else:
                ended.append(cells)
        self._threads = kept
        return ended
