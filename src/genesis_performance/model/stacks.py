"""Sampled call stacks: what a session records, an importer reads and every renderer takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class Frame(NamedTuple):
    """One level of a call stack."""

    function: str  # qualified name
    file: str  # "" where it is not known
    line: int = 0  # that ran when the sample was taken; 0 where it is not known
    first_line: int = 0  # of the function


class ValueType(NamedTuple):
    """What one column of values counts."""

    name: str  # "samples", "cpu", "wall", "alloc"
    unit: str  # "count", "nanoseconds", "bytes"


SAMPLES = ValueType("samples", "count")
CPU = ValueType("cpu", "nanoseconds")
WALL = ValueType("wall", "nanoseconds")
ALLOCATED = ValueType("alloc", "bytes")


class StackRecord(NamedTuple):
    """One distinct stack of one thread and operation, with what was counted for it."""

    stack: tuple[int, ...]  # indices into the profile's frames, root first
    values: tuple[int, ...]  # one for each value type of the profile
    thread: str = ""  # name of the thread, or of the task that waited; "" where it is not known
    operation: str = ""  # innermost operation that ran; "" outside any


@dataclass(frozen=True, slots=True, kw_only=True)
class StackProfile:
    """Stacks with their weights.

    ``wall`` of a coroutine that waits is under that coroutine's own stack. Records are distinct in
    (stack, thread, operation); processors of ``frames`` make new profiles and change none.
    """

    value_types: tuple[ValueType, ...] = (SAMPLES, CPU, WALL)
    frames: tuple[Frame, ...] = ()
    records: tuple[StackRecord, ...] = ()
    start_unix_ns: int = 0
    duration_s: float = 0.0
    period_ns: int = 0  # between two samples, on average; 0 where it is not known
    lost: Mapping[str, int] = field(default_factory=dict)  # what was dropped, in words, and how often

    def column(self, name: str) -> int:
        """Index of a value type; ``KeyError`` where the profile has none of that name."""
        for index, kind in enumerate(self.value_types):
            if kind.name == name:
                return index
        raise KeyError(name)
