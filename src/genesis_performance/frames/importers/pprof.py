"""pprof's profiles: protobuf, gzipped or plain. Written by Go, Cloud Profiler, py-spy's kin, and us.

Source of the format: google/pprof, ``proto/profile.proto``. Every sample type becomes a column; times in any
unit become nanoseconds. A location with inlined lines is as many frames. Labels that name a thread, task or
operation go where ours are; other labels are dropped, and the samples they kept apart are added up.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ...errors import InvalidInputError
from ...model.stacks import Frame, StackProfile, ValueType
from ..gathering import Gathering
from ._numbers import LARGEST, TO_NANOSECONDS
from ._wire import BYTES, VARINT, fields, numbers, signed

NAME = "pprof"

THREAD_LABELS = ("thread", "thread name", "thread_name", "task name", "thread id", "thread_id")
OPERATION_LABELS = ("operation", "span name", "trace endpoint", "endpoint")
LOST = re.compile(r"lost (\d{1,18}): (.*)", re.DOTALL)  # a comment of ours
LARGEST_LINE = 2**31 - 1

_WIRE_TYPES: dict[int, tuple[int, ...]] = {
    **dict.fromkeys((1, 2, 3, 4, 5, 6, 11), (BYTES,)),
    **dict.fromkeys((7, 8, 9, 10, 12, 14), (VARINT,)),
    **dict.fromkeys((13, 15), (VARINT, BYTES)),
}


def recognises(head: bytes) -> bool:
    """Bytes that are fields of a profile as far as the head goes, the first a sample type or a message."""
    if not head or head[0] & 7 != BYTES or (len(head) > 1 and head.isascii() and head.decode().isprintable()):
        return False
    seen = 0
    try:
        for number, kind, _ in fields(head):
            if kind not in _WIRE_TYPES.get(number, ()):
                return False
            seen += 1
    except InvalidInputError as error:
        return seen > 0 and "cut off" in str(error)  # the head ends within a field
    return seen > 0


@dataclass(slots=True)
class _Raw:
    """Messages of a profile that refer to one another, before they are put together."""

    strings: list[str] = field(default_factory=list)
    types: list[bytes] = field(default_factory=list)
    samples: list[bytes] = field(default_factory=list)
    locations: list[bytes] = field(default_factory=list)
    functions: list[bytes] = field(default_factory=list)
    comments: list[int] = field(default_factory=list)
    numbers: dict[int, int] = field(default_factory=dict)  # time, duration, period by field number
    period_type: bytes = b""


def read(data: bytes) -> StackProfile:
    """The profile of a file's content, unpacked.

    Raises:
        InvalidInputError: cut off, damaged, or a sample names what is not there.
    """
    raw = _raw(data)
    kinds, factors = _value_types(raw)
    made = Gathering(kinds)
    places = _locations(raw, made)
    lost: dict[str, int] = {}
    for index in raw.comments:
        if found := LOST.fullmatch(_text(raw, index)):
            lost[found[2]] = lost.get(found[2], 0) + int(found[1])
    label_names = {
        index: text for index, text in enumerate(raw.strings) if text in (*THREAD_LABELS, *OPERATION_LABELS)
    }
    for message in raw.samples:
        path: list[int] = []
        values: list[int] = []
        thread = operation = ""
        thread_rank = operation_rank = 99
        for number, kind, value in fields(message):
            if number == 1:
                path.extend(numbers(kind, value))
            elif number == 2:
                values.extend(numbers(kind, value))
            elif number == 3 and isinstance(value, bytes):
                name, text = _label(raw, label_names, value)
                if name in THREAD_LABELS and THREAD_LABELS.index(name) < thread_rank:
                    thread, thread_rank = text, THREAD_LABELS.index(name)
                elif name in OPERATION_LABELS and OPERATION_LABELS.index(name) < operation_rank:
                    operation, operation_rank = text, OPERATION_LABELS.index(name)
        if len(values) != len(kinds):
            raise InvalidInputError(
                f"a sample has {len(values)} values for {len(kinds)} types; record it again"
            )
        try:
            stack = [frame for location in reversed(path) for frame in places[location]]
        except KeyError as error:
            raise InvalidInputError(
                f"a sample names location {error}, which is missing; record again"
            ) from None
        made.add(
            tuple(stack), [_scaled(v, f) for v, f in zip(values, factors, strict=True)], thread, operation
        )
    period = signed(raw.numbers.get(12, 0))
    unit = _pair(raw, raw.period_type)[1] if raw.period_type else ""
    return made.profile(
        start_unix_ns=max(signed(raw.numbers.get(9, 0)), 0),
        duration_s=max(signed(raw.numbers.get(10, 0)), 0) / 1e9,
        period_ns=max(_scaled(period, TO_NANOSECONDS.get(unit, 0)), 0),
        lost=lost,
    )


def _raw(data: bytes) -> _Raw:
    raw = _Raw()
    lists = {1: raw.types, 2: raw.samples, 4: raw.locations, 5: raw.functions}
    for number, kind, value in fields(data):
        if number in lists and isinstance(value, bytes):
            lists[number].append(value)
        elif number == 6 and isinstance(value, bytes):
            raw.strings.append(value.decode("utf-8", "replace"))
        elif number == 11 and isinstance(value, bytes):
            raw.period_type = value
        elif number == 13:
            raw.comments.extend(numbers(kind, value))
        elif isinstance(value, int):
            raw.numbers[number] = value
    if not raw.types:
        raise InvalidInputError("it has no sample types, or is cut off before them; record it again")
    return raw


def _text(raw: _Raw, index: int) -> str:
    if index < len(raw.strings):
        return raw.strings[index]
    raise InvalidInputError(
        f"it names string {index} of {len(raw.strings)}: cut off or damaged; copy it again from its source"
    )


def _numbers(message: bytes) -> dict[int, int]:
    return {number: value for number, _, value in fields(message) if isinstance(value, int)}


def _pair(raw: _Raw, message: bytes) -> tuple[str, str]:
    found = _numbers(message)
    return _text(raw, found.get(1, 0)), _text(raw, found.get(2, 0))


def _value_types(raw: _Raw) -> tuple[list[ValueType], list[int]]:
    kinds: list[ValueType] = []
    factors: list[int] = []
    for message in raw.types:
        name, unit = _pair(raw, message)
        factor = TO_NANOSECONDS.get(unit)
        kinds.append(ValueType(name, "nanoseconds" if factor else unit))
        factors.append(factor or 1)
    return kinds, factors


def _locations(raw: _Raw, made: Gathering) -> dict[int, list[int]]:
    """Location to its frames, the caller first: in the file the innermost inlined line comes first."""
    functions: dict[int, tuple[str, str, int]] = {}
    for message in raw.functions:
        found = _numbers(message)
        name = _text(raw, found.get(2, 0)) or _text(raw, found.get(3, 0))
        functions[found.get(1, 0)] = (name, _text(raw, found.get(4, 0)), _line(found.get(5, 0)))
    places: dict[int, list[int]] = {}
    for message in raw.locations:
        number = address = 0
        lines: list[int] = []
        for tag, _, value in fields(message):
            if tag == 1 and isinstance(value, int):
                number = value
            elif tag == 3 and isinstance(value, int):
                address = value
            elif tag == 4 and isinstance(value, bytes):
                line = _numbers(value)
                named = functions.get(line.get(1, 0))
                if named is None:
                    raise InvalidInputError(
                        f"location {number} names function {line.get(1, 0)}, which is missing"
                    )
                lines.append(made.frame(Frame(named[0], named[1], _line(line.get(2, 0)), named[2])))
        if not lines:  # native code without symbols
            lines.append(made.frame(Frame(f"0x{address:x}", "")))
        places[number] = lines[::-1]
    return places


def _line(value: int) -> int:
    return value if 0 <= value <= LARGEST_LINE else 0


def _label(raw: _Raw, names: dict[int, str], message: bytes) -> tuple[str, str]:
    found = _numbers(message)
    name = names.get(found.get(1, 0), "")
    if not name:
        return "", ""
    return name, _text(raw, found[2]) if found.get(2) else str(signed(found.get(3, 0)))


def _scaled(value: int, factor: int) -> int:
    return max(-LARGEST, min(signed(value) * factor, LARGEST))
