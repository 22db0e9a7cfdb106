"""Read a file of stacks, whatever format it turns out to be."""

from __future__ import annotations

import functools
import importlib
import pkgutil
import zlib
from pathlib import Path
from types import ModuleType

from ...errors import InvalidInputError
from ...model.stacks import StackProfile

MOST_BYTES = 512 * 1024 * 1024
"""Of a file, and of what a compressed one unpacks to."""

HEAD_BYTES = 4096
GZIP = b"\x1f\x8b"
_PIECE = 1024 * 1024


@functools.cache
def formats() -> tuple[ModuleType, ...]:
    """The modules of this folder that read a format: they name ``NAME``, ``recognises`` and ``read``."""
    package = importlib.import_module(__package__ or "")
    modules = [
        importlib.import_module(f"{package.__name__}.{found.name}")
        for found in pkgutil.iter_modules(package.__path__)
        if not found.name.startswith("_")
    ]
    return tuple(module for module in modules if hasattr(module, "NAME"))


def read_stacks(source: str | Path | bytes, *, name: str | None = None) -> StackProfile:
    """The stacks of a file or of its content, gzipped or not; the format is told by the content.

    Args:
        name: for messages, where the content itself is given; a path names itself.

    Raises:
        InvalidInputError: it can not be read, is of no known format, too large, damaged or cut off. The
            message names the file, the place in it and what to do.
    """
    if isinstance(source, bytes):
        data, name = source, name or "the data"
    else:
        name = name or str(source)
        data = _content(Path(source), name)
    try:
        if data.startswith(GZIP):
            data = unpacked(data)
        head = data[:HEAD_BYTES]
        for module in formats():
            if module.recognises(head):
                profile: StackProfile = module.read(data)
                return profile
    except InvalidInputError as error:
        raise InvalidInputError(f"{name}: {error}") from error
    known = ", ".join(sorted(module.NAME for module in formats()))
    what = "is empty" if not data else f"begins with {bytes(head[:16])!r}, which is no known format"
    raise InvalidInputError(f"{name}: it {what}; give one of these: {known}")


def unpacked(data: bytes) -> bytes:
    """Content of a gzip file.

    Raises:
        InvalidInputError: cut off, damaged, or more than ``MOST_BYTES`` unpacked.
    """
    pieces: list[bytes] = []
    size = 0
    while data.startswith(GZIP):  # a gzip file may have several members
        stream = zlib.decompressobj(wbits=31)
        while not stream.eof:
            try:
                piece = stream.decompress(data, _PIECE)
            except zlib.error as error:
                raise InvalidInputError(
                    f"its compression is damaged after {size:,} unpacked bytes ({error}); record it again"
                ) from error
            data = stream.unconsumed_tail
            size += len(piece)
            if size > MOST_BYTES:
                raise InvalidInputError(
                    f"it unpacks to more than {MOST_BYTES:,} bytes; record a shorter time"
                )
            if not piece and not data and not stream.eof:
                raise InvalidInputError(
                    f"it is cut off after {size:,} unpacked bytes; copy it again from where it was written"
                )
            pieces.append(piece)
        data = stream.unused_data
    return b"".join(pieces)


def _content(path: Path, name: str) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or error
        raise InvalidInputError(f"{name} can not be read: {reason}") from error
    if len(data) > MOST_BYTES:
        raise InvalidInputError(f"{name}: it has more than {MOST_BYTES:,} bytes; record a shorter time")
    return data
