"""The machine and Python that a benchmark runs on."""

from __future__ import annotations

import functools
import os
import platform
from pathlib import Path

from ..model.benchmark import Machine

CPU_MAX = Path("/sys/fs/cgroup/cpu.max")
CPU_INFO = Path("/proc/cpuinfo")


@functools.cache
def this_machine() -> Machine:
    return Machine(
        node=platform.node(),
        processor=_processor(CPU_INFO),
        cpu_count=_cpu_count(CPU_MAX),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=f"{platform.python_implementation()} {platform.python_version()}",
    )


def _processor(path: Path) -> str:
    """The model's name: ``platform.processor`` is empty on most Linux systems."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def _cpu_count(limit: Path) -> float:
    """Cores that this process may use: its affinity, or the control group's quota where that is less.

    Source: ``cpu.max`` in https://docs.kernel.org/admin-guide/cgroup-v2.html
    """
    cores = float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    try:
        quota, period = limit.read_text(encoding="ascii").split()
        return min(cores, int(quota) / int(period))
    except (OSError, ValueError):  # no control groups, or "max"
        return cores
