"""Sums over sampled stacks that several findings need."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ...model.stacks import Frame, StackProfile, StackRecord

_PACKAGE = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))  # noqa: PTH120
_LIBRARY_PARTS = ("site-packages", "dist-packages", "/lib/python", "<")  # "<": frozen, string, built-in

_WAITED_FOR = {
    "socket.py": "the network",
    "ssl.py": "the network",
    "sslproto.py": "the network",
    "selectors.py": "the network",
    "subprocess.py": "another process",
    "threading.py": "another thread",
    "queue.py": "another thread",
}
"""Files of the standard library that a stack which waits ends in, and what is waited for there."""


def is_own(frame: Frame) -> bool:
    """Whether the frame is the host's own code: no library's, no part of Python, none of ours."""
    file = frame.file.replace("\\", "/")
    if not file or file.startswith(_PACKAGE):
        return False
    return not any(part in file for part in _LIBRARY_PARTS)


@dataclass(slots=True)
class Sum:
    """What was counted at one place."""

    samples: int = 0
    cpu_ns: int = 0
    wall_ns: int = 0
    lines: dict[int, int] = field(default_factory=dict)  # line to the weight by which places are ranked

    def add(self, other: Counted) -> None:
        self.samples += other.samples
        self.cpu_ns += other.cpu_ns
        self.wall_ns += other.wall_ns


@dataclass(frozen=True, slots=True)
class Counted:
    """One record with its values by name."""

    record: StackRecord
    samples: int
    cpu_ns: int
    wall_ns: int

    @property
    def waited_ns(self) -> int:
        """Wall time that was not CPU time."""
        return max(self.wall_ns - self.cpu_ns, 0)


def counted(stacks: StackProfile, operation: str | None = None) -> Iterator[Counted]:
    """The records, of one operation where its name is given."""
    samples, cpu, wall = (stacks.column(name) for name in ("samples", "cpu", "wall"))
    for record in stacks.records:
        if operation is None or record.operation == operation:
            values = record.values
            yield Counted(record, values[samples], values[cpu], values[wall])


def own_frame(stacks: StackProfile, record: StackRecord) -> Frame | None:
    """The innermost frame of the host's own code; None where the stack has none."""
    for index in reversed(record.stack):
        frame = stacks.frames[index]
        if is_own(frame):
            return frame
    return None


def heaviest(stacks: StackProfile, weighted: Iterable[tuple[Counted, int]]) -> tuple[Frame, int] | None:
    """The line of the host's own code with the largest sum of weights, and that sum."""
    sums: dict[tuple[str, str, int], int] = {}
    frames: dict[tuple[str, str, int], Frame] = {}
    for entry, weight in weighted:
        frame = own_frame(stacks, entry.record)
        if frame is not None and weight > 0:
            key = (frame.function, frame.file, frame.line)
            sums[key] = sums.get(key, 0) + weight
            frames[key] = frame
    if not sums:
        return None
    key = max(sums, key=lambda each: (sums[each], each))
    return frames[key], sums[key]


def place(frame: Frame) -> str:
    """``function (file:line)``."""
    return f"{frame.function} ({frame.file}:{frame.line})"


def awaited_at(stacks: StackProfile, record: StackRecord) -> str:
    """What is waited for where the stack ends, as far as the standard library's frames tell; else ``""``."""
    if not record.stack:
        return ""
    file = stacks.frames[record.stack[-1]].file.replace("\\", "/")
    return "" if is_own(stacks.frames[record.stack[-1]]) else _WAITED_FOR.get(file.rpartition("/")[2], "")
