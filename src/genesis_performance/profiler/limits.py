"""How many cores and how much memory this process may use: the container's limits, not the machine's."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

CGROUP = "/sys/fs/cgroup"


def cpu_limit(cgroup: Path | str = CGROUP) -> float:
    """Cores this process may use: the cgroup's quota, else those of the scheduler's affinity.

    Source: https://docs.kernel.org/admin-guide/cgroup-v2.html (cpu.max: quota and period in microseconds).
    """
    import os

    try:
        available = float(len(os.sched_getaffinity(0)))
    except AttributeError:  # not Linux
        available = float(os.cpu_count() or 1)
    quota, _, period = _first_line(cgroup, "cpu.max").partition(" ")
    if not quota:  # cgroup v1
        quota = _first_line(cgroup, "cpu/cpu.cfs_quota_us")
        period = _first_line(cgroup, "cpu/cpu.cfs_period_us")
    if quota.isdigit() and period.isdigit() and int(period) > 0:
        return min(available, int(quota) / int(period))
    return available


def memory_limit_bytes(total_bytes: int, cgroup: Path | str = CGROUP) -> int:
    """Bytes of memory this process may use: the cgroup's limit, else all of the machine's."""
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        text = _first_line(cgroup, name)
        # cgroup v1 writes a huge number for "no limit"
        if text.isdigit() and 0 < int(text) < total_bytes:
            return int(text)
    return total_bytes


def _first_line(cgroup: Path | str, name: str) -> str:
    from pathlib import Path

    try:
        return (Path(cgroup) / name).read_text().strip()
    except OSError:
        return ""
