"""Every recorder of this process: profilers register, monitors and optimizers read.

A monitor hands the recorders memory that survives the process (``use_memory``).
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from .recorder import Recorder, _add_all, _Total

if TYPE_CHECKING:
    from ..model.operation import OperationSnapshot
    from .cell import Cell
    from .memory import Memory
    from .recorder import Key

Reading = Callable[[], "list[OperationSnapshot]"]

_lock = threading.RLock()
_recorders: weakref.WeakSet[Recorder] = weakref.WeakSet()
_memory: Memory | None = None
_adopt: Callable[[Reading], object] | None = None
_handed: weakref.WeakSet[Recorder] = weakref.WeakSet()
"""Recorders whose ended threads were in what ``adopt`` got once."""


def register(recorder: Recorder) -> None:
    """Let the process's monitors see this recorder for as long as it lives."""
    with _lock:
        _recorders.add(recorder)
        if _memory is not None:
            _hand(recorder)


def recorders() -> list[Recorder]:
    """The recorders that live, oldest first."""
    with _lock:
        return sorted(_recorders, key=lambda recorder: recorder.start_unix_ns)


def use_memory(memory: Memory, adopt: Callable[[Reading], object]) -> bool:
    """Have every recorder, later ones too, count in this memory from now on.

    What was counted before stays on the heap, and so do executions that have begun: ``adopt`` gets, for each
    recorder, what reads these. False when another memory is in use; then nothing happens.
    """
    global _memory, _adopt
    with _lock:
        if _memory is not None:
            return _memory is memory
        _memory, _adopt = memory, adopt
        for recorder in list(_recorders):
            _hand(recorder)
        return True


def stop_using(memory: Memory) -> None:
    """Have the recorders count on the heap again, if this memory is in use."""
    global _memory, _adopt  # noqa: PLW0603 - one memory a process
    with _lock:
        if _memory is memory:
            _memory = _adopt = None
            for recorder in list(_recorders):
                _hand(recorder)


class _Staying:
    """Retired cells together with some that executions may still end in."""

    def __init__(self, total: _Total) -> None:
        self._total = total
        self._cells: list[Cell] = []

    def keep(self, cell: Cell) -> None:
        self._cells.append(cell)

    @property
    def count(self) -> int:
        return len(self._cells)

    def cells(self, which: slice) -> list[Cell]:
        return self._cells[which]

    def add(self, cell: Cell) -> None:
        self._total.add(cell)

    def counters(self) -> tuple[int, ...]:
        return self._sum().counters()

    def buckets(self) -> dict[int, int]:
        return self._sum().buckets()

    @property
    def error_types(self) -> dict[str, int]:
        return self._sum().error_types

    def _sum(self) -> _Total:
        sums = _Total()
        sums.add(self._total)
        for cell in self._cells:
            sums.add(cell)
        return sums


def _hand(recorder: Recorder) -> None:
    """Give a recorder the memory; its threads make new cells there, the old ones are still read."""
    ended: dict[Key, _Total] = {}
    staying: dict[Key, slice] = {}  # which cells of a ``_Staying``
    with recorder._lock:
        retired: dict[Key, object] = recorder._retired  # type: ignore[assignment] # sums of either kind
        if recorder not in _handed:
            _handed.add(recorder)
            _add_all(ended, recorder._retired)
        older = recorder.cells_of_threads()
        recorder._memory = _memory
        recorder.forget_threads()
        for cells in older:
            for key, cell in list(cells.items()):
                kept = retired.get(key)
                if not isinstance(kept, _Staying):
                    kept = retired[key] = _Staying(kept if isinstance(kept, _Total) else _Total())
                begin = staying[key].start if key in staying else kept.count
                kept.keep(cell)
                staying[key] = slice(begin, kept.count)
    if _adopt is not None and (ended or staying):
        _adopt(partial(_read, weakref.ref(recorder), ended, staying))


def _read(
    reference: Callable[[], Recorder | None], ended: dict[Key, _Total], staying: dict[Key, slice]
) -> list[OperationSnapshot]:
    """What is on the heap of a recorder; nothing once it is gone, as all was read before."""
    recorder = reference()
    if recorder is None:
        return []
    sums: dict[Key, _Total] = {}
    _add_all(sums, ended)
    for key, which in staying.items():
        kept: object = recorder._retired.get(key)
        if isinstance(kept, _Staying):
            for cell in kept.cells(which):
                _add_all(sums, {key: cell})
    return [recorder._snapshot(key, total) for key, total in sums.items()]


def _after_fork_in_child() -> None:
    global _lock  # noqa: PLW0603 - the parent's may be held by a thread that the child does not have
    _lock = threading.RLock()
    for recorder in list(_recorders):
        recorder.reset()


os.register_at_fork(after_in_child=_after_fork_in_child)
