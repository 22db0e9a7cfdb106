"""Python's marshal format, as far as a file of pstats has it: read by us, never by ``marshal.loads``.

The standard reader is not meant for data of others: it builds code objects and can crash the process.
This one knows numbers, text, tuples and mappings, in the layout of CPython's ``Python/marshal.c`` (a type
byte, whose top bit says that the object may be referred to later), and refuses the rest.
"""

from __future__ import annotations

import struct
from typing import Any

from ...errors import InvalidInputError

DEEPEST = 20
"""A file of pstats nests six deep."""

_REFERABLE = 0x80
_ASCII = b"aA"
_SHORT_ASCII = b"zZ"
_TEXT = b"ut"


class Pairs(list[tuple[Any, Any]]):
    """A mapping, as the pairs it had: keys are hashed only after somebody looked at them."""


class Reader:
    """Reads one object."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._known: list[Any] = []

    def read(self, depth: int = 0) -> Any:
        """The next object.

        Raises:
            InvalidInputError: cut off, nested too deep, or of a type that statistics do not have.
        """
        if depth > DEEPEST:
            raise InvalidInputError(f"it is nested deeper than {DEEPEST} levels at byte {self._at:,}")
        start = self._at
        code = self._take(1)[0]
        kind, referable = bytes([code & ~_REFERABLE]), bool(code & _REFERABLE)
        place = len(self._known)
        if referable:
            self._known.append(None)
        value = self._value(kind, depth, start)
        if referable:
            self._known[place] = value
        return value

    def _value(self, kind: bytes, depth: int, start: int) -> Any:  # noqa: PLR0911
        if kind in (b"N", b"T", b"F"):
            return {b"N": None, b"T": True, b"F": False}[kind]
        if kind == b"i":
            return struct.unpack("<i", self._take(4))[0]
        if kind == b"I":
            return struct.unpack("<q", self._take(8))[0]
        if kind == b"g":
            return struct.unpack("<d", self._take(8))[0]
        if kind == b"l":
            return self._long(start)
        if kind in _SHORT_ASCII:
            return self._take(self._take(1)[0]).decode("latin-1")
        if kind in _ASCII:
            return self._take(self._size()).decode("latin-1")
        if kind in _TEXT:
            return self._take(self._size()).decode("utf-8", "surrogatepass" if kind == b"u" else "replace")
        if kind in (b"(", b")"):
            size = self._take(1)[0] if kind == b")" else self._size()
            return tuple([self.read(depth + 1) for _ in range(size)])
        if kind == b"{":
            return self._pairs(depth)
        if kind == b"r":
            index = self._size()
            if index >= len(self._known):
                raise InvalidInputError(f"byte {start:,} refers to an object that is not there")
            return self._known[index]
        raise InvalidInputError(
            f"byte {start:,} is an object of type {kind!r}, which statistics of cProfile do not have"
        )

    def _pairs(self, depth: int) -> Pairs:
        pairs = Pairs()
        while self._peek() != b"0":
            key = self.read(depth + 1)
            pairs.append((key, self.read(depth + 1)))
        self._at += 1
        return pairs

    def _long(self, start: int) -> int:
        count = struct.unpack("<i", self._take(4))[0]
        digits = self._take(2 * abs(count))
        if abs(count) > 8:
            raise InvalidInputError(f"byte {start:,} is a number of more than 120 bits")
        value: int = sum(
            digit << (15 * place) for place, (digit,) in enumerate(struct.iter_unpack("<H", digits))
        )
        return -value if count < 0 else value

    def _size(self) -> int:
        size: int = struct.unpack("<i", self._take(4))[0]
        if not 0 <= size <= len(self._data):  # every element has at least a byte
            raise InvalidInputError(
                f"byte {self._at - 4:,} announces {size:,} elements, more than the file can have"
            )
        return size

    def _peek(self) -> bytes:
        if self._at >= len(self._data):
            self._take(1)
        return self._data[self._at : self._at + 1]

    def _take(self, size: int) -> bytes:
        taken = self._data[self._at : self._at + size]
        if len(taken) < size:
            raise InvalidInputError(
                f"it is cut off after {len(self._data):,} bytes; copy it again from where it was written"
            )
        self._at += size
        return taken
