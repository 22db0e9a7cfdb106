"""Stacks in every format: read back as written, checked by a second reader, safe whatever names hold."""

import gzip
import json
import random
import time
from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genesis_performance.frames import by_function, columns_only, without_threads
from genesis_performance.frames.importers import read_stacks
from genesis_performance.frames.paths import short_paths
from genesis_performance.model.stacks import ALLOCATED, SAMPLES, Frame, StackProfile, StackRecord, ValueType
from genesis_performance.render.collapsed import collapsed
from genesis_performance.render.pprof import pprof
from genesis_performance.render.profile_json import profile_json
from genesis_performance.render.speedscope import MOST_PROFILES, OTHERS, SCHEMA, speedscope
from genesis_performance.render.stack_formats import FORMATS

HOSTILE = (
    "<script>alert(1)</script>",
    "a\0b",
    "x" * 10_000,
    "🐍 naïve",
    "lone \ud800 surrogate",
    "a;b 12",
    "two\nlines\r\n",
    "\\x3b;",
    "# mode: wall",
    "P1;T2",
    "tid:3",
    "",
    " ",
    "%s {0} \u202e",
    "</textarea>'\"&",
)

text = st.one_of(
    st.sampled_from([name for name in HOSTILE if "\ud800" not in name and len(name) < 100]),
    st.text(max_size=8),
)
frames = st.builds(Frame, text, text, st.integers(0, 2**31 - 1), st.integers(0, 2**31 - 1))


@st.composite
def profiles(draw: st.DrawFn, names: st.SearchStrategy[Frame] = frames) -> StackProfile:
    table = tuple(draw(st.lists(names, min_size=1, max_size=6, unique=True)))
    keys = st.tuples(st.lists(st.integers(0, len(table) - 1), min_size=1, max_size=9).map(tuple), text, text)
    row = st.tuples(*[st.integers(0, 2**62)] * 3)
    drawn = draw(st.dictionaries(keys, row, max_size=8))
    used = sorted({index for key in drawn for index in key[0]})
    return StackProfile(
        frames=tuple(table[index] for index in used),
        records=tuple(
            StackRecord(tuple(used.index(i) for i in key[0]), values, *key[1:])
            for key, values in drawn.items()
        ),
        start_unix_ns=draw(st.integers(0, 2**62)),
        duration_s=draw(st.integers(0, 10**12)) / 1e9,
        period_ns=draw(st.integers(0, 10**10)),
        lost=draw(st.dictionaries(text, st.integers(1, 10**9), max_size=2)),
    )


def weights(profile: StackProfile, column: int = 0) -> dict[tuple[Any, ...], int]:
    """Frames without their first lines, and the thread, to the weight."""
    sums: dict[tuple[Any, ...], int] = defaultdict(int)
    for record in profile.records:
        path = tuple(profile.frames[index][:3] for index in record.stack)
        sums[path, record.thread] += record.values[column]
    return {key: value for key, value in sums.items() if value}


def hostile_profile() -> StackProfile:
    table = tuple(Frame(name, name, 3, 1) for name in HOSTILE)
    records = [StackRecord((index, 0), (1, 5_000, 9_000), name, name) for index, name in enumerate(HOSTILE)]
    return StackProfile(frames=table, records=tuple(records), lost={"\0\ud800": 1}, duration_s=1.0)


def many_stacks() -> StackProfile:
    table = tuple(
        Frame(f"Class{i % 97}.method_{i}", f"/srv/{i % 31}/m{i % 211}.py", i, i) for i in range(5000)
    )
    chance = random.Random(1)
    stacks = {tuple(200 * level + chance.randrange(200) for level in range(25)): n for n in range(10_000)}
    return StackProfile(
        frames=table,
        records=tuple(StackRecord(stack, (1, 10**6 + n, 10**7), f"t{n % 5}") for stack, n in stacks.items()),
    )


@given(profiles())
def test_pprof_is_read_back_as_it_was_written(profile: StackProfile) -> None:
    assert read_stacks(pprof(profile)) == profile


@given(profiles())
def test_json_is_read_back_as_it_was_written(profile: StackProfile) -> None:
    assert read_stacks(profile_json(profile).encode()) == profile


@pytest.mark.parametrize(("clock", "column"), [("cpu", 1), ("wall", 2)])
@given(profile=profiles())
@settings(max_examples=50)
def test_speedscope_is_read_back_with_its_threads_and_clock(
    clock: str, column: int, profile: StackProfile
) -> None:
    found = read_stacks(speedscope(profile, clock).encode())
    if found.records:
        assert [kind.name for kind in found.value_types] == [clock]
    assert weights(found) == {key: value for key, value in weights(profile, column).items() if value < 2**63}


plain_frames = st.builds(
    Frame,
    st.sampled_from(["main", "Work.step", "<lambda>", "a;b", "with space", "täst"]),
    st.sampled_from(["a.py", "b/a.py", "c.py", "d;.py"]),
    st.integers(1, 999),
)


@given(profiles(plain_frames))
def test_collapsed_is_read_back_with_frames_and_whole_microseconds(profile: StackProfile) -> None:
    bounded = by_lines_only(profile)
    written = collapsed(bounded)
    short = short_paths({frame.file for frame in bounded.frames})
    expected = {
        (tuple((name, short[file], line) for name, file, line in path), thread): (value + 500) // 1_000
        for (path, thread), value in weights(bounded, 1).items()
    }
    found = weights(read_stacks(written.encode())) if written else {}
    assert found == {key: value for key, value in expected.items() if value}


def by_lines_only(profile: StackProfile) -> StackProfile:
    """Threads added up, values small enough to be a collapsed weight."""
    small = [
        r._replace(values=tuple(v % 10**12 for v in r.values), operation="")
        for r in without_threads(profile).records
    ]
    return without_threads(StackProfile(frames=profile.frames, records=tuple(small)))


@given(profiles())
def test_collapsed_text_stays_the_same_when_it_is_read_and_written_again(profile: StackProfile) -> None:
    bounded = by_lines_only(profile)
    written = collapsed(bounded)
    if written:
        assert collapsed(read_stacks(written.encode())) == written


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_no_name_breaks_a_format(name: str) -> None:
    made = FORMATS[name].render(hostile_profile())
    assert isinstance(made, bytes) == FORMATS[name].binary
    data = made if isinstance(made, bytes) else made.encode("utf-8")
    if name != "html":
        assert len(read_stacks(data).records) >= len(HOSTILE) - 1


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_every_format_writes_an_empty_profile(name: str) -> None:
    assert isinstance(FORMATS[name].render(StackProfile()), str | bytes)


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_every_format_writes_a_recursion_of_10_000_levels(name: str) -> None:
    deep = StackProfile(
        frames=(Frame("f", "f.py", 2, 1),), records=(StackRecord((0,) * 10_000, (1, 5_000, 5_000)),)
    )
    assert FORMATS[name].render(deep)


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_extensions_begin_with_a_point_and_differ(name: str) -> None:
    assert FORMATS[name].extension.startswith(".")
    assert [each.extension for each in FORMATS.values()].count(FORMATS[name].extension) == 1


def test_10_000_stacks_of_25_frames_take_less_than_half_a_second_to_pprof() -> None:
    profile = many_stacks()
    assert len(profile.records) == 10_000

    def seconds() -> float:
        before = time.thread_time()
        pprof(profile)
        return time.thread_time() - before

    assert min(seconds() for _ in range(3)) < 0.5


def test_a_collapsed_line_is_root_to_leaf_with_whole_microseconds() -> None:
    profile = StackProfile(
        frames=(Frame("main", "/srv/app/run.py", 9, 1), Frame("Work.step", "/srv/app/work.py", 21, 20)),
        records=(
            StackRecord((0, 1), (3, 2_499_600, 4_000_000), "a", "op"),
            StackRecord((0, 1), (1, 1_000, 1_000_000), "b"),
        ),
    )
    assert collapsed(profile) == "main (run.py:9);Work.step (work.py:21) 2501\n"
    assert collapsed(profile, "wall") == "main (run.py:9);Work.step (work.py:21) 5000\n"


def test_a_profile_of_samples_alone_is_collapsed_by_them() -> None:
    profile = StackProfile(
        value_types=(SAMPLES,), frames=(Frame("f", ""),), records=(StackRecord((0,), (7,)),)
    )
    assert collapsed(profile) == "f 7\n"


def test_separators_in_names_are_escaped() -> None:
    profile = StackProfile(
        frames=(Frame("a;b\nc\0\ud800", ""),), records=(StackRecord((0,), (1, 1000, 1000)),)
    )
    assert collapsed(profile) == "a\\x3bb\\x0ac\\x00\\ud800 1\n"


def test_speedscope_has_the_members_that_its_schema_asks_for() -> None:
    document = json.loads(speedscope(hostile_profile()))
    assert document["$schema"] == SCHEMA
    assert all(isinstance(frame["name"], str) for frame in document["shared"]["frames"])
    for profile in document["profiles"]:
        assert profile["type"] == "sampled"
        assert profile["unit"] in ("none", "nanoseconds", "bytes")
        assert len(profile["samples"]) == len(profile["weights"])
        assert profile["endValue"] - profile["startValue"] == sum(profile["weights"])
        assert all(0 <= i < len(document["shared"]["frames"]) for stack in profile["samples"] for i in stack)


def test_speedscope_adds_the_threads_beyond_its_limit_up() -> None:
    records = [StackRecord((0,), (1, 100 + n, 1), f"task {n}") for n in range(MOST_PROFILES + 50)]
    document = json.loads(speedscope(StackProfile(frames=(Frame("f", "f.py"),), records=tuple(records))))
    assert len(document["profiles"]) == MOST_PROFILES + 1
    assert document["profiles"][-1]["name"] == OTHERS
    assert sum(each["endValue"] for each in document["profiles"]) == sum(100 + n for n in range(150))


def test_the_same_profile_gives_the_same_pprof_bytes() -> None:
    assert pprof(hostile_profile()) == pprof(hostile_profile())


def test_pprof_keeps_negative_values_and_other_columns() -> None:
    kinds = (ALLOCATED, ValueType("blocks", "count"))
    profile = StackProfile(
        value_types=kinds, frames=(Frame("f", "f.py"),), records=(StackRecord((0,), (-5, 3)),)
    )
    assert read_stacks(pprof(profile)) == profile


def test_google_s_protobuf_reads_our_pprof_the_same() -> None:
    profile = many_stacks()
    columns = columns_only(by_function(profile), ("samples", "cpu"))
    message = google_profile().FromString(gzip.decompress(pprof(columns)))
    strings = message.string_table
    assert strings[0] == ""
    assert [(strings[t.type], strings[t.unit]) for t in message.sample_type] == [
        ("samples", "count"),
        ("cpu", "nanoseconds"),
    ]
    functions = {f.id: (strings[f.name], strings[f.filename], f.start_line) for f in message.function}
    places = {place.id: functions[place.line[0].function_id] for place in message.location}
    found = {
        tuple(places[location] for location in reversed(sample.location_id)): tuple(sample.value)
        for sample in message.sample
    }
    expected = {
        tuple(
            (columns.frames[i].function, columns.frames[i].file, columns.frames[i].first_line)
            for i in r.stack
        ): (r.values)
        for r in columns.records
    }
    assert found == expected
    labels = {(strings[label.key], strings[label.str]) for sample in message.sample for label in sample.label}
    assert labels == {("thread", f"t{n}") for n in range(5)}


def google_profile() -> Any:
    """pprof's message for Google's protobuf, from the field numbers of its published definition."""
    descriptor_pb2 = pytest.importorskip("google.protobuf.descriptor_pb2")
    from google.protobuf import descriptor_pool, message_factory

    whole, word, many = 3, 9, 3  # int64, string, repeated
    layout: dict[str, list[tuple[str, int, int | str, bool]]] = {
        "ValueType": [("type", 1, whole, False), ("unit", 2, whole, False)],
        "Label": [("key", 1, whole, False), ("str", 2, whole, False), ("num", 3, whole, False)],
        "Sample": [("location_id", 1, 4, True), ("value", 2, whole, True), ("label", 3, "Label", True)],
        "Line": [("function_id", 1, 4, False), ("line", 2, whole, False)],
        "Location": [("id", 1, 4, False), ("line", 4, "Line", True)],
        "Function": [
            ("id", 1, 4, False),
            ("name", 2, whole, False),
            ("system_name", 3, whole, False),
            ("filename", 4, whole, False),
            ("start_line", 5, whole, False),
        ],
        "Profile": [
            ("sample_type", 1, "ValueType", True),
            ("sample", 2, "Sample", True),
            ("location", 4, "Location", True),
            ("function", 5, "Function", True),
            ("string_table", 6, word, True),
            ("time_nanos", 9, whole, False),
            ("duration_nanos", 10, whole, False),
            ("period_type", 11, "ValueType", False),
            ("period", 12, whole, False),
            ("comment", 13, whole, True),
            ("default_sample_type", 14, whole, False),
        ],
    }
    file = descriptor_pb2.FileDescriptorProto(name="second_reader.proto", package="second", syntax="proto3")
    for name, members in layout.items():
        message = file.message_type.add(name=name)
        for member, number, kind, repeated in members:
            field = message.field.add(name=member, number=number, label=many if repeated else 1)
            if isinstance(kind, str):
                field.type, field.type_name = 11, f".second.{kind}"
            else:
                field.type = kind
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file) if hasattr(pool, "Add") else pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("second.Profile"))
