"""Which folder the processes of one service share."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

try:
    from _blake2 import blake2b
except ImportError:  # not CPython
    from hashlib import blake2b  # in CPython it loads OpenSSL, 4 MB in every worker

_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_.-]+")


def shared_folder(base: str | None, *, service: str, destination: tuple[str | None, ...]) -> Path:
    """The folder for series of this service to this destination.

    Args:
        base: ``monitoring.buffer_dir``; by default a folder of the user's own below the temporary one.
        destination: whatever tells two destinations apart.

    Raises:
        OSError: the user's own folder can not be made, or is somebody else's.
    """
    if base:
        root = Path(base)
    else:
        import tempfile

        root = Path(tempfile.gettempdir()) / f"genesis-performance-{_user()}"
        make_own(root)  # everybody may write next to it
    key = blake2b(repr(destination).encode(), digest_size=6).hexdigest()
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
        import getpass

        return getpass.getuser()
