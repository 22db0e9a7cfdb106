"""Fields of protobuf messages as bytes, for what is sent so often that protobuf itself takes too long.

Source: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

SMALL = [bytes((number,)) for number in range(0x80)]
"""Numbers below 128 as varints."""


def varint(number: int) -> bytes:
    """Base 128, the low bits first. The number must not be negative."""
    if number < 0x80:
        return SMALL[number]
    if number < 0x4000:
        return bytes((number & 0x7F | 0x80, number >> 7))
    made = bytearray()
    while number > 0x7F:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    made.append(number)
    return bytes(made)


def sized(tag: int, size: int) -> bytes:
    """What stands before ``size`` bytes of a field; a tag is field number << 3 | 2, of fields up to 15."""
    return SMALL[tag] + varint(size)


def message(tag: int, content: bytes) -> bytes:
    """A field that is a message."""
    return sized(tag, len(content)) + content


def text(tag: int, value: str) -> bytes:
    """A field of text; nothing when it is empty."""
    raw = value.encode("utf-8", "replace")
    return sized(tag, len(raw)) + raw if raw else b""
