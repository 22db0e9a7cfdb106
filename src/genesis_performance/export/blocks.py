"""The layout that recorded values have in memory and in files: chunks of blocks.

A block is a header of two 64-bit words and a payload. The first word holds kind, number, size and their
checksum, and is stored last: a block is there as a whole or not at all. The second word says what the block
belongs to. A zero where a header would be ends the chunk. Blocks are only added, and stay what they are; only
those of operations become free and are used again. Everything is in the byte order of the machine; a file
never leaves it.
"""

from __future__ import annotations

import json
import zlib
from typing import NamedTuple

from .labels import Labels

LAYOUT = 1
"""Version of everything here. A file of another version is left alone."""

CHUNK_BYTES = 256 * 1024
"""Room for the longest labels there can be: 30 values of 1,024 characters."""

UNIT_BYTES = 16
HEADER_BYTES = 16

FREE, SERIES, COUNTER, GAUGE, DISTRIBUTION, BUCKETS, OPERATION, OCTAVE = range(1, 9)
"""Kinds of blocks. The second word of ``SERIES`` is length and checksum of its text, of ``BUCKETS`` the place
of the distribution's cell, of other cells the place of their series."""

RECORDS, TOTAL = range(2)  # words of a COUNTER
SET_AT, LAST = range(2)  # words of a GAUGE: seconds since the epoch, and the value
SHIFT, SUM, SQUARES = range(3)  # words of a DISTRIBUTION: of the values minus the first one
PER_BLOCK = 16  # buckets in a block of BUCKETS

BOUNDS = tuple(float(f"{10 ** (-4 + step / 16):.4g}") for step in range(12 * 16 + 1))
"""Of the buckets: 16 a decade, from 0.0001 to 100 million: 193 bounds, Cloud Monitoring takes 199."""

_BITS = 0xFFFFFFFF


class SeriesKey(NamedTuple):
    """What makes two series one. ``kind`` is that of its cells."""

    kind: int
    name: str
    labels: Labels


class SeriesText(NamedTuple):
    """What a ``SERIES`` block says."""

    key: SeriesKey
    unit: str
    start_unix_ns: int


class Header(NamedTuple):
    kind: int
    number: int  # of a part: octave, or block of buckets
    bytes: int  # with the header


def first_word(kind: int, number: int, size: int) -> int:
    """The word that makes a block valid."""
    front = kind | number << 8 | (size // UNIT_BYTES) << 16
    return _signed(front | zlib.crc32(b"%d" % front) << 32)


def parsed(word: int) -> Header | None:
    """The header that a first word is, None when it is none."""
    front, size = word & _BITS, (word >> 16 & 0xFFFF) * UNIT_BYTES
    if zlib.crc32(b"%d" % front) != word >> 32 & _BITS or size < HEADER_BYTES:
        return None
    return Header(front & 0xFF, front >> 8 & 0xFF, size)


def series_text(text: SeriesText) -> bytes:
    kind, name, labels = text.key
    return json.dumps([kind, name, labels, text.unit, text.start_unix_ns], separators=(",", ":")).encode()


def about_text(text: bytes) -> int:
    """The second word of a series."""
    return _signed(len(text) | zlib.crc32(text) << 32)


def read_series(payload: bytes, about: int) -> SeriesText | None:
    """What a series says, None when its text is damaged."""
    text = payload[: about & _BITS]
    if about_text(text) != about:
        return None
    kind, name, labels, unit, start_unix_ns = json.loads(text)
    return SeriesText(
        SeriesKey(kind, name, tuple((key, value) for key, value in labels)), unit, start_unix_ns
    )


def rounded(payload_bytes: int) -> int:
    """Size of a block with so large a payload."""
    return HEADER_BYTES + -(-payload_bytes // UNIT_BYTES) * UNIT_BYTES


def _signed(word: int) -> int:
    return word - (1 << 64) if word >> 63 else word
