"""The health of running processes, for who looks from outside: written next to their metrics by the one that
sends, every ten seconds."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..export.totals import Known

NAME, _NEW = "health", "health.new"
NO_NEWS_S = 24 * 3600.0
"""A folder that nobody wrote to for so long is of a service that is gone."""

LATE_INTERVALS = 3
"""So many intervals without a success are a failure that lasts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessesHealth:
    """The processes of one service on this machine that share their series."""

    folder: str
    service: str
    environment: str
    writer_pid: int | None  # the process that sends; None: none runs
    files: int  # of processes that run, or ended and are not sent yet
    bytes: int
    lost: Mapping[str, int]  # found damaged since the folder was made -> times
    set_aside: int  # damaged files that are kept to be looked at
    age_s: float | None  # of ``health``; None where nothing was ever published
    health: Mapping[str, Any]  # a ``MonitorHealth`` of the process that sends or sent last
    values: int  # of all processes since the folder was made: of distributions, and executions of operations
    series: int  # of all processes; an operation is one here

    @property
    def is_failing(self) -> bool:
        """Whether nothing has arrived for several intervals although somebody sends."""
        if self.writer_pid is None or not self.health.get("last_error"):
            return False
        since = self.health.get("last_success_age_s")
        interval_s = float(self.health.get("write_interval_s") or 60.0)
        return since is None or since + (self.age_s or 0.0) > LATE_INTERVALS * interval_s

    @property
    def failure(self) -> str:
        """What is wrong now, in words; "" when nothing is."""
        if self.is_failing:
            return f"nothing arrives: {self.health['last_error']}"
        refused: Mapping[str, int] = self.health.get("rejected_points") or {}
        if refused and self.writer_pid is not None:
            return "points are refused for good: " + ", ".join(f"{why} ({n})" for why, n in refused.items())
        return ""


def publish(folder: str, health: Mapping[str, Any]) -> None:
    """Replace what is known of this folder's processes.

    Raises:
        OSError: the folder can not be written to.
    """
    text = json.dumps({"at_unix_s": time.time(), "health": health}, default=str)
    new = Path(folder) / _NEW
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        file.write(text)
    new.replace(Path(folder) / NAME)


def published(base: str | None) -> list[ProcessesHealth]:
    """Every service that ran on this machine within a day, the newest first.

    Args:
        base: ``monitoring.buffer_dir``.
    """
    from ..export.place import shared_folder

    try:
        root = shared_folder(base, service="x", destination=()).parent
        folders = [one for one in root.iterdir() if one.is_dir()]
    except OSError:
        return []
    found = [(newest, one) for one in folders if (newest := _newest_s(one)) > time.time() - NO_NEWS_S]
    looked = []
    for _, folder in sorted(found, reverse=True):
        with contextlib.suppress(OSError):  # somebody else's, or removed meanwhile
            looked.append(_look(folder))
    return [one for one in looked if one.health or one.files or one.lost or one.writer_pid is not None]


def _newest_s(folder: Path) -> float:
    newest = 0.0
    for name in (NAME, "totals", "writer"):
        with contextlib.suppress(OSError):
            newest = max(newest, (folder / name).stat().st_mtime)
    return newest


def _look(folder: Path) -> ProcessesHealth:
    from ..export.limits import Complaints
    from ..export.mapped_file import files
    from ..export.sharing import DAMAGED, SharedFolder
    from .records import log

    view = SharedFolder(folder, Complaints(log), new_task_id="")
    shared = view.health()
    totals = view.merged().values()
    body = _read(folder / NAME)
    health = body.get("health")
    known: Mapping[str, Any] = health if isinstance(health, dict) else {}
    at = body.get("at_unix_s")
    return ProcessesHealth(
        folder=str(folder),
        service=str(known.get("service") or folder.name.rpartition("-")[0]),
        environment=str(known.get("environment") or ""),
        writer_pid=shared.writer_pid if _runs(shared.writer_pid) else None,
        files=shared.files,
        bytes=shared.bytes,
        lost=shared.lost,
        set_aside=len(list(files(folder, DAMAGED))),
        age_s=max(time.time() - at, 0.0) if isinstance(at, int | float) else None,
        health=known,
        values=sum(_values(one) for one in totals),
        series=len(totals),
    )


def _values(known: Known) -> int:
    """How many values a series stands for; of counters and gauges only the sum and the last one are known."""
    from ..export.blocks import DISTRIBUTION, OPERATION

    value = known.read()
    if known.key.kind == DISTRIBUTION:
        return int(value.count)
    return sum(value.buckets.values()) if known.key.kind == OPERATION else 0


def _read(path: Path) -> dict[str, Any]:
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return body if isinstance(body, dict) else {}


def _runs(pid: int) -> bool:
    if not pid:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        return True
    return True
