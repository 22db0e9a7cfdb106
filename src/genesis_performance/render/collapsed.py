"""Collapsed stacks: one a line, ``root;...;leaf weight``, as tools for flame graphs read them."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

from ..frames.columns import TIME_UNIT, clock_column
from ..frames.paths import short_paths
from ..model.stacks import Frame, StackProfile

# What separates frames or ends a line, and a backslash that would read as an escape of ours.
_UNSAFE = re.compile(r"[;\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]|\\(?=x[0-9a-f]{2}|u[0-9a-f]{4})")
_MISTAKEN = re.compile(r"[#{[]|[PT]\d|tid:|process |thread ")  # what importers take for no frame, at the root


def collapsed(profile: StackProfile, clock: str = "cpu", **_: Any) -> str:
    """The stacks with a weight, the heaviest first; whole microseconds, of a column in other units as it is.

    A frame is ``function (file.py:line)``. The file is its name, with folders before it only where two files
    of the profile have the same name. ``;``, line ends, control characters and lone surrogates are written
    ``\\x3b``; our importer undoes that. Threads and operations are added up. Stacks that round to 0 are
    left out.

    Args:
        clock: ``"cpu"`` or ``"wall"``, or another column; where the profile lacks it as in ``clock_column``.
    """
    column = clock_column(profile, clock)
    per_unit = 1_000 if profile.value_types[column].unit == TIME_UNIT else 1
    short = short_paths({frame.file for frame in profile.frames})
    names = [_name(frame, short) for frame in profile.frames]
    weights: dict[str, int] = defaultdict(int)
    for stack, values, _thread, _operation in profile.records:
        if values[column] and stack:
            weights[";".join([names[index] for index in stack])] += values[column]
    lines = [(_root(text), (value + per_unit // 2) // per_unit) for text, value in weights.items()]
    lines.sort(key=lambda line: (-line[1], line[0]))
    return "".join([f"{text} {weight}\n" for text, weight in lines if weight])


def _name(frame: Frame, short: dict[str, str]) -> str:
    function = frame.function or "(unknown)"
    line = frame.line or frame.first_line
    if not frame.file:
        return _safe(function)
    return _safe(f"{function} ({short[frame.file]}:{line})" if line else f"{function} ({short[frame.file]})")


def _safe(text: str) -> str:
    return _UNSAFE.sub(lambda found: _escape(found[0]), text)


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _root(text: str) -> str:
    return _escape(text[0]) + text[1:] if _MISTAKEN.match(text) or text[0].isspace() else text
