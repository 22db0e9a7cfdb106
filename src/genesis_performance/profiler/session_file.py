"""A finished session as one file, which renders later and elsewhere.

JSON, compressed where the name ends in ``.gz``. Its first key is ``genesis_performance_session`` with the
version of the format; the report follows. New fields do not raise the version: older programs ignore them.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import re
import zlib
from pathlib import Path
from typing import Any

from ..errors import InvalidInputError, StoreError
from ..model.profile import ProfileReport
from ..model.stacks import StackProfile
from ..storage import from_body, to_body

KEY = "genesis_performance_session"
VERSION = 1
"""Raised when a field changes its meaning or goes away."""

MAX_BYTES = 1 << 30
"""Of a file when it is unpacked; a small hostile one could fill the memory otherwise."""

_HEAD = re.compile(rb'\s*\{\s*"' + KEY.encode() + rb'"')
_GZIP = b"\x1f\x8b"
_WHOLE = 16 + zlib.MAX_WBITS  # zlib's way to say: with the header of gzip


def write_session(report: ProfileReport, path: Path) -> None:
    """Write a report; who reads meanwhile sees the old file or the new one, never a part.

    Raises:
        InvalidInputError: the file can not be written.
    """
    data = session_bytes(report, compressed=path.name.endswith(".gz"))
    try:
        write_whole(path, data)
    except OSError as error:
        raise InvalidInputError(f"the session can not be written to {path}: {error.strerror}") from error


def session_bytes(report: ProfileReport, *, compressed: bool) -> bytes:
    """What a session file of this report holds."""
    # json, not msgspec: names of files and functions may hold lone surrogates, which UTF-8 has no form for
    document = {KEY: VERSION, "report": to_body(report)}
    data = json.dumps(document, separators=(",", ":"), ensure_ascii=True).encode("ascii")
    return gzip.compress(data, compresslevel=6, mtime=0) if compressed else data


def write_whole(path: Path, data: bytes) -> None:
    """Put ``data`` in place of a file in one step; what is no regular file (a pipe) is written as it is.

    Raises:
        OSError: it can not be written.
    """
    path = path.resolve()  # a link stays one
    if path.exists() and not path.is_file():
        path.write_bytes(data)
        return
    aside = path.with_name(f".{path.name[:100]}.{os.getpid()}.part")
    try:
        with aside.open("xb") as file:
            file.write(data)
        aside.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            aside.unlink()
        raise


def is_session(data: bytes) -> bool:
    """Whether these bytes begin as a session file does, compressed or not."""
    return _HEAD.match(_unpacked(data, 4096) if data.startswith(_GZIP) else data[:4096]) is not None


def read_session(data: bytes, name: str) -> ProfileReport:
    """The report in the bytes of a session file.

    Args:
        data: of the file.
        name: of the file, for the errors.

    Raises:
        InvalidInputError: it is no session, cut, changed, or written by a newer version.
    """
    if data.startswith(_GZIP):
        data = _unpacked_whole(data, name)
    if not _HEAD.match(data[:4096]):
        raise InvalidInputError(f"{name} is no session file; make one with: genesis-perf profile run SCRIPT")
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        raise InvalidInputError(
            f"{name} is a session file that is cut or changed ({_place(error)}); copy it again"
        ) from error
    version = document[KEY]
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise InvalidInputError(
            f"{name} is a session file of version {str(version)[:40]!r}, which never was; copy it again"
        )
    if version > VERSION:
        raise InvalidInputError(
            f"{name} is a session file of version {version}, this Genesis Performance reads up to {VERSION}; "
            "upgrade it with: pip install --upgrade genesis-performance"
        )
    return report_of(document.get("report"), name)


def report_of(body: Any, name: str) -> ProfileReport:
    """The report that ``to_body`` made this body of, with every index within its bounds.

    Raises:
        InvalidInputError: something is missing, of another type or out of bounds.
    """
    if not isinstance(body, dict):
        raise InvalidInputError(f"{name} holds no report; copy the file again")
    try:
        report = from_body(ProfileReport, body)
    except StoreError as error:
        raise InvalidInputError(f"{name}: {error}") from error
    for stacks in (report.stacks, report.allocations):
        if stacks is not None and not _is_consistent(stacks):
            raise InvalidInputError(f"{name} holds stacks of frames that it does not have; it was changed")
    return report


def _is_consistent(stacks: StackProfile) -> bool:
    frames, columns = len(stacks.frames), len(stacks.value_types)
    return all(
        len(record.values) == columns
        and (not record.stack or (min(record.stack) >= 0 and max(record.stack) < frames))
        for record in stacks.records
    )


def _unpacked(data: bytes, limit: int) -> bytes:
    """The first bytes of gzip data, as far as they can be read."""
    try:
        return zlib.decompressobj(_WHOLE).decompress(data, limit)
    except zlib.error:
        return b""


def _unpacked_whole(data: bytes, name: str) -> bytes:
    unpacker = zlib.decompressobj(_WHOLE)
    try:
        plain = unpacker.decompress(data, MAX_BYTES)
    except zlib.error as error:
        raise InvalidInputError(f"{name} is damaged ({error}); copy it again") from error
    if unpacker.eof:
        return plain
    if len(plain) >= MAX_BYTES:
        raise InvalidInputError(f"{name} unpacks to more than {MAX_BYTES >> 20} MiB; that is no session")
    raise InvalidInputError(f"{name} ends too early: only a part of it was copied; copy it again")


def _place(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at character {error.pos}"
    return str(error)
