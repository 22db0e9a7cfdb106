"""The file of a process: whole, cut, damaged, on a full disk, and after a kill at every line."""

from __future__ import annotations

import logging
import os
import resource
import signal
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genesis_performance.export.blocks import CHUNK_BYTES, OCTAVE, OPERATION, SeriesKey, SeriesText
from genesis_performance.export.buffer import COUNTER, MetricBuffer
from genesis_performance.export.cells import Cells
from genesis_performance.export.limits import Complaints, SeriesBudget
from genesis_performance.export.mapped_file import PAGE_BYTES, MappedFile, ReadFile, files
from genesis_performance.export.reading import OCTAVE_WORDS, OPERATION_WORDS, Reader
from genesis_performance.export.region import Region, RegionFullError
from genesis_performance.export.totals import OperationTotal, Totals

NOW_NS = 2_000_000_000_000_000_000


def buffer_in(region: Region) -> MetricBuffer:
    complaints = Complaints(logging.getLogger("test"))
    return MetricBuffer(
        service="shop",
        environment="test",
        budget=SeriesBudget(10_000),
        complaints=complaints,
        unix_ns=lambda: NOW_NS,
        cells=Cells(lambda: region, complaints),
    )


def values(totals: Totals) -> dict[tuple[str, str], object]:
    return {
        (key.name, dict(key.labels).get("n", "")): known.read()
        for key, known in totals.items()
        if key.kind != OPERATION
    }


def read(path: Path) -> tuple[Totals, int]:
    file, reader = ReadFile(path), Reader()
    totals = reader.of_dead_file(file)
    file.close()
    return totals, reader.damaged


def test_what_is_in_the_file_is_what_would_be_on_the_heap(tmp_path: Path) -> None:
    file, heap = MappedFile(tmp_path), Region()
    for region in (file, heap):
        buffer = buffer_in(region)
        for number in range(3000):
            buffer.record("wait_ms", number / 7, {"n": f"a{number % 50}x"})
            buffer.record("orders", number, {"n": f"a{number % 50}x"}, kind=COUNTER)
    assert len(values(Reader().of_region(heap))) == 100
    file.close()
    totals, damaged = read(file.path)
    assert values(totals) == values(Reader().of_region(heap))
    assert damaged == 0


def test_a_file_grows_by_whole_chunks_that_are_on_the_disk(tmp_path: Path) -> None:
    file = MappedFile(tmp_path)
    buffer = buffer_in(file)
    for number in range(2000):
        buffer.record("wait_ms", 1.0, {"n": f"a{number}x"})
    found = file.path.stat()
    assert (found.st_size - PAGE_BYTES) % CHUNK_BYTES == 0
    assert found.st_blocks * 512 >= found.st_size  # not sparse
    file.close()


def test_a_file_is_that_of_a_living_process_until_it_is_closed(tmp_path: Path) -> None:
    file = MappedFile(tmp_path)
    other = ReadFile(file.path)
    assert not other.try_lock()
    assert other.identity()["pid"] == os.getpid()
    file.close()
    # The same process id runs on: it says nothing.
    assert other.try_lock()
    other.close()


@contextmanager
def most_bytes_of_a_file(size: int) -> Iterator[None]:
    """What a full disk does: growing a file beyond this is an error."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_on_a_full_disk_values_go_to_the_heap_and_that_is_counted(tmp_path: Path) -> None:
    file = MappedFile(tmp_path)
    complaints = Complaints(logging.getLogger("test"))
    cells = Cells(lambda: file, complaints)
    buffer = buffer_in(file)
    buffer._store = cells
    with most_bytes_of_a_file(PAGE_BYTES + CHUNK_BYTES):
        for number in range(2000):
            for value in (0.001, 1.0, 1000.0):
                buffer.record("wait_ms", value, {"n": f"a{number}x"})
    assert complaints.counts["buffer full"] > 0
    assert cells.spare is not None
    in_file = Reader().of_region(file)
    on_heap = Reader().of_region(cells.spare)
    assert in_file
    assert on_heap
    count = sum(known.read().count for part in (in_file, on_heap) for known in part.values())
    assert count == buffer.recorded == 6000
    file.close()


def test_a_disk_that_has_room_again_is_used_again(tmp_path: Path) -> None:
    file = MappedFile(tmp_path)
    with most_bytes_of_a_file(PAGE_BYTES), pytest.raises(RegionFullError):
        file.allocate(OPERATION, 64, 0)
    place = file.allocate(OPERATION, 64, 0)
    assert file.words(place, 8).tolist() == [0] * 8
    file.close()


def written(folder: Path) -> tuple[Path, Totals]:
    file = MappedFile(folder)
    buffer = buffer_in(file)
    for number in range(60):
        buffer.record("wait_ms", 1.0 + number, {"n": f"a{number % 30}x"})
        buffer.record("orders", 1.0, {"n": f"a{number % 30}x"}, kind=COUNTER)
    file.close()
    return file.path, Reader().of_region(file)


@given(share=st.floats(0, 1))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_a_file_that_was_cut_gives_what_is_whole(share: float, tmp_path: Path) -> None:
    path, everything = written(tmp_path)
    used = 60 * 200 + PAGE_BYTES
    cut = path.with_suffix(".cut")
    cut.write_bytes(path.read_bytes()[: round(share * used)])
    file, reader = ReadFile(cut), Reader()
    if file.is_known:
        found = values(reader.of_dead_file(file))
        whole = values(everything)
        assert set(found) <= set(whole)
        for key, state in found.items():
            if key[0] == "orders":
                assert state == whole[key]
    else:
        assert share * used < PAGE_BYTES
    file.close()
    path.unlink()


@given(at=st.integers(0, 60 * 250), bit=st.integers(0, 7))
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_a_flipped_bit_anywhere_costs_at_most_what_it_hit(at: int, bit: int, tmp_path: Path) -> None:
    path, everything = written(tmp_path)
    text = bytearray(path.read_bytes())
    text[at] ^= 1 << bit
    path.write_bytes(text)
    file = ReadFile(path)
    if file.is_known:
        found, whole = values(Reader().of_dead_file(file)), values(everything)
        wrong = {key for key in whole if found.get(key) != whole[key]}
        assert len({key[0:2] for key in wrong}) <= 2  # one series, or one block that hides another
    else:
        assert at < PAGE_BYTES
    file.close()
    path.unlink()


def test_a_damaged_block_is_left_out_and_counted_and_what_follows_is_read(tmp_path: Path) -> None:
    path, everything = written(tmp_path)
    text = bytearray(path.read_bytes())
    text[PAGE_BYTES : PAGE_BYTES + 4] = b"\xff\xff\xff\xff"  # the first header: that of a series
    path.write_bytes(text)
    totals, damaged = read(path)
    assert damaged >= 1
    assert len(totals) == len(everything) - 1


def killed_at_each_line(within: tuple[str, ...], work: Callable[[], object]) -> Iterator[int]:
    """Do the work in a child again and again, and kill it at the first line, the second, and so on."""
    for line in range(1, 10_000):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if not pid:
            left = line

            def trace(frame: FrameType, event: str, _argument: object) -> object:
                nonlocal left
                if frame.f_code.co_filename.endswith(within):
                    if event == "line":
                        left -= 1
                        if not left:
                            os.kill(os.getpid(), signal.SIGKILL)
                    return trace
                return None

            try:
                sys.settrace(trace)  # type: ignore[arg-type]
                work()
            finally:
                os._exit(0)
        status = os.waitpid(pid, 0)[1]
        yield line
        if not os.WIFSIGNALED(status):
            return


def test_a_kill_at_any_line_of_a_move_changes_no_sum(tmp_path: Path) -> None:
    text = SeriesText(SeriesKey(OPERATION, "pay", ()), "ms", NOW_NS)

    def work() -> None:
        file = MappedFile(tmp_path)
        places = []
        for part in range(2):
            place = file.allocate(OCTAVE, OCTAVE_WORDS * 8, file.series(text), 3)
            file.words(place, OCTAVE_WORDS)[5] = 10 + part
            places.append(place)
        file.move(places[0], places[1], [0] * 5 + [21] + [0] * 26)
        file.free(places[0], OCTAVE_WORDS * 8)
        again = file.allocate(OCTAVE, OCTAVE_WORDS * 8, file.series(text), 4)
        file.words(again, OCTAVE_WORDS)[0] = 1

    seen = set()
    for _ in killed_at_each_line(("mapped_file.py", "region.py"), work):
        for path in files(tmp_path):
            totals, damaged = read(path)
            assert damaged == 0
            for known in totals.values():
                assert isinstance(known.read(), OperationTotal)
                seen.add(sum(known.read().buckets.values()))
            path.unlink()
    # Before both were written; then both, wherever they were; then one more.
    assert seen <= {0, 10, 21, 22}
    assert {21, 22} <= seen


def test_the_child_of_a_fork_does_not_keep_its_parents_file_locked(tmp_path: Path) -> None:
    code = """
        import os, sys, time
        from pathlib import Path
        from genesis_performance import config
        from genesis_performance.export.sinks.memory import MemorySink
        from genesis_performance.monitor.pipeline import Destination, Pipeline
        pipeline = Pipeline(
            Destination(project=None, prefix="p", service="s", environment="e", sink="memory"),
            sink=MemorySink(), is_shared=True,
        )
        pipeline.buffer.record("orders", 1.0, kind="counter")
        print(pipeline.cells.made.path, flush=True)
        pid = os.fork()
        if not pid:
            pipeline.buffer.record("orders", 5.0, kind="counter")
            print(pipeline.cells.made.path, flush=True)
            time.sleep(600)
        print(pid, flush=True)
        time.sleep(600)
    """
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    lines = [process.stdout.readline().strip() for _ in range(3)]
    child = int(next(line for line in lines if line.isdigit()))
    parents, childs = (Path(line) for line in lines if not line.isdigit())
    try:
        process.kill()
        process.wait()
        first, second = ReadFile(parents), ReadFile(childs)
        assert first.try_lock()
        assert not second.try_lock()
        first.close()
        second.close()
        assert list(values(read(parents)[0]).values()) == [1.0]
        assert list(values(read(childs)[0]).values()) == [5.0]
    finally:
        os.kill(child, signal.SIGKILL)
        process.stdout.close()


def test_the_layout_of_a_recorders_cell_is_the_one_that_is_read() -> None:
    from genesis_performance.export import reading
    from genesis_performance.operations import memory

    assert (reading.OPERATION_WORDS, reading.OCTAVE_WORDS) == (memory.COUNTER_WORDS, memory.OCTAVE_WORDS)
    assert (reading._SEQUENCE, reading._ERRORS, reading._SUM_NS) == (
        memory.SEQUENCE,
        memory.ERRORS,
        memory.SUM_NS,
    )
    assert OPERATION_WORDS == memory.COUNTER_WORDS
