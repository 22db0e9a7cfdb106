"""What a session measures of its process, and what it says where that can not be read."""

import os
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genesis_performance.model.profile import ResourceSample
from genesis_performance.profiler import resources
from genesis_performance.profiler.resources import ResourceSampler, halved

NEVER_S = 1000.0  # between two samples: only the one at the end is taken


def last(sampler: ResourceSampler) -> ResourceSample:
    return sampler.stop()[-1]


def clock(*moments: int) -> Callable[[], int]:
    return iter(moments).__next__


def test_cpu_is_process_time_over_elapsed_time() -> None:
    sampler = ResourceSampler(NEVER_S, clock_ns=clock(0, 2_000), cpu_clock_ns=clock(100, 3_100))
    sampler.start()
    assert last(sampler).cpu_percent == 150.0


def test_a_clock_that_stands_still_is_no_division_by_zero() -> None:
    sampler = ResourceSampler(NEVER_S, clock_ns=clock(5, 5), cpu_clock_ns=clock(1, 9))
    sampler.start()
    assert last(sampler).cpu_percent == 0.0


def test_memory_is_the_resident_set() -> None:
    sampler = ResourceSampler(NEVER_S)
    sampler.start()
    sample = last(sampler)
    assert sample.memory_bytes == pytest.approx(psutil.Process().memory_info().rss, rel=0.1)
    assert sample.memory_percent == pytest.approx(100 * sample.memory_bytes / sampler.memory_limit_bytes)


def test_bytes_written_since_the_start_are_counted(tmp_path: Path) -> None:
    before = psutil.Process().io_counters().write_bytes
    (tmp_path / "before").write_bytes(bytes(4 * 2**20))
    if psutil.Process().io_counters().write_bytes == before:
        pytest.skip("this file system does not count what is written")
    sampler = ResourceSampler(NEVER_S)
    sampler.start()
    (tmp_path / "within").write_bytes(bytes(2**20))
    assert 2**20 <= last(sampler).write_bytes < 3 * 2**20


def test_context_switches_of_all_threads_are_counted() -> None:
    sampler = ResourceSampler(NEVER_S)
    sampler.start()

    def give_way() -> None:
        for _ in range(200):
            time.sleep(0.0001)

    thread = threading.Thread(target=give_way)
    thread.start()
    thread.join()
    assert last(sampler).context_switches >= 200


def test_what_is_left_out_is_zero() -> None:
    sampler = ResourceSampler(NEVER_S, with_cpu=False, with_memory=False)
    sampler.start()
    sample = last(sampler)
    assert (sample.cpu_percent, sample.memory_bytes) == (0.0, 0)


def test_stopping_twice_takes_one_last_sample() -> None:
    sampler = ResourceSampler(NEVER_S)
    sampler.start()
    assert sampler.stop() == sampler.stop()


@pytest.fixture
def no_proc(tmp_path: Path) -> Iterator[None]:
    before = psutil.PROCFS_PATH
    psutil.PROCFS_PATH = str(tmp_path)
    yield
    psutil.PROCFS_PATH = before


@pytest.mark.usefixtures("no_proc")
def test_a_proc_that_can_not_be_read_costs_its_figures_alone() -> None:
    sampler = ResourceSampler(NEVER_S)
    sampler.start()
    time.process_time_ns()
    sample = last(sampler)
    assert (sample.memory_bytes, sample.read_bytes) == (0, 0)
    assert sample.cpu_percent > 0
    assert sample.threads >= 1
    assert any("can not be read here" in note for note in sampler.notes)


@pytest.mark.usefixtures("no_proc")
def test_a_proc_that_shows_little_is_said_once_for_each_figure(tmp_path: Path) -> None:
    own = tmp_path / str(os.getpid())
    own.mkdir()
    for name in ("stat", "self/stat"):  # what psutil needs to know the process at all
        source, target = Path("/proc") / name, tmp_path / "stat" if name == "stat" else own / "stat"
        target.write_bytes(source.read_bytes())
    sampler = ResourceSampler(NEVER_S)
    sampler.start()
    sampler._sample()
    assert len(sampler.stop()) == 2
    assert [note.partition(" can not")[0] for note in sampler.notes] == ["I/O", "memory"]


def test_a_process_without_a_thread_to_spare_is_sampled_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    sampler = ResourceSampler(0.001)
    sampler.start()
    assert len(sampler.stop()) == 1
    assert "sampled only once" in sampler.notes[0]


def test_the_child_of_a_fork_stops_without_waiting() -> None:
    sampler = ResourceSampler(NEVER_S)
    sampler.start()
    child = os.fork()
    if child == 0:
        os._exit(len(sampler.stop()))
    assert os.waitpid(child, 0)[1] == 0
    assert len(sampler.stop()) == 1


def test_a_quota_that_stopped_the_container_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # A real control group needs privileges: the counters come from files in its format.
    (tmp_path / "cgroup").write_text("0::/\n")
    (tmp_path / "mountinfo").write_text(f"31 23 0:28 / {tmp_path} rw - cgroup2 none rw\n")
    stat = tmp_path / "cpu.stat"
    stat.write_text("nr_periods 10\nnr_throttled 1\nthrottled_usec 5\n")
    real = resources.throttling
    monkeypatch.setattr(resources, "throttling", lambda: real(tmp_path))
    sampler = ResourceSampler(NEVER_S)
    sampler.start()
    stat.write_text("nr_periods 110\nnr_throttled 41\nthrottled_usec 2500005\n")
    sampler.stop()
    assert any("in 40 of 100 periods, for 2.50 s" in note for note in sampler.notes)


def sample(at: int, cpu_percent: float) -> ResourceSample:
    return ResourceSample(
        at_unix_ns=at,
        cpu_percent=cpu_percent,
        memory_bytes=at,
        memory_percent=0.0,
        read_bytes=at,
        write_bytes=at,
        threads=1,
        context_switches=at,
    )


@given(st.lists(st.floats(0, 1e4), min_size=2, max_size=50).filter(lambda values: len(values) % 2 == 0))
def test_halving_keeps_the_mean_and_the_end(values: list[float]) -> None:
    samples = [sample(at, value) for at, value in enumerate(values)]
    half = halved(samples)
    assert len(half) == len(samples) // 2
    assert half[-1].at_unix_ns == samples[-1].at_unix_ns
    mean = sum(each.cpu_percent for each in half) / len(half)
    assert mean == pytest.approx(sum(values) / len(values), abs=1e-9)


def of_the_sampler() -> int:
    """Bytes that its module holds; other threads of this process may take what they want."""
    where = tracemalloc.Filter(inclusive=True, filename_pattern=resources.__file__)
    return sum(trace.size for trace in tracemalloc.take_snapshot().filter_traces([where]).traces)


def test_samples_take_no_memory_while_they_are_taken() -> None:
    sampler = ResourceSampler(NEVER_S)
    sampler.start()
    sampler._sample()
    tracemalloc.start()
    before = of_the_sampler()
    for _ in range(1000):
        sampler._sample()
    grown = of_the_sampler() - before
    tracemalloc.stop()
    assert len(sampler.stop()) == 1002
    assert grown < 20 * 1000  # bytes; a tenth of what objects of them would take


def test_a_long_session_keeps_a_bounded_number_of_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "MAX_SAMPLES", 10)
    sampler = ResourceSampler(0.0005)
    sampler.start()
    ends = time.monotonic() + 60
    while sampler._interval_s < 0.001 and time.monotonic() < ends:
        time.sleep(0.001)
    assert 5 <= len(sampler.stop()) <= 11
