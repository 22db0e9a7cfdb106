"""Reading a region again and again: what was found before is what reading it anew finds."""

from __future__ import annotations

import gc
import json
import logging
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from genesis_performance.export.blocks import (
    BUCKETS,
    COUNTER,
    DISTRIBUTION,
    FREE,
    GAUGE,
    OCTAVE,
    OPERATION,
    PER_BLOCK,
    SERIES,
    SHIFT,
    SUM,
    TOTAL,
    SeriesKey,
    SeriesText,
    about_text,
    rounded,
)
from genesis_performance.export.cells import Cells, OperationMemory
from genesis_performance.export.limits import Complaints, SeriesBudget
from genesis_performance.export.mapped_file import MappedFile, ReadFile
from genesis_performance.export.reading import Reader
from genesis_performance.export.recorded import Cell, CounterCell, DistributionCell, GaugeCell
from genesis_performance.export.region import Region
from genesis_performance.export.sharing import SharedFolder
from genesis_performance.export.totals import Totals
from genesis_performance.export.writer import Writer

NOW_NS = 2_000_000_000_000_000_000
CELLS: dict[int, type[Cell]] = {COUNTER: CounterCell, GAUGE: GaugeCell, DISTRIBUTION: DistributionCell}


def text_of(kind: int, name: str) -> SeriesText:
    return SeriesText(SeriesKey(kind, name, (("n", "x"),)), "1", NOW_NS)


def seen(totals: Totals) -> dict[tuple[int, str], Any]:
    """Values in a form that can be compared."""
    found: dict[tuple[int, str], Any] = {}
    for key, known in totals.items():
        value = known.read()
        if key.kind == OPERATION:
            value = value.buckets, value.errors, value.sum_ns
        elif key.kind == DISTRIBUTION:
            counts = {index: count for index, count in enumerate(value.counts) if count}
            value = counts, (value.count, value.sum, value.sum_of_squared_deviation)
        found[key.kind, key.name] = value
    return found


def agree(first: Totals, second: Totals) -> bool:
    """Whether they are the same, but for the order in which numbers were added."""
    ours, theirs = seen(first), seen(second)
    assert ours.keys() == theirs.keys()
    for key, (found, wanted) in {key: (ours[key], theirs[key]) for key in ours}.items():
        if key[0] == DISTRIBUTION:
            assert found[0] == wanted[0]
            assert found[1] == pytest.approx(wanted[1], rel=1e-9, abs=1e-6)
        else:
            assert found == (pytest.approx(wanted) if key[0] == COUNTER else wanted)
    return True


class Recording:
    """What threads do to a region; all of them are played by this one."""

    def __init__(self, region: Region) -> None:
        complaints = Complaints(logging.getLogger("test"))
        self.region = region
        self.cells = Cells(lambda: region, complaints)
        self.memory = OperationMemory(self.cells, budget=SeriesBudget(1000), complaints=complaints)
        self.kept: dict[tuple[int, str, int], Cell] = {}
        self.running: dict[tuple[str, int], tuple[memoryview, dict[int, memoryview]]] = {}
        self._now_ns = NOW_NS

    def record(self, kind: int, name: str, thread: int, value: float) -> None:
        cell = self.kept.get((kind, name, thread))
        if cell is None:
            made = CELLS[kind](self.cells, text_of(kind, name), self._tick, value)
            cell = self.kept[kind, name, thread] = made
        cell.record(value)

    def operate(self, name: str, thread: int, bucket: int, took_ns: int) -> None:
        if (name, thread) not in self.running:
            self.running[name, thread] = self.memory.counters(name, ()), {}
        words, octaves = self.running[name, thread]
        if bucket >> 5 not in octaves:
            octaves[bucket >> 5] = self.memory.octave(words, bucket >> 5)
        octaves[bucket >> 5].cast("q")[bucket & 31] += 1
        words.cast("q")[3] += took_ns

    def end(self, thread: int) -> None:
        """Its cells are added up and their blocks used again."""
        for key in [key for key in self.running if key[1] == thread]:
            words, octaves = self.running.pop(key)
            octaves.clear()
            del words
        self.memory.tidy()

    def _tick(self) -> int:
        self._now_ns += 1_000_000_000
        return self._now_ns


names, threads = st.sampled_from("abc"), st.integers(0, 2)
steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("record"),
            st.sampled_from(sorted(CELLS)),
            names,
            threads,
            st.sampled_from([0.0, 0.001, 1.0, 3.0, 4.0, 250.0, 2e6, 1e8, 3e8]),
        ),
        st.tuples(st.just("operate"), names, threads, st.integers(0, 200), st.integers(1, 10**9)),
        st.tuples(st.just("end"), threads),
        st.tuples(st.just("read")),
    ),
    max_size=60,
)


@given(steps)
@settings(deadline=None)
def test_what_was_found_before_is_what_reading_anew_finds(done: list[tuple[Any, ...]]) -> None:
    recording, reader = Recording(Region()), Reader()
    for what, *arguments in [*done, ("read",)]:
        if what != "read":
            getattr(recording, what)(*arguments)
            continue
        anew = Reader()
        assert agree(reader.of_region(recording.region), anew.of_region(recording.region))
        assert reader.damaged == anew.damaged == 0


@given(done=steps)
@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_read_while_it_was_written_ends_as_one_read_at_its_end(
    done: list[tuple[Any, ...]], tmp_path: Path
) -> None:
    file = MappedFile(tmp_path)
    recording, reader, before = Recording(file), Reader(), ReadFile(file.path)
    for what, *arguments in done:
        if what == "read":
            reader.read_live(before)
        else:
            getattr(recording, what)(*arguments)
    file.close()
    after = ReadFile(file.path)
    assert agree(reader.of_dead_file(before), Reader().of_dead_file(after))
    before.close()
    after.close()
    file.path.unlink()


def test_a_value_is_that_of_the_moment_it_is_asked_for() -> None:
    recording = Recording(Region())
    recording.record(COUNTER, "a", 0, 2.0)
    (known,) = Reader().of_region(recording.region).values()
    recording.record(COUNTER, "a", 0, 3.0)
    assert known.read() == 5.0


def test_the_same_dictionary_comes_back_until_there_is_a_new_series_or_a_new_part_of_one() -> None:
    recording, reader = Recording(Region()), Reader()
    recording.record(COUNTER, "a", 0, 1.0)
    first = reader.of_region(recording.region)
    recording.record(COUNTER, "a", 0, 1.0)
    assert reader.of_region(recording.region) is first
    recording.record(COUNTER, "a", 1, 1.0)
    second = reader.of_region(recording.region)
    assert second is not first
    recording.record(COUNTER, "b", 0, 1.0)
    assert reader.of_region(recording.region) is not second


def test_a_thread_that_ends_makes_no_new_series() -> None:
    recording, reader = Recording(Region()), Reader()
    recording.operate("pay", 0, 40, 5)
    recording.operate("pay", 1, 40, 5)
    before = reader.of_region(recording.region)
    recording.end(1)
    recording.operate("pay", 2, 40, 5)
    recording.end(2)
    recording.end(0)
    assert reader.of_region(recording.region) is before
    assert seen(before)[OPERATION, "pay"] == ({40: 3}, 0, 15)


def test_a_block_that_comes_before_what_it_belongs_to_is_counted_once_that_is_there() -> None:
    region, reader = Region(), Reader()
    # The reader looks between the blocks: a place that is not written yet, then one that is.
    text = text_of(COUNTER, "late")
    other = Region()
    place = other.series(text)
    at = other.allocate(COUNTER, 16, place)
    region._grow()
    memory, whole = region.chunks()[0], other.chunks()[0]
    memory[at - 16 : at + 16] = whole[at - 16 : at + 16]
    # Its series is missing: the first words are zero, so nothing is read at all.
    assert reader.of_region(region) == {}
    memory[: at - 16] = whole[: at - 16]
    assert seen(reader.of_region(region)) == {(COUNTER, "late"): 0.0}
    assert reader.damaged == 0


@pytest.mark.parametrize("kind", [COUNTER, GAUGE, DISTRIBUTION])
def test_a_value_that_is_damaged_while_it_is_watched_stays_what_it_was(kind: int) -> None:
    recording, reader = Recording(Region()), Reader()
    recording.record(kind, "a", 0, 2.0)
    before = seen(reader.of_region(recording.region))
    (cell,) = recording.kept.values()
    recording.region.floats(cell.place, 2)[SUM if kind == DISTRIBUTION else TOTAL] = math.nan
    assert seen(reader.of_region(recording.region)) == before


@pytest.mark.parametrize("kind", [COUNTER, GAUGE, DISTRIBUTION])
def test_a_damaged_value_of_a_dead_file_is_left_out_and_counted(kind: int, tmp_path: Path) -> None:
    file = MappedFile(tmp_path)
    recording = Recording(file)
    recording.record(kind, "a", 0, 2.0)
    recording.record(COUNTER, "b", 0, 2.0)
    file.floats(recording.kept[kind, "a", 0].place, 2)[:] = memoryview(bytes([255] * 16)).cast("d")
    file.close()
    reader, read = Reader(), ReadFile(file.path)
    assert seen(reader.of_dead_file(read)) == {(COUNTER, "b"): 2.0}
    assert reader.damaged == 1
    read.close()


def test_a_block_of_buckets_that_is_damaged_is_left_out_and_counted(tmp_path: Path) -> None:
    file = MappedFile(tmp_path)
    recording = Recording(file)
    for value in (1.0, 1000.0):
        recording.record(DISTRIBUTION, "a", 0, value)
    cell = recording.kept[DISTRIBUTION, "a", 0]
    assert isinstance(cell, DistributionCell)
    first, _ = (block for block in cell._blocks if block is not None)
    first[3] = -5
    file.close()
    reader, read = Reader(), ReadFile(file.path)
    ((counts, _),) = seen(reader.of_dead_file(read)).values()
    assert sum(counts.values()) == 1
    assert reader.damaged == 1
    read.close()


words = st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(0, 600), st.just(0))
blocks = st.tuples(
    st.sampled_from([FREE, SERIES, COUNTER, GAUGE, DISTRIBUTION, BUCKETS, OPERATION, OCTAVE, 9, 200]),
    st.integers(0, 255),  # number
    st.integers(0, 40),  # words of its payload
    words,  # what it belongs to
    st.lists(words, max_size=40),
)
texts = st.recursive(
    st.one_of(st.none(), st.integers(-(2**70), 2**70), st.text(max_size=4), st.floats(allow_nan=False)),
    lambda inner: st.lists(inner, max_size=5),
    max_leaves=12,
)
near_texts = st.tuples(
    st.one_of(st.sampled_from([COUNTER, GAUGE, DISTRIBUTION, OPERATION, 77]), texts),
    st.one_of(st.just("a"), texts),
    st.one_of(
        st.just([["n", "x"]]),
        st.lists(st.lists(st.one_of(st.just("n"), texts), min_size=2, max_size=2)),
        texts,
    ),
    st.one_of(st.just("1"), texts),
    st.one_of(st.just(NOW_NS), texts),
).map(list)


@given(st.lists(st.one_of(blocks, near_texts, texts), max_size=12))
@example([[COUNTER, "a", [["n", None]], "1", NOW_NS], (COUNTER, 0, 2, 0, [])])
@example([[COUNTER, None, [], "1", NOW_NS], (COUNTER, 0, 2, 0, [])])
@example([[COUNTER, "a", [], "1", 1.5], (COUNTER, 0, 2, 0, [])])
@example([[COUNTER, "a", [], [], NOW_NS], (COUNTER, 0, 2, 0, [])])
@example([[True, "a", [], "1", NOW_NS], (COUNTER, 0, 2, 0, [])])
@example([[COUNTER, "a", [], "1", -5], (COUNTER, 0, 2, 0, [])])
@settings(deadline=None)
def test_whatever_a_file_says_reading_it_ends_and_what_is_read_can_be_sent(made: list[Any]) -> None:
    from genesis_performance.export.otlp_encoding import Encoder
    from genesis_performance.export.rendering import rendered

    region = Region()
    places: list[int] = []
    for one in made:
        if isinstance(one, tuple):
            kind, number, size, about, payload = one
            about = places[about % len(places)] if places and 0 <= about <= 600 else about
            place = region.allocate(kind, size * 8, about, number)
            memory = region.words(place, size)
            for index, word in enumerate(payload[:size]):
                memory[index] = word
        else:
            written = json.dumps(one).encode()
            place = region._place(SERIES, 0, rounded(len(written)), about_text(written), written)
        places.append(place)
    totals = Reader().of_region(region)
    encoder = Encoder("p", {})
    for one in rendered(totals, NOW_NS + 1, service="s", environment="e"):
        encoder.request([(one, encoder.encoding(one), one.points[0])])


def test_a_text_nested_deeper_than_can_be_read_is_left_out() -> None:
    region, reader = Region(), Reader()
    written = b"[" * 100_000
    region._place(SERIES, 0, rounded(len(written)), about_text(written), written)
    assert reader.of_region(region) == {}
    assert reader.damaged == 1


def test_a_number_of_buckets_that_there_is_not_is_left_out() -> None:
    region = Region()
    text = text_of(DISTRIBUTION, "a")
    cell = region.allocate(DISTRIBUTION, 32, region.series(text))
    region.floats(cell, 4)[SHIFT] = 1.0
    for number in (12, 13, 255):
        region.words(region.allocate(BUCKETS, PER_BLOCK * 8, cell, number), PER_BLOCK)[:] = memoryview(
            bytes([1, *[0] * 7] * PER_BLOCK)
        ).cast("q")
    ((counts, _),) = seen(Reader().of_region(region)).values()
    assert counts == {192: 1, 193: 1}


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="this system does not list a process's maps")
def test_who_sends_no_more_holds_no_file_of_the_others(tmp_path: Path) -> None:
    complaints = Complaints(logging.getLogger("test"))
    shared = SharedFolder(tmp_path / "shared", complaints, new_task_id="t")
    cells = Cells(shared.new_file, complaints)
    other = Recording(shared.new_file())
    other.record(COUNTER, "a", 0, 1.0)
    other.record(COUNTER, "a", 1, 1.0)
    writer = Writer(shared, cells, complaints=complaints, max_series=10)
    assert writer.take()
    (sent,) = writer.collect(NOW_NS + 1, service="s", environment="e")
    assert sent.points[0].value == 2.0
    del sent  # a series holds on to what it is made of
    path = str(other.region.path)  # type: ignore[attr-defined]
    before = Path("/proc/self/maps").read_text().count(path)
    writer.resign()
    gc.collect()
    assert Path("/proc/self/maps").read_text().count(path) == before - 1
    other.region.close()  # type: ignore[attr-defined]
