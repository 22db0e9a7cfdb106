"""Which folder the processes of one service share."""

from __future__ import annotations

import getpass
import hashlib
import os
import re
import stat
import tempfile
from pathlib import Path

_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_.-]+")


def shared_folder(base: str | None, *, service: str, destination: tuple[str | None, ...]) -> Path:
    """The folder for series of this service to this destination.

    Args:
        base: ``monitoring.buffer_dir``; by default a folder of the user's own below the temporary one.
        destination: whatever tells two destinations apart.

    Raises:
        OSError: the user's own folder can not be made, or is somebody else's.
    """
    root = Path(base) if base else Path(tempfile.gettempdir()) / f"genesis-performance-{_user()}"
    if not base:
        make_own(root)  # everybody may write next to it
    key = hashlib.blake2b(repr(destination).encode(), digest_size=6).hexdigest()
    return root / f"{_NOT_IN_A_NAME.sub('_', service)[:60]}-{key}"


def make_own(folder: Path) -> None:
    """Make a folder that only this user may use.

    Raises:
        OSError: it can not be made, or is somebody else's.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise PermissionError(f"{folder} is no folder of this user; set monitoring.buffer_dir to one that is")


def _user() -> str:
    try:
        return str(os.geteuid())
    except AttributeError:  # not a Unix
        return getpass.getuser()
