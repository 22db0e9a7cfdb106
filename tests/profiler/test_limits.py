"""The limits of a container decide, not the machine's size."""

import os
from pathlib import Path

from genesis_performance.profiler.limits import cpu_limit, memory_limit_bytes

HUGE = 9223372036854771712  # what cgroup v1 writes for "no limit"


def test_a_cpu_quota_below_the_cores_is_the_limit(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    assert cpu_limit(tmp_path) == 0.5


def test_no_quota_leaves_the_cores_of_the_scheduler(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert cpu_limit(tmp_path) == len(os.sched_getaffinity(0))


def test_the_first_cgroup_version_is_read_too(tmp_path: Path) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu/cpu.cfs_quota_us").write_text("25000\n")
    (tmp_path / "cpu/cpu.cfs_period_us").write_text("100000\n")
    assert cpu_limit(tmp_path) == 0.25


def test_a_memory_limit_below_the_machine_is_the_limit(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("1000\n")
    assert memory_limit_bytes(2000, tmp_path) == 1000


def test_without_a_limit_it_is_the_machine(tmp_path: Path) -> None:
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory/memory.limit_in_bytes").write_text(f"{HUGE}\n")
    assert memory_limit_bytes(2000, tmp_path) == 2000
