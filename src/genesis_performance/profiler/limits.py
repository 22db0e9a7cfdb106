"""How many cores and how much memory this process may use: the container's limits, not the machine's.

A limit may stand on any level between the process's own control group and the root, and the tightest holds.
Both versions of control groups are read, also side by side (a "hybrid" system). Where nothing can be read
there is no limit to know of, and the machine's size is the answer.

Sources: https://docs.kernel.org/admin-guide/cgroup-v2.html (cpu.max, cpu.stat, memory.max),
https://docs.kernel.org/scheduler/sched-bwc.html (version 1 of the CPU quota), proc_pid_mountinfo(5),
cgroups(7).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

PROC = "/proc/self"
DEFAULT_MOUNT = "/sys/fs/cgroup"


class Throttling(NamedTuple):
    """How often the CPU quota stopped the control groups of this process, since they were made."""

    periods: int = 0
    throttled: int = 0  # periods in which the quota ran out
    throttled_ns: int = 0


def cpu_limit(proc: Path | str = PROC) -> float:
    """Cores this process may use: the tightest quota above it, else those of the scheduler's affinity."""
    import os

    try:
        cores = float(len(os.sched_getaffinity(0)))
    except AttributeError:  # not Linux
        cores = float(os.cpu_count() or 1)
    for directory in _directories("cpu", proc):
        quota, _, period = _text(directory / "cpu.max").partition(" ")
        if not quota:  # version 1
            quota = _text(directory / "cpu.cfs_quota_us")
            period = _text(directory / "cpu.cfs_period_us")
        if quota.isdecimal() and period.isdecimal() and int(quota) > 0 and int(period) > 0:
            cores = min(cores, int(quota) / int(period))
    return cores


def memory_limit_bytes(total_bytes: int, proc: Path | str = PROC) -> int:
    """Bytes of memory this process may use: the tightest limit above it, else all of the machine's."""
    limit = total_bytes
    for directory in _directories("memory", proc):
        for name in ("memory.max", "memory.limit_in_bytes"):
            text = _text(directory / name)
            # Version 2 writes "max" for no limit, version 1 a huge number.
            if text.isdecimal() and int(text) > 0:
                limit = min(limit, int(text)) if limit > 0 else int(text)
    return limit


def throttling(proc: Path | str = PROC) -> Throttling:
    """What the CPU quotas have done so far; on several levels with one each, their sum."""
    periods = throttled = throttled_ns = 0
    for directory in _directories("cpu", proc):
        counters: dict[str, int] = {}
        for line in _text(directory / "cpu.stat").splitlines():
            name, _, value = line.partition(" ")
            if value.isdecimal():
                counters[name] = int(value)
        periods += counters.get("nr_periods", 0)
        throttled += counters.get("nr_throttled", 0)
        # Version 2 counts in microseconds, version 1 in nanoseconds.
        throttled_ns += 1000 * counters.get("throttled_usec", 0) + counters.get("throttled_time", 0)
    return Throttling(periods, throttled, throttled_ns)


def _directories(controller: str, proc: Path | str) -> Iterator[Path]:
    """The control groups that hold this process, from its own up to the root of what is mounted."""
    from pathlib import Path

    paths = _own_paths(controller, proc)
    for is_v2, root, mount in _mounts(controller, proc):
        path = paths.get(is_v2, "/")
        if root != "/":
            # A container without a name space of its own sees the host's path and mounts only its part.
            path = path[len(root) :] if path == root or path.startswith(root + "/") else "/"
        parts = [part for part in path.split("/") if part]
        if ".." in parts:  # outside of what this process may see
            parts = []
        for length in range(len(parts), -1, -1):
            yield Path(mount, *parts[:length])


def _own_paths(controller: str, proc: Path | str) -> dict[bool, str]:
    """This process's control group in version 1 (False) and version 2 (True) of the hierarchy."""
    from pathlib import Path

    paths: dict[bool, str] = {}
    for line in _text(Path(proc) / "cgroup").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            paths[True] = path
        elif controller in controllers.split(","):
            paths[False] = path
    return paths


def _mounts(controller: str, proc: Path | str) -> Iterator[tuple[bool, str, str]]:
    """Whether it is version 2, the root within the hierarchy, and the mount point of each that matters."""
    from pathlib import Path

    known = False
    for line in _text(Path(proc) / "mountinfo").splitlines():
        mounted, _, kind = line.partition(" - ")
        fields, (filesystem, _, options) = mounted.split(), (kind + "  ").split(" ", 2)
        if len(fields) < 5 or filesystem not in {"cgroup", "cgroup2"}:
            continue
        if filesystem == "cgroup2" or controller in options.replace(" ", ",").split(","):
            known = True
            yield filesystem == "cgroup2", fields[3], fields[4].replace("\\040", " ")
    if not known and str(proc) == PROC:  # a restricted /proc: the usual places
        yield True, "/", DEFAULT_MOUNT
        yield False, "/", f"{DEFAULT_MOUNT}/{controller}"


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
