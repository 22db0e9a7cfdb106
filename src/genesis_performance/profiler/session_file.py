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
from ..frames.importers.genesis_json import load
from ..frames.importers.reading import GZIP, HEAD_BYTES, unpacked
from ..model.profile import ProfileReport
from ..model.stacks import StackProfile
from ..storage import from_body, to_body

KEY = "genesis_performance_session"
VERSION = 1
"""Raised when a field changes its meaning or goes away."""

_HEAD = re.compile(rb'\s*\{\s*"' + KEY.encode() + rb'"')


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
        with aside.open("wb") as file:
            file.write(data)
        aside.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            aside.unlink()
        raise


def is_session(data: bytes) -> bool:
    """Whether these bytes begin as a session file does, compressed or not."""
    return _HEAD.match(_start(data) if data.startswith(GZIP) else data[:HEAD_BYTES]) is not None


def read_session(data: bytes, name: str) -> ProfileReport:
    """The report in the bytes of a session file.

    Args:
        data: of the file.
        name: of the file, for the errors.

    Raises:
        InvalidInputError: it is no session, cut, changed, or written by a newer version.
    """
    try:
        if data.startswith(GZIP):
            data = unpacked(data)
        if not _HEAD.match(data[:HEAD_BYTES]):
            raise InvalidInputError("it is no session file; make one with: genesis-perf profile run SCRIPT")
        document = load(data)
        return report_of(_report_body(document))
    except InvalidInputError as error:
        raise InvalidInputError(f"{name}: {error}") from error


def _report_body(document: dict[str, Any]) -> Any:
    version = document[KEY]
    if isinstance(version, int) and version > VERSION:
        raise InvalidInputError(
            f"it is a session file of version {version}, this Genesis Performance reads up to {VERSION}; "
            "upgrade it with: pip install --upgrade genesis-performance"
        )
    if version != VERSION:
        raise InvalidInputError(f"its version is {version!r:.40}, which never was; copy it again")
    return document.get("report")


def report_of(body: Any) -> ProfileReport:
    """The report that ``to_body`` made this body of, with every index within its bounds.

    Raises:
        InvalidInputError: something is missing, of another type or out of bounds.
    """
    if not isinstance(body, dict):
        raise InvalidInputError("it holds no report; copy it again")
    try:
        report = from_body(ProfileReport, body)
    except StoreError as error:
        raise InvalidInputError(str(error)) from error
    for stacks in (report.stacks, report.allocations):
        if stacks is not None and not _is_consistent(stacks):
            raise InvalidInputError("its stacks have frames that it does not have; copy it again")
    return report


def _is_consistent(stacks: StackProfile) -> bool:
    frames, columns = len(stacks.frames), len(stacks.value_types)
    return all(
        len(record.values) == columns
        and (not record.stack or (min(record.stack) >= 0 and max(record.stack) < frames))
        for record in stacks.records
    )


def _start(data: bytes) -> bytes:
    """The first bytes of gzip data, as far as they can be read."""
    try:
        return zlib.decompressobj(wbits=31).decompress(data, HEAD_BYTES)
    except zlib.error:
        return b""
