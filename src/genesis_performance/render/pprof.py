"""pprof's profiles: gzipped protobuf, for ``go tool pprof``, Cloud Profiler and whatever reads that.

Source of the format: google/pprof, ``proto/profile.proto``. The encoder needs no protobuf package.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from typing import Any

from ..model.stacks import StackProfile, ValueType

_LARGEST = 2**63 - 1
_BYTES = 2
_SMALL = tuple(bytes([value]) for value in range(0x80))


def pprof(profile: StackProfile, clock: str = "cpu", **_: Any) -> bytes:
    """All columns of the profile; thread and operation are labels. The same profile gives the same bytes.

    What was lost stands in comments. A lone surrogate, which UTF-8 can not hold, is written as ``\\ud800``.

    Args:
        clock: the column that viewers show first.
    """
    strings = _Strings()
    out: list[bytes] = []
    for kind in profile.value_types:
        _field(out, 1, _value_type(strings, kind))
    frames = [_varint(index + 1) for index in range(len(profile.frames))]
    labels: dict[tuple[str, str], bytes] = {}
    for stack, values, thread, operation in profile.records:
        label = labels.get((thread, operation))
        if label is None:
            label = labels[thread, operation] = _labels(strings, thread, operation)
        path = b"".join([frames[index] for index in reversed(stack)])
        amounts = b"".join([_varint(value) for value in values])
        _field(
            out, 2, b"\x0a" + _varint(len(path)) + path + b"\x12" + _varint(len(amounts)) + amounts + label
        )
    functions: dict[tuple[str, str, int], bytes] = {}
    described: list[bytes] = []
    for index, (name, file, line, first_line) in enumerate(profile.frames):
        key = (name, file, first_line)
        number = functions.get(key)
        if number is None:
            number = functions[key] = _varint(len(functions) + 1)
            text = _varint(strings.index(name))
            _field(
                described,
                5,
                b"\x08" + number + b"\x10" + text + b"\x18" + text
                + b"\x20" + _varint(strings.index(file)) + b"\x28" + _varint(first_line),
            )  # fmt: skip
        place = b"\x08" + number + b"\x10" + _varint(line)
        _field(out, 4, b"\x08" + frames[index] + b"\x22" + _varint(len(place)) + place)
    out.extend(described)
    comments = [strings.index(f"lost {count}: {what}") for what, count in sorted(profile.lost.items())]
    tail = _tail(profile, strings, clock, comments)
    for text_bytes in strings.encoded():
        _field(out, 6, text_bytes)
    out.append(tail)
    return gzip.compress(b"".join(out), compresslevel=6, mtime=0)


class _Strings:
    """The string table; index 0 is empty, as the format demands."""

    def __init__(self) -> None:
        self._indices = {"": 0}

    def index(self, text: str) -> int:
        return self._indices.setdefault(text, len(self._indices))

    def encoded(self) -> Iterable[bytes]:
        return [text.encode("utf-8", "backslashreplace") for text in self._indices]


def _tail(profile: StackProfile, strings: _Strings, clock: str, comments: list[int]) -> bytes:
    parts = [
        b"\x48" + _varint(profile.start_unix_ns),
        b"\x50" + _varint(round(profile.duration_s * 1e9)),
    ]
    names = [kind.name for kind in profile.value_types]
    if profile.period_ns:
        kind = ValueType(clock if clock in names else "wall", "nanoseconds")
        message: list[bytes] = []
        _field(message, 11, _value_type(strings, kind))
        parts += [*message, b"\x60" + _varint(profile.period_ns)]
    parts += [b"\x68" + _varint(index) for index in comments]
    if clock in names:
        parts.append(b"\x70" + _varint(strings.index(clock)))
    return b"".join(parts)


def _labels(strings: _Strings, thread: str, operation: str) -> bytes:
    made: list[bytes] = []
    for name, text in (("thread", thread), ("operation", operation)):
        if text:
            _field(made, 3, b"\x08" + _varint(strings.index(name)) + b"\x10" + _varint(strings.index(text)))
    return b"".join(made)


def _value_type(strings: _Strings, kind: ValueType) -> bytes:
    return b"\x08" + _varint(strings.index(kind.name)) + b"\x10" + _varint(strings.index(kind.unit))


def _field(out: list[bytes], number: int, message: bytes) -> None:
    out.append(bytes([number << 3 | _BYTES]) + _varint(len(message)) + message)


def _varint(value: int) -> bytes:
    if 0 <= value < 0x80:
        return _SMALL[value]
    value = max(-_LARGEST, min(value, _LARGEST)) & 0xFFFF_FFFF_FFFF_FFFF
    made = bytearray()
    while value >= 0x80:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    made.append(value)
    return bytes(made)
