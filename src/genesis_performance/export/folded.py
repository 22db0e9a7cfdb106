"""What a folder remembers of processes that are gone: their sums, and how its series are sent.

One file with a checksum, replaced as a whole. It lists the files that it holds, so that one that is still
there after a crash is not counted again.
"""

from __future__ import annotations

import contextlib
import json
import os
import zlib
from dataclasses import dataclass, field
from pathlib import Path

from .blocks import SeriesKey
from .totals import Totals, restored, state

NAME = "totals"
_NEW, _DAMAGED = "totals.new", "totals.damaged"
_FORMAT = 1


class DamagedError(Exception):
    """The file is there and can not be right."""


@dataclass(slots=True)
class Folded:
    """What the folder's file says.

    Args:
        task_id: that its series are sent under.
        totals: of the files in ``files`` and of all folded before.
        files: that are in ``totals`` and may still be there.
        starts: when each series that was ever sent began; the order is that of their first export.
        lost: in words, what was found damaged, and how often.
    """

    task_id: str
    totals: Totals = field(default_factory=dict)
    files: set[str] = field(default_factory=set)
    starts: dict[SeriesKey, int] = field(default_factory=dict)
    lost: dict[str, int] = field(default_factory=dict)


def load(folder: Path) -> Folded | None:
    """What the file says, None when there is none.

    Raises:
        DamagedError: it is not whole.
        OSError: it can not be read.
    """
    try:
        written = (folder / NAME).read_bytes()
    except FileNotFoundError:
        return None
    check, _, text = written.partition(b"\n")
    if check != b"%d %08x" % (_FORMAT, zlib.crc32(text)):
        raise DamagedError(f"{folder / NAME} is damaged, or of another version")
    body = json.loads(text)
    return Folded(
        task_id=body["task_id"],
        totals=restored(body["totals"]),
        files=set(body["files"]),
        starts={_key(key): start for *key, start in body["starts"]},
        lost=body["lost"],
    )


def save(folder: Path, folded: Folded) -> None:
    """Replace the file; after a crash there is the old one or the new one.

    Raises:
        OSError: the disk is full or read-only; the old one stays.
    """
    text = json.dumps(
        {
            "task_id": folded.task_id,
            "totals": state(folded.totals),
            "files": sorted(folded.files),
            "starts": [[*key, start] for key, start in folded.starts.items()],
            "lost": folded.lost,
        },
        separators=(",", ":"),
    ).encode()
    new = folder / _NEW
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(b"%d %08x\n" % (_FORMAT, zlib.crc32(text)))
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(folder / NAME)
    _sync_folder(folder)


def set_aside(folder: Path) -> None:
    """Keep a damaged file under another name."""
    with contextlib.suppress(FileNotFoundError):
        (folder / NAME).replace(folder / _DAMAGED)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _key(values: list[object]) -> SeriesKey:
    kind, name, labels = values
    return SeriesKey(kind, name, tuple((key, text) for key, text in labels))  # type: ignore[arg-type, attr-defined]
