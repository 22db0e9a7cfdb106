"""Keeps what services hold in a JSON file between two runs of the emulator (``--state FILE``).

A service takes part by having ``dump() -> JSON value`` and ``load(value)``. The file holds secret payloads:
only its owner may read it, and it is for test data.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from ..errors import EmulatorError
from .cloud import Cloud

FORMAT = 1


def load(cloud: Cloud, path: Path) -> None:
    """Fill ``cloud`` from ``path``; a missing file is an empty cloud."""
    if not os.access(path if path.exists() else path.absolute().parent, os.W_OK):
        raise EmulatorError(f"the state file {path} can not be written; choose another place with --state")
    if not path.exists():
        return
    try:
        content = json.loads(path.read_text("utf-8"))
        if content["format"] != FORMAT:
            raise EmulatorError(f"the state file {path} has format {content['format']!r}, not {FORMAT}")
        for name, value in content["services"].items():
            cloud.services[name].load(value)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise EmulatorError(
            f"the state file {path} can not be read ({type(error).__name__}); "
            "delete it or choose another with --state"
        ) from error


def save(cloud: Cloud, path: Path) -> None:
    """Write what ``cloud`` holds, in one step, readable by its owner only."""
    held = {name: service.dump() for name, service in cloud.services.items() if hasattr(service, "dump")}
    beside = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        beside.touch(0o600)
        beside.write_text(json.dumps({"format": FORMAT, "services": held}), "utf-8")
        beside.replace(path)
    except OSError as error:
        raise EmulatorError(f"the state file {path} can not be written: {error.strerror}") from error
