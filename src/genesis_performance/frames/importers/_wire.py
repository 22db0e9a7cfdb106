"""The protobuf wire format, as far as pprof needs it.

Source: protobuf.dev, "Encoding": varints, and fields of wire types 0 (varint), 1 (64 bits), 2 (length and
bytes) and 5 (32 bits).
"""

from __future__ import annotations

from collections.abc import Iterator

from ...errors import InvalidInputError

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_FIXED = {FIXED64: 8, FIXED32: 4}
_LONGEST_VARINT = 10


def varint(data: bytes, at: int) -> tuple[int, int]:
    """An unsigned number of up to 64 bits, and the place behind it.

    Raises:
        InvalidInputError: the data ends in it, or it is longer than 64 bits.
    """
    result = shift = 0
    for place in range(at, min(at + _LONGEST_VARINT, len(data))):
        byte = data[place]
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result & 0xFFFF_FFFF_FFFF_FFFF, place + 1
        shift += 7
    raise _cut(at)


def signed(value: int) -> int:
    """The 64-bit number as protobuf's ``int64``."""
    return value - 2**64 if value >= 2**63 else value


def fields(data: bytes, offset: int = 0) -> Iterator[tuple[int, int, int | bytes]]:
    """Field number, wire type and value of each field of a message.

    Args:
        offset: of the message within the file, for the error's text.

    Raises:
        InvalidInputError: the message is cut off or has a field that protobuf has not.
    """
    at, end = 0, len(data)
    while at < end:
        start = at
        try:
            tag = data[at]
            at += 1
            if tag >= 0x80:
                tag, at = varint(data, start)
            number, kind = tag >> 3, tag & 7
            if kind == VARINT:
                value, at = varint(data, at)
                yield number, kind, value
                continue
            if kind == BYTES:
                size, at = varint(data, at)
            elif kind in _FIXED:
                size = _FIXED[kind]
            else:
                raise InvalidInputError(
                    f"byte {offset + start:,} has wire type {kind}, which protobuf has not; record it again"
                )
        except IndexError:  # pragma: no cover - the loop's condition keeps it away
            raise _cut(offset + start) from None
        if at + size > end:
            raise _cut(offset + start)
        yield number, kind, data[at : at + size]
        at += size


def numbers(kind: int, value: int | bytes) -> list[int]:
    """Values of a repeated number field, packed or single."""
    if isinstance(value, int):
        return [value]
    if kind != BYTES:
        return [int.from_bytes(value, "little")]
    if value.isascii():  # each of one byte
        return list(value)
    found, at = [], 0
    while at < len(value):
        byte = value[at]
        if byte < 0x80:
            at += 1
        else:
            byte, at = varint(value, at)
        found.append(byte)
    return found


def _cut(at: int) -> InvalidInputError:
    return InvalidInputError(
        f"it is cut off or damaged at byte {at:,}; copy it again from where it was written"
    )
