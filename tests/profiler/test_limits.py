"""The limits of a container decide, not the machine's size; the tightest on the way to the root holds."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genesis_performance.profiler.limits import Throttling, cpu_limit, memory_limit_bytes, throttling

HUGE = 9223372036854771712  # what version 1 writes for "no limit"
CORES = len(os.sched_getaffinity(0))
MEMBERSHIP = {
    "v2": "0::/shop.slice/web",
    "v1": "4:memory:/shop/web\n3:cpu,cpuacct:/shop/web\n1:name=systemd:/x",
}


class System:
    """A made-up /proc/self with control groups mounted below a folder."""

    def __init__(self, folder: Path) -> None:
        self.proc = folder / "proc"
        self.proc.mkdir()
        self._folder = folder
        self.member("0::/")
        self._mounts: list[str] = []

    def member(self, text: str) -> None:
        (self.proc / "cgroup").write_text(text + "\n")

    def mount(self, kind: str, options: str = "rw", root: str = "/") -> Path:
        point = self._folder / f"mount {len(self._mounts)}"
        point.mkdir()
        shown = str(point).replace(" ", "\\040")
        self._mounts.append(f"31 23 0:28 {root} {shown} rw,relatime shared:9 - {kind} none {options}")
        (self.proc / "mountinfo").write_text("\n".join(["22 1 8:1 / / rw - ext4 /dev/vda rw", *self._mounts]))
        return point


def write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text + "\n")


@pytest.fixture
def system(tmp_path: Path) -> System:
    return System(tmp_path)


class TestVersion2:
    @pytest.fixture
    def root(self, system: System) -> Path:
        system.member("0::/shop.slice/web")
        return system.mount("cgroup2")

    def test_a_quota_of_the_own_group_is_the_limit(self, system: System, root: Path) -> None:
        write(root / "shop.slice/web", cpu__max="50000 100000", memory__max="1000")
        assert cpu_limit(system.proc) == 0.5
        assert memory_limit_bytes(2000, system.proc) == 1000

    def test_a_tighter_limit_above_holds(self, system: System, root: Path) -> None:
        write(root / "shop.slice/web", cpu__max="50000 100000", memory__max="1000")
        write(root / "shop.slice", cpu__max="20000 100000", memory__max="700")
        assert cpu_limit(system.proc) == 0.2
        assert memory_limit_bytes(2000, system.proc) == 700

    def test_a_limit_of_another_group_does_not(self, system: System, root: Path) -> None:
        write(root / "shop.slice/other", cpu__max="20000 100000", memory__max="700")
        assert cpu_limit(system.proc) == CORES
        assert memory_limit_bytes(2000, system.proc) == 2000

    def test_no_limit_leaves_the_machine(self, system: System, root: Path) -> None:
        write(root / "shop.slice/web", cpu__max="max 100000", memory__max="max")
        assert cpu_limit(system.proc) == CORES
        assert memory_limit_bytes(2000, system.proc) == 2000

    def test_a_quota_of_more_than_there_is_leaves_the_cores(self, system: System, root: Path) -> None:
        write(root, cpu__max="99900000 100000")
        assert cpu_limit(system.proc) == CORES

    def test_throttling_is_read_in_nanoseconds(self, system: System, root: Path) -> None:
        write(
            root / "shop.slice/web",
            cpu__stat="usage_usec 9\nnr_periods 50\nnr_throttled 7\nthrottled_usec 300",
        )
        assert throttling(system.proc) == Throttling(50, 7, 300_000)


class TestVersion1:
    @pytest.fixture
    def roots(self, system: System) -> tuple[Path, Path]:
        system.member(MEMBERSHIP["v1"])
        return system.mount("cgroup", "rw,cpu,cpuacct"), system.mount("cgroup", "rw,memory")

    def test_limits_of_the_own_group_and_above_are_read(
        self, system: System, roots: tuple[Path, Path]
    ) -> None:
        cpu, memory = roots
        write(cpu / "shop/web", cpu__cfs_quota_us="-1", cpu__cfs_period_us="100000")
        write(cpu / "shop", cpu__cfs_quota_us="25000", cpu__cfs_period_us="100000")
        write(memory / "shop/web", memory__limit_in_bytes="1500")
        write(memory, memory__limit_in_bytes=str(HUGE))
        assert cpu_limit(system.proc) == 0.25
        assert memory_limit_bytes(2000, system.proc) == 1500

    def test_throttling_is_read_in_nanoseconds(self, system: System, roots: tuple[Path, Path]) -> None:
        write(roots[0] / "shop/web", cpu__stat="nr_periods 50\nnr_throttled 7\nthrottled_time 300")
        assert throttling(system.proc) == Throttling(50, 7, 300)


def test_both_versions_side_by_side_are_read(system: System) -> None:
    system.member("4:memory:/box\n0::/")
    write(system.mount("cgroup", "rw,memory") / "box", memory__limit_in_bytes="900")
    write(system.mount("cgroup2"), cpu__max="10000 100000")
    assert memory_limit_bytes(2000, system.proc) == 900
    assert cpu_limit(system.proc) == 0.1


def test_a_container_that_sees_the_hosts_path_finds_its_own_group(system: System) -> None:
    system.member("4:memory:/docker/abc/inner")
    point = system.mount("cgroup", "rw,memory", root="/docker/abc")
    write(point / "inner", memory__limit_in_bytes="600")
    assert memory_limit_bytes(2000, system.proc) == 600


@pytest.mark.parametrize("path", ["/../other", "/elsewhere", ""])
def test_a_path_outside_of_what_is_mounted_leaves_the_mounts_root(system: System, path: str) -> None:
    system.member(f"0::{path}")
    write(system.mount("cgroup2", root="/docker/abc" if path == "/elsewhere" else "/"), memory__max="800")
    assert memory_limit_bytes(2000, system.proc) == 800


def test_where_nothing_can_be_read_it_is_the_machine(tmp_path: Path) -> None:
    assert cpu_limit(tmp_path) == CORES
    assert memory_limit_bytes(2000, tmp_path) == 2000
    assert throttling(tmp_path) == Throttling(0, 0, 0)


def test_a_limit_is_known_although_the_machines_memory_is_not(system: System) -> None:
    write(system.mount("cgroup2"), memory__max="800")
    assert memory_limit_bytes(0, system.proc) == 800


@given(text=st.text(), kind=st.sampled_from(["cgroup", "mountinfo"]))
def test_whatever_the_system_writes_nothing_raises(
    tmp_path_factory: pytest.TempPathFactory, text: str, kind: str
) -> None:
    system = System(tmp_path_factory.mktemp("proc"))
    write(system.mount("cgroup2"), cpu__max=text, memory__max=text, cpu__stat=text)
    (system.proc / kind).write_text(text, encoding="utf-8", errors="surrogatepass")
    assert cpu_limit(system.proc) > 0
    assert memory_limit_bytes(2000, system.proc) > 0
    assert throttling(system.proc).periods >= 0
