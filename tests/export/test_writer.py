"""The folder that processes share: who sends, what becomes of the dead, and what survives damage."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genesis_performance.export import folded
from genesis_performance.export.blocks import COUNTER as COUNTER_CELL
from genesis_performance.export.blocks import GAUGE as GAUGE_CELL
from genesis_performance.export.blocks import SeriesKey
from genesis_performance.export.buffer import COUNTER, GAUGE, MetricBuffer
from genesis_performance.export.cells import Cells, OperationMemory
from genesis_performance.export.limits import Complaints, SeriesBudget
from genesis_performance.export.mapped_file import MappedFile
from genesis_performance.export.place import shared_folder
from genesis_performance.export.sharing import LOCK_NAME, MOST_DEAD, SharedFolder
from genesis_performance.export.sink import WriteResult
from genesis_performance.export.totals import Totals
from genesis_performance.export.writer import MAX_AHEAD_S, SECOND_NS, Writer
from genesis_performance.model.series import Distribution, Point, Series

from ..conftest import FakeClock
from .test_mapped_file import killed_at_each_line, most_bytes_of_a_file

SPACING_S = 5


class Process:
    """What one process has; ``end`` is what any death of it does to its files."""

    def __init__(self, folder: Path, clock: FakeClock, max_series: int = 1000) -> None:
        self.complaints = Complaints(logging.getLogger("test"))
        self.shared = SharedFolder(folder, self.complaints, new_task_id=f"task-{id(self)}")
        self.cells = Cells(self.shared.new_file, self.complaints)
        self.buffer = MetricBuffer(
            service="shop",
            environment="test",
            budget=SeriesBudget(max_series),
            complaints=self.complaints,
            unix_ns=clock.unix_ns,
            cells=self.cells,
        )
        self.clock = clock
        self.writer = Writer(self.shared, self.cells, complaints=self.complaints, max_series=max_series)

    def count(self, number: float, name: str = "orders", **labels: str) -> None:
        self.buffer.record(name, number, labels, kind=COUNTER)

    def export(self, *, acknowledged: bool = True) -> dict[str, object]:
        """Values by name and labels of our own; what was sent is answered so."""
        assert self.writer.take()
        self.writer.date(self.clock.unix_ns(), spacing_s=0, final=False)
        series = self.writer.collect(self.clock.unix_ns(), service="shop", environment="test")
        retry = () if acknowledged else tuple(series)
        self.writer.exported(WriteResult(sent=len(series) if acknowledged else 0, retry=retry))
        return {name_of(one): one.points[0].value for one in series}

    def end(self) -> None:
        self.shared.resign()
        made = self.cells.made
        if isinstance(made, MappedFile):
            made.close()


def name_of(series: Series) -> str:
    own = [text for key, text in series.labels if key not in {"service", "environment"}]
    return " ".join([series.metric.name, *own])


Make = Callable[..., Process]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "shared"


@pytest.fixture
def make(folder: Path, clock: FakeClock) -> Iterator[Make]:
    made: list[Process] = []

    def make(**arguments: int) -> Process:
        made.append(Process(folder, clock, **arguments))
        return made[-1]

    yield make
    for one in made:
        one.end()


def cell_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.cells"))


def test_the_folder_is_the_users_alone(make: Make, folder: Path) -> None:
    make().count(1)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_a_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "other")
    with pytest.raises(PermissionError, match="buffer_dir"):
        SharedFolder(tmp_path / "link", Complaints(logging.getLogger("test")), new_task_id="t")


def test_values_of_all_processes_are_one_series(make: Make) -> None:
    first, second = make(), make()
    first.count(2, shop="x")
    second.count(3, shop="x")
    second.count(4, shop="y")
    assert first.export() == {"orders x": 5, "orders y": 4}


def test_one_process_sends_and_another_takes_over_when_it_ends(make: Make) -> None:
    first, second = make(), make()
    assert first.writer.take()
    assert not second.writer.take()
    assert second.shared.health().writer_pid == os.getpid()
    first.end()
    assert second.writer.take()


def test_the_successor_continues_the_same_points(make: Make, clock: FakeClock) -> None:
    first, second = make(), make()
    for one in (first, second):
        one.count(2, shop="x")
    first.writer.take()
    task_id = first.shared.folded.task_id
    date = dated(first, clock)
    before = first.writer.collect(date, service="shop", environment="test")
    first.writer.exported(WriteResult(sent=1))
    first.count(1, shop="x")
    first.end()
    clock.advance(SPACING_S)
    assert second.writer.take()
    after = second.writer.collect(dated(second, clock), service="shop", environment="test")
    assert second.shared.folded.task_id == task_id
    assert (before[0].points[0].value, after[0].points[0].value) == (4, 5)
    assert before[0].points[0].start_unix_ns == after[0].points[0].start_unix_ns
    assert after[0].points[0].end_unix_ns >= before[0].points[0].end_unix_ns + SPACING_S * SECOND_NS


def test_a_dead_process_is_counted_until_it_is_folded_and_removed_after_the_acknowledgement(
    make: Make, folder: Path
) -> None:
    first, second = make(), make()
    first.count(2)
    second.count(3)
    first.end()
    assert second.export(acknowledged=False) == {"orders": 5}
    assert len(cell_files(folder)) == 2
    assert second.export() == {"orders": 5}
    assert len(cell_files(folder)) == 1
    assert second.export() == {"orders": 5}
    second.end()
    assert make().export() == {"orders": 5}
    assert make().shared.health().lost == {}


def test_files_of_the_dead_do_not_pile_up_while_the_sink_is_gone(make: Make, folder: Path) -> None:
    for _ in range(MOST_DEAD + 2):
        one = make()
        one.count(1)
        one.end()
    heir = make()
    assert heir.export(acknowledged=False) == {"orders": MOST_DEAD + 2}
    assert cell_files(folder) == []
    assert heir.export(acknowledged=False) == {"orders": MOST_DEAD + 2}


def test_of_two_processes_one_takes_up_what_a_dead_one_left(make: Make) -> None:
    dead, first, second = make(), make(), make()
    dead.count(7)
    dead.end()
    assert first.export() == {"orders": 7}
    assert not second.writer.take()
    first.end()
    assert second.export() == {"orders": 7}


def test_of_processes_that_race_for_what_dead_ones_left_one_has_it_and_it_counts_once(
    make: Make, folder: Path
) -> None:
    expected = 0.0
    for _ in range(20):
        for _ in range(3):
            dead = make()
            dead.count(1)
            dead.end()
            expected += 1
        racers = [make() for _ in range(4)]
        together = threading.Barrier(len(racers))

        def race(racer: Process, together: threading.Barrier = together) -> bool:
            together.wait()
            return racer.writer.take()

        with ThreadPoolExecutor(len(racers)) as threads:
            led = list(threads.map(race, racers))
        assert sum(led) == 1
        winner = racers[led.index(True)]
        assert winner.export() == {"orders": expected}
        assert cell_files(folder) == []
        winner.end()


def test_a_kill_at_any_line_of_folding_neither_loses_nor_doubles(folder: Path, clock: FakeClock) -> None:
    """The heir of a killed writer, whatever it had done by then."""

    def work() -> None:
        process = Process(folder, clock)
        process.writer.take()
        process.writer.collect(clock.unix_ns(), service="shop", environment="test")
        process.writer.exported(WriteResult(sent=1))

    expected = 0.0
    for line in killed_at_each_line(("sharing.py", "folded.py"), work):
        # Every fifth line is enough of a check, each process more makes each step longer.
        if line % 5 and line > 50:
            continue
        heir = Process(folder, clock)
        assert heir.export() == ({"orders": expected} if expected else {})
        heir.end()
        one = Process(folder, clock)
        one.count(1)
        one.end()
        expected += 1
    assert expected > 50


def test_damaged_sums_begin_anew_under_a_new_task_and_count_nothing_twice(make: Make, folder: Path) -> None:
    first = make()
    first.count(5)
    assert first.export() == {"orders": 5}
    task_id = first.shared.folded.task_id
    first.shared.resign()
    text = (folder / folded.NAME).read_bytes()
    (folder / folded.NAME).write_bytes(text[:-3] + b"xyz")
    second = make()
    assert second.export() == {"orders": 0}  # 5 were sent under the other task
    assert second.shared.folded.task_id != task_id
    first.count(2)
    assert second.export() == {"orders": 2}
    assert second.shared.health().lost == {"damaged totals": 1}
    first.end()
    assert second.export() == {"orders": 2}
    assert second.export() == {"orders": 2}


def test_a_file_whose_first_page_is_damaged_is_set_aside_and_counted(make: Make, folder: Path) -> None:
    dead, heir = make(), make()
    dead.count(1)
    dead.end()
    (path,) = cell_files(folder)
    path.write_bytes(b"\0" * 16 + path.read_bytes()[16:])
    heir.count(2)
    assert heir.export() == {"orders": 2}
    assert heir.shared.folded.lost == {"damaged files": 1}
    assert len(list(folder.glob("*.damaged"))) == 1


def test_what_is_whole_in_a_damaged_file_is_counted_and_the_file_kept_for_people(
    make: Make, folder: Path
) -> None:
    dead, heir = make(), make()
    dead.count(1, shop="x")
    dead.count(1, shop="y")
    dead.end()
    (path,) = cell_files(folder)
    text = bytearray(path.read_bytes())
    text[4096] ^= 0xFF
    path.write_bytes(text)
    assert heir.export() == {"orders y": 1}
    assert heir.export() == {"orders y": 1}
    assert heir.shared.health().lost["damaged blocks"] >= 1
    assert len(list(folder.glob("*.damaged"))) == 1
    assert heir.complaints.counts["damaged file"] >= 1


def test_a_file_of_another_version_is_left_alone(make: Make, folder: Path) -> None:
    dead, heir = make(), make()
    dead.count(1)
    dead.end()
    (path,) = cell_files(folder)
    text = bytearray(path.read_bytes())
    text[8] = 99
    path.write_bytes(text)
    assert heir.export() == {}
    assert heir.complaints.counts["foreign file"] >= 1
    assert path.read_bytes() == text


def test_a_file_that_somebody_removes_leaves_its_values(make: Make, folder: Path) -> None:
    first, second = make(), make()
    first.count(2)
    second.count(3)
    assert first.export() == {"orders": 5}
    removed_file(second)
    second.count(1)
    assert first.export() == {"orders": 6}
    second.end()
    assert first.export() == {"orders": 6}
    first.end()
    assert make().export() == {"orders": 6}


def removed_file(process: Process) -> MappedFile:
    assert isinstance(process.cells.made, MappedFile)
    assert not process.cells.made.is_removed
    process.cells.made.path.unlink()
    assert process.cells.made.is_removed
    return process.cells.made


@pytest.mark.parametrize("times", [1, 3])
def test_a_file_that_was_removed_is_replaced_by_one_that_has_all_of_it(make: Make, times: int) -> None:
    first, second = make(), make()
    second.count(3, shop="old")
    assert first.export() == {"orders old": 3}
    found = {"orders old": 3}
    for round_ in range(times):
        second.cells.made = made = second.shared.replace(removed_file(second))
        second.count(1, shop="old")  # its cell is in the first file
        found["orders old"] += 1
        for number in range(300):
            letters = "".join("klmnopqrst"[int(digit)] for digit in f"{number:03}")
            second.count(1, shop="abc"[round_] + letters)
        made.follow()
        found = {**dict.fromkeys(first.export(), 1), **found}
        assert len(found) == 1 + 300 * (round_ + 1)
        assert first.export() == found
    second.end()
    assert first.export() == found
    first.end()
    assert make().export() == found


def test_a_folder_that_was_removed_comes_back_as_it_was(make: Make, folder: Path) -> None:
    first, second, dead = make(), make(), make()
    for one in (first, second, dead):
        one.count(1)
    dead.end()
    assert first.export() == {"orders": 3}
    task_id = first.shared.folded.task_id
    shutil.rmtree(folder)
    for one in (first, second):
        assert isinstance(one.cells.made, MappedFile)
        one.cells.made = one.shared.replace(one.cells.made)
        one.count(1)
        one.cells.made.follow()
    assert first.export() == {"orders": 5}
    assert first.shared.folded.task_id == task_id
    assert not second.writer.take()
    first.end()
    assert second.export() == {"orders": 5}
    assert second.shared.folded.task_id == task_id


def test_files_that_were_never_named_are_removed(make: Make, folder: Path) -> None:
    process = make()
    (folder / "1-abc.unnamed").write_bytes(b"")
    process.export()
    assert not list(folder.glob("*.unnamed"))


def test_a_writer_whose_lock_was_removed_gives_way(make: Make, folder: Path) -> None:
    first, second = make(), make()
    assert first.writer.take()
    (folder / LOCK_NAME).unlink()
    assert second.writer.take()
    assert not first.writer.take()


def test_a_writer_whose_lock_was_removed_and_that_gets_it_again_keeps_its_distance(
    make: Make, clock: FakeClock, folder: Path
) -> None:
    first, second = make(), make()
    first.count(1)
    assert first.export() == {"orders": 1}
    (folder / LOCK_NAME).unlink()
    second.writer.take()
    newest = dated(second, clock)
    second.end()
    assert first.writer.take()
    _, wait_s = first.writer.date(clock.unix_ns(), spacing_s=SPACING_S, final=False)
    assert clock.unix_ns() + wait_s * SECOND_NS == pytest.approx(newest + SPACING_S * SECOND_NS)
    assert first.export() == {"orders": 1}


def test_of_a_gauge_the_value_set_last_wins_whoever_set_it(make: Make, clock: FakeClock) -> None:
    first, second = make(), make()
    second.buffer.record("depth", 9, kind=GAUGE)
    clock.advance(1)
    first.buffer.record("depth", 4, kind=GAUGE)
    assert first.export() == {"depth": 4}
    clock.advance(1)
    second.buffer.record("depth", 8, kind=GAUGE)
    assert first.export() == {"depth": 8}


def test_the_gauge_of_a_dead_process_is_sent_once_more_and_then_no_more(make: Make) -> None:
    first, second = make(), make()
    second.buffer.record("depth", 9, kind=GAUGE)
    second.end()
    assert first.export() == {"depth": 9}
    assert first.export() == {}


def test_series_beyond_the_limit_of_all_processes_keep_the_totals(make: Make) -> None:
    processes = [make(max_series=5) for _ in range(4)]
    for number, process in enumerate(processes):
        for letter in "abcd":
            process.count(1, shop=f"{letter}{'xyzu'[number]}")
    found = processes[0].export()
    assert len(found) == 6
    assert sum(found.values()) == 16  # type: ignore[arg-type]
    assert processes[0].export() == found


def test_a_name_is_of_one_kind_in_all_processes(make: Make) -> None:
    first, second = make(), make()
    first.count(1)
    assert first.export() == {"orders": 1}
    second.buffer.record("orders", 5.0)
    assert first.export() == {"orders": 1}
    assert first.complaints.counts["kind conflict"] == 1


def dated(process: Process, clock: FakeClock, *, final: bool = False) -> int:
    """The date of an export now; none of them has to wait."""
    found, wait_s = process.writer.date(clock.unix_ns(), spacing_s=SPACING_S, final=final)
    assert wait_s == 0
    return found


@given(steps=st.lists(st.tuples(st.floats(0, 280), st.booleans()), max_size=20))
def test_no_point_is_dated_before_an_older_one_whatever_the_clock_does(
    steps: list[tuple[float, bool]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    clock = FakeClock()
    process = Process(tmp_path_factory.mktemp("folder"), clock)
    process.writer.take()
    found = []
    was_s = 0.0
    for now_s, final in steps:
        clock.advance(now_s - was_s)
        was_s = now_s
        date, wait_s = process.writer.date(clock.unix_ns(), spacing_s=SPACING_S, final=final)
        if not wait_s:
            found.append(date)
    process.end()
    assert found == sorted(set(found))


def test_a_successor_waits_until_its_first_points_are_far_enough_from_the_last_ones(
    make: Make, clock: FakeClock
) -> None:
    first, second = make(), make()
    first.writer.take()
    newest = dated(first, clock)
    first.end()  # before it heard what became of them
    clock.advance(1)
    second.writer.take()
    _, wait_s = second.writer.date(clock.unix_ns(), spacing_s=SPACING_S, final=False)
    assert wait_s == pytest.approx(SPACING_S - 1)
    clock.advance(wait_s)
    assert dated(second, clock) >= newest + SPACING_S * SECOND_NS - 1000


def test_a_successor_that_has_no_time_to_wait_dates_its_points_ahead(make: Make, clock: FakeClock) -> None:
    first, second = make(), make()
    first.writer.take()
    newest = dated(first, clock)
    first.end()
    second.writer.take()
    assert dated(second, clock, final=True) == newest + SPACING_S * SECOND_NS


def test_processes_that_end_one_after_the_other_date_no_point_further_and_further_ahead(
    make: Make, clock: FakeClock
) -> None:
    waits_s = []
    for _ in range(20):
        process = make()
        process.writer.take()
        date, wait_s = process.writer.date(clock.unix_ns(), spacing_s=SPACING_S, final=True)
        assert date <= clock.unix_ns() + round(MAX_AHEAD_S * SECOND_NS)
        waits_s.append(wait_s)
        process.end()
    assert waits_s[:3] == [0, 0, 0]
    assert waits_s[3:] == [pytest.approx(SPACING_S)] * 17


def test_where_points_may_follow_at_once_nobody_waits(make: Make, clock: FakeClock) -> None:
    for _ in range(2):
        process = make()
        process.writer.take()
        assert process.writer.date(clock.unix_ns(), spacing_s=0.0, final=False)[1] == 0
        process.end()


def collected(process: Process, date: int) -> list[Point]:
    series = process.writer.collect(date, service="shop", environment="test")
    process.writer.exported(WriteResult(sent=len(series)))
    return [one.points[0] for one in series]


@pytest.mark.parametrize("is_heir", [False, True])
def test_what_a_wrong_clock_left_keeps_nobody_waiting_and_no_point_from_being_taken(
    make: Make, clock: FakeClock, is_heir: bool
) -> None:
    first, second = make(), make()
    first.writer.take()
    clock.advance(3600)
    first.count(1)
    collected(first, dated(first, clock))
    clock.advance(-3600)
    if is_heir:
        first.end()
    sender = second if is_heir else first
    sender.writer.take()
    date = dated(sender, clock)
    assert date == clock.unix_ns()
    (point,) = collected(sender, date)
    assert point.start_unix_ns is not None
    assert point.start_unix_ns < point.end_unix_ns


def test_a_series_that_begins_while_the_others_are_read_begins_before_its_point(
    make: Make, clock: FakeClock
) -> None:
    process = make()
    process.writer.take()
    date = dated(process, clock)
    clock.advance(1)
    process.count(1)
    (point,) = collected(process, date)
    assert point.start_unix_ns is not None
    assert point.start_unix_ns < point.end_unix_ns


def test_who_waits_is_answered_by_the_acknowledgement_of_a_later_export(make: Make) -> None:
    first, second = make(), make()
    first.writer.take()
    second.count(1)
    mark = second.writer.request()
    assert not second.writer.is_sent(mark, final=False)
    assert first.writer.is_wanted()
    first.export(acknowledged=False)
    assert not second.writer.is_sent(mark, final=False)
    first.export()
    assert second.writer.is_sent(mark, final=False)
    assert not first.writer.is_wanted()


def test_who_ends_leaves_its_values_to_a_writer_unless_that_ends_too(make: Make) -> None:
    first, second = make(), make()
    first.writer.take()
    second.count(1)
    mark = second.writer.request()
    assert second.writer.is_sent(mark, final=True)
    first.writer.end()
    assert not second.writer.is_sent(mark, final=True)
    first.end()
    assert second.export() == {"orders": 1}


def test_a_process_without_values_waits_for_nobody(make: Make) -> None:
    process = make()
    assert process.writer.is_sent(process.writer.request(), final=False)


def test_reading_without_leading_sees_the_same(make: Make) -> None:
    first, second, dead = make(), make(), make()
    dead.count(1)
    dead.end()
    first.count(2)
    first.export()
    second.count(4)
    found: Totals = second.shared.merged()
    assert not second.shared.leads
    assert {key.name: known.read() for key, known in found.items()} == {"orders": 7}


def test_a_view_begins_with_the_process_and_has_all_of_its_own(make: Make, clock: FakeClock) -> None:
    first = make()
    first.buffer.record("wait_ms", 5.0)
    second = make()
    second.buffer.record("wait_ms", 7.0)
    for value in (1.0, 2.0):
        first.buffer.record("wait_ms", value)
        (series,) = second.writer.observed(clock.unix_ns(), service="shop", environment="test")
        found = series.points[0].value
        assert isinstance(found, Distribution)
        if value == 1.0:  # the first look is where it begins
            assert (found.count, found.sum) == (1, pytest.approx(7))
    assert found.count == 2
    assert found.sum == pytest.approx(9)


def test_what_ended_threads_of_a_recorder_left_is_added_up_and_its_room_used_again(make: Make) -> None:
    process = make()
    memory = OperationMemory(process.cells, budget=SeriesBudget(100), complaints=process.complaints)
    sizes = []
    for round_ in range(500):
        words = memory.counters("pay", ())
        octave = memory.octave(words, 7)
        octave.cast("q")[3] = 2
        words.cast("q")[3] = 10
        del words, octave
        memory.tidy()
        if round_ % 100 == 0:
            assert isinstance(process.cells.made, MappedFile)
            sizes.append(process.cells.made._newest.used)  # type: ignore[union-attr]
    assert len(set(sizes[1:])) == 1
    found = process.export()
    durations = found["operation/duration pay"]
    assert isinstance(durations, Distribution)
    assert (durations.count, durations.sum) == (1000, pytest.approx(5000 / 1e6))


def test_the_sums_of_a_folder_are_what_was_kept(make: Make, folder: Path) -> None:
    process = make()
    process.count(1, shop="x")
    process.buffer.record("depth", 3, kind=GAUGE)
    process.buffer.record("wait_ms", 4.0)
    process.export()
    kept = folded.load(folder)
    assert kept is not None
    assert {(key.kind, key.name) for key in kept.starts} >= {(COUNTER_CELL, "orders"), (GAUGE_CELL, "depth")}
    assert SeriesKey(GAUGE_CELL, "depth", (("environment", "test"), ("service", "shop"))) in kept.starts


def test_series_that_are_held_back_in_turns_are_acknowledged_once_each_has_arrived(
    make: Make, clock: FakeClock, folder: Path
) -> None:
    process, dead = make(), make()
    process.count(1, name="a")
    dead.count(1, name="b")
    dead.end()
    process.writer.take()
    series = process.writer.collect(clock.unix_ns(), service="shop", environment="test")
    one, other = series
    process.writer.exported(WriteResult(sent=1, held=(one,)))
    assert (process.shared.sent_ns(), len(cell_files(folder))) == (0, 2)
    process.writer.collect(clock.unix_ns(), service="shop", environment="test")
    process.writer.exported(WriteResult(sent=1, held=(other,)))
    assert process.shared.sent_ns() > 0
    assert len(cell_files(folder)) == 1


def test_sums_that_somebody_removed_are_as_damaged_ones(make: Make, folder: Path) -> None:
    first = make()
    first.count(5)
    assert first.export() == {"orders": 5}
    first.shared.resign()
    (folder / folded.NAME).unlink()
    first.count(2)
    second = make()
    assert second.export() == {"orders": 0}
    first.count(3)
    assert second.export() == {"orders": 3}


def test_files_are_touched_so_that_they_are_not_cleared_away(make: Make, folder: Path) -> None:
    process = make()
    process.count(1)
    process.export()
    for path in folder.iterdir():
        os.utime(path, (0, 0))
    process.writer.freshen()
    fresh = {path.suffix or path.name for path in folder.iterdir() if path.stat().st_mtime > 0}
    assert fresh == {".cells", folded.NAME}


def test_the_default_folder_is_the_users_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    found = shared_folder(None, service="a/b", destination=("p", None))
    assert found.parent.parent == tmp_path
    assert found.parent.stat().st_mode & 0o777 == 0o700
    assert found.name.startswith("a_b-")
    assert shared_folder(None, service="a/b", destination=("q", None)) != found
    found.parent.rmdir()
    found.parent.symlink_to(tmp_path)
    with pytest.raises(PermissionError):
        shared_folder(None, service="a/b", destination=("p", None))


def test_a_disk_that_is_full_for_the_sums_stops_no_export(make: Make, folder: Path) -> None:
    process, dead = make(), make()
    dead.count(1)
    dead.end()
    process.writer.take()
    with most_bytes_of_a_file(64):  # enough for the lock's file
        assert process.export() == {"orders": 1}
    assert process.complaints.counts["folder"] > 0
    assert len(cell_files(folder)) == 1
    assert process.export() == {"orders": 1}
    assert cell_files(folder) == []
    process.end()
    assert make().export() == {"orders": 1}
