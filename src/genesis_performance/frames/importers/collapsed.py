"""Collapsed stacks: one a line, ``root;...;leaf weight``. Written by py-spy, Austin, Tachyon, perf, and us.

Three ways to write a frame are told apart: ``function (file.py:line)`` (py-spy, ours),
``file.py:function:line`` (Austin, Tachyon) and a bare name. Austin's lines begin with
``P<process>;T<thread>`` and its ``# key: value`` lines say what it measured: with ``mode: wall`` or ``cpu``
weights are microseconds, with ``memory`` bytes, with ``full`` three numbers a line. Without such lines
weights are samples.

A line that can not be read, as at the end of a file cut off, is counted in ``lost``.
"""

from __future__ import annotations

import re

from ...errors import InvalidInputError
from ...model.stacks import ALLOCATED, CPU, SAMPLES, WALL, Frame, StackProfile, ValueType
from ..gathering import Gathering
from ._numbers import whole

NAME = "collapsed stacks (py-spy, Austin, Tachyon, perf)"
UNREADABLE = "lines that could not be read"
LONG_LINE = 4096
"""A head of so many bytes without a line end is the beginning of one long line."""

_WEIGHT = re.compile(r"-?\d{1,19}(?:\.\d{1,18})?(?:,-?\d{1,19}){0,2}\Z")
_META = re.compile(r"# *([\w-]+): *(.*)")
_BEHIND = re.compile(r"(.*\S) \((.*?)(?::(\d{1,9}))?\)\Z", re.DOTALL)  # function (file:line)
_BEFORE = re.compile(r"(.+):([^:]+):(\d{1,9})\Z", re.DOTALL)  # file:function:line
_NO_LINE = re.compile(r"(.+\.py[cwx]?):([^:]+)\Z", re.DOTALL)
_PROCESS = re.compile(r"P\d+\Z|process \d+(?::.*)?\Z", re.DOTALL)
_THREAD = re.compile(r"T(\d+(?::[0-9a-fA-F]+)?)\Z|tid:(\d+)\Z|thread \((.+?)\)(?:: (.+))?\Z", re.DOTALL)
_ESCAPE = re.compile(r"\\x([0-9a-f]{2})|\\u([0-9a-f]{4})")

_BINARY = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")

_MODES: dict[str, tuple[tuple[ValueType, int], ...]] = {  # column and the factor to its unit
    "wall": ((WALL, 1_000),),
    "cpu": ((CPU, 1_000),),
    "memory": ((ALLOCATED, 1),),
}


def recognises(head: bytes) -> bool:
    """Text whose first lines are comments or end in a number; a line may be longer than the head."""
    if b"\0" in head:
        return False
    *complete, rest = head.split(b"\n")
    for line in complete or [rest]:
        text = line.decode("utf-8", "replace").strip()
        if text and not text.startswith("# "):
            if _divided(text):
                return True
            return (
                not complete and len(head) >= LONG_LINE and text[0] not in "{[" and not _BINARY.search(text)
            )
    return any(_META.match(line.decode("utf-8", "replace")) for line in complete)


def read(data: bytes) -> StackProfile:
    """The profile of a file's content.

    Raises:
        InvalidInputError: no line of it could be read, or its stacks are too many.
    """
    lines = data.decode("utf-8", "replace").split("\n")
    about = _about(lines)
    full = about.get("mode") == "full"
    columns = _MODES.get(about.get("mode", ""), ((SAMPLES, 1),))
    made = Gathering((CPU, WALL, ALLOCATED) if full else [kind for kind, _ in columns])
    frames: dict[str, int] = {}
    bad = 0
    for line in lines:
        if not line.strip() or line.startswith("# "):
            continue
        found = _divided(line)
        values = (_full(found[1]) if full else _single(found[1], columns[0][1])) if found else None
        if found is None or values is None:
            bad += 1
            continue
        thread, names = _thread(found[0].split(";"))
        stack = []
        for name in names:
            index = frames.get(name)
            if index is None:
                index = frames[name] = made.frame(frame(name))
            stack.append(index)
        made.add(tuple(stack), values, thread)
    profile = made.profile(
        duration_s=(whole(_decimal(about.get("duration", ""))) or 0) / 1e6,
        period_ns=whole(_decimal(about.get("interval", "")), 1_000) or 0,
        lost={UNREADABLE: bad},
    )
    if not profile.records and bad:
        raise InvalidInputError(
            "no line has the form 'frame;frame weight'; is it a file of collapsed stacks?"
        )
    return profile


def _divided(line: str) -> tuple[str, str] | None:
    """Stack and weight of a line; without a pattern over the whole, which a hostile line would slow down."""
    text = line.rstrip(" \t\r\n")
    at = max(text.rfind(" "), text.rfind("\t"))
    stack = text[:at]
    if at < 1 or stack[0].isspace() or not _WEIGHT.match(text, at + 1):
        return None
    return stack, text[at + 1 :]


def frame(text: str) -> Frame:
    """The frame that a name in a collapsed stack stands for."""
    if text.endswith(")") and (found := _BEHIND.match(text)):
        return Frame(plain(found[1]), plain(found[2]), int(found[3] or 0))
    if found := _BEFORE.match(text):
        return Frame(plain(found[2]), plain(found[1]), int(found[3]))
    if found := _NO_LINE.match(text):
        return Frame(plain(found[2]), plain(found[1]))
    return Frame(plain(text), "")


def plain(text: str) -> str:
    """Undo the escapes ``\\x3b`` and ``\\ud800`` of our own collapsed stacks."""
    if "\\" not in text:
        return text
    return _ESCAPE.sub(lambda found: chr(int(found[1] or found[2], 16)), text)


def _about(lines: list[str]) -> dict[str, str]:
    found = (_META.match(line) for line in lines if line.startswith("# "))
    return {each[1].lower(): each[2].strip() for each in found if each}


def _decimal(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


_Values = tuple[int, ...] | None


def _single(text: str, factor: int) -> _Values:
    value = whole(float(text) if "." in text else int(text), factor) if "," not in text else None
    return None if value is None else (value,)


def _full(text: str) -> _Values:
    """Austin's full mode: microseconds of wall time, 1 where the thread was idle, bytes."""
    try:
        wall, idle, memory = [int(part) for part in text.split(",")]
    except ValueError:
        return None
    wall_ns, allocated = whole(wall, 1_000), whole(memory)
    if wall_ns is None or allocated is None:
        return None
    return (0 if idle else wall_ns, wall_ns, max(allocated, 0))


def _thread(names: list[str]) -> tuple[str, list[str]]:
    """Name of the thread, and the frames below what names process and thread."""
    first = 1 if _PROCESS.match(names[0]) and len(names) > 1 else 0
    found = _THREAD.match(names[first])
    if not found or (first == 0 and found[1]):  # "T1" is a frame unless a process stands before it
        return "", names
    label = found[4] or next(group for group in found.groups() if group)
    return plain(label), names[first + 1 :]
