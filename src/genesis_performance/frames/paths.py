"""Where a source file comes from, and how to name it briefly."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

MOST_FOLDERS = 50
"""Of a short path; two files that agree in more keep their whole paths."""

_INSTALLED = re.compile(r"^(.*[/\\](?:site|dist)-packages[/\\]([^/\\]+))(?:[/\\].*)?$", re.DOTALL)
_STANDARD = re.compile(
    r"^(.*[/\\](?:lib[/\\](?:python|pypy)\d+\.\d+t?|python\d{2,3}\.zip|Python\d{2,3}[^/\\]*[/\\][Ll]ib)"
    r"[/\\]([^/\\]+))(?:[/\\].*)?$",
    re.DOTALL,
)
_FROZEN = re.compile(r"^(<frozen ([\w]+)[\w.]*>)$")


def library_of(file: str) -> tuple[str, str]:
    """Top package that a file was installed with, and the folder of it; two empty strings for own code.

    It goes by the path alone (``site-packages``, ``dist-packages``, ``lib/python3.x``), so that it works for
    a profile of another machine. Files that other tools shortened count as own code.
    """
    found = _INSTALLED.match(file) or _STANDARD.match(file) or _FROZEN.match(file)
    if not found:
        return "", ""
    folder, package = found.groups()
    return re.sub(r"\.(py|pyc|so|pyd)$", "", package), folder


def parts(file: str) -> list[str]:
    """Folders and name of a path of any system, the name last."""
    return [part for part in re.split(r"[/\\]", file) if part] or [file]


def short_paths(files: Iterable[str]) -> dict[str, str]:
    """Each file's name with as many of its folders as it takes to tell it from the others: no more.

    ``/srv/app/views.py`` is ``views.py`` unless another ``views.py`` is there; then it is ``app/views.py``.
    """
    split = {file: parts(file) for file in files if file}
    short: dict[str, str] = {}
    open_files, depth = list(split), 1
    while open_files:
        same: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for file in open_files:
            same[tuple(split[file][-depth:])].append(file)
        open_files = []
        for tail, group in same.items():
            for file in group:
                if len(group) == 1:
                    short[file] = "/".join(tail)
                elif depth >= min(len(split[file]), MOST_FOLDERS):
                    short[file] = file  # differs from another far up, or in how it is written only
                else:
                    open_files.append(file)
        depth += 1
    return short
