"""Files of other tools: read for what they say; damaged, cut off or hostile ones are one clear error."""

import cProfile
import gzip
import json
import marshal
import pkgutil
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from genesis_performance.errors import InvalidInputError
from genesis_performance.frames import gathering, importers, self_times, totals
from genesis_performance.frames.importers import formats, read_stacks, reading
from genesis_performance.frames.importers.collapsed import UNREADABLE
from genesis_performance.frames.importers.pstats import APPROXIMATE
from genesis_performance.model.stacks import ALLOCATED, CPU, SAMPLES, WALL, Frame, StackProfile, StackRecord
from genesis_performance.render.pprof import pprof
from genesis_performance.render.profile_json import profile_json
from genesis_performance.render.speedscope import speedscope

PY_SPY = b"""<module> (app.py:30);main (app.py:21);Work.step (lib/work.py:7) 41
<module> (app.py:30);main (app.py:22) 9
"""
PY_SPY_THREADS = b"""process 7:"python app.py";thread (8): MainThread;main (app.py:21) 4
thread (0x7F01): pool_0;main (app.py:21) 2
thread (9);main (app.py:21) 1
"""
AUSTIN = b"""# austin: 3.7.0
# interval: 10000
# mode: wall

P7;T0:8;/srv/app.py:<module>:30;/srv/app.py:main:21 10250
P7;T0:9;/srv/app.py:worker:3 9000

# duration: 2500000
"""
AUSTIN_FULL = b"""# austin: 3.7.0
# mode: full

P7;T0:8;/srv/app.py:main:21 10000,0,4096
P7;T0:8;/srv/app.py:wait:40 20000,1,-512
"""
AUSTIN_MEMORY = b"""# mode: memory

P7;T0:8;/srv/app.py:main:21 4096
"""
TACHYON = b"""tid:71;app.py:<module>:30;app.py:main:21;<GC> 12
tid:72;app.py:worker:3 5
"""
PERF = b"python;[unknown];main;_PyEval_EvalFrameDefault 17\n"

STACKS = StackProfile(
    frames=(Frame("main", "app.py", 21, 20), Frame("step", "lib/work.py", 7, 5)),
    records=(StackRecord((0, 1), (4, 10, 20), "MainThread", "checkout"), StackRecord((0,), (1, 2, 3))),
    start_unix_ns=10**18,
    duration_s=2.5,
    period_ns=10**7,
)


def scope(profile: dict[str, Any], frames: int = 3) -> bytes:
    listed = [{"name": "abc"[i], "file": "app.py", "line": i + 1} for i in range(frames)]
    document = {
        "$schema": "https://www.speedscope.app/file-format-schema.json",
        "shared": {"frames": listed},
        "profiles": [profile],
    }
    return json.dumps(document).encode()


def event(kind: str, frame: int, at: float) -> dict[str, Any]:
    return {"type": kind, "frame": frame, "at": at}


EVENTED = scope(
    {
        "type": "evented",
        "name": "main",
        "unit": "milliseconds",
        "startValue": 0,
        "endValue": 10,
        "events": [
            event("O", 0, 0),
            event("O", 1, 2),
            event("C", 1, 5),
            event("O", 2, 5),
            event("C", 2, 9),
            event("C", 0, 10),
        ],
    }
)


def profiled() -> bytes:
    """A file of cProfile, of a function that is called on two paths."""

    def leaf() -> int:
        return sum(range(20_000))

    def left() -> int:
        return leaf()

    def right() -> int:
        return leaf() + leaf() + leaf()

    def start() -> int:
        return left() + right()

    profiler = cProfile.Profile()
    profiler.runcall(start)
    profiler.dump_stats("some.pstats")
    return Path("some.pstats").read_bytes()


def sampled() -> bytes:
    """Statistics as the sampling profiler of Python 3.15 writes them."""
    main, step = ("app.py", 21, "main"), ("app.py", 7, "step")
    stats: dict[Any, Any] = {
        main: (10, 40, 0.1, 0.4, {}),
        step: (30, 30, 0.3, 0.3, {main: 30}),
        ("__sampled__",): True,
    }
    return marshal.dumps(stats)


def samples() -> dict[str, bytes]:
    """One good file of every format."""
    return {
        "py-spy": PY_SPY,
        "austin": AUSTIN,
        "tachyon": TACHYON,
        "speedscope": speedscope(STACKS).encode(),
        "evented": EVENTED,
        "pprof": pprof(STACKS),
        "pprof, plain": gzip.decompress(pprof(STACKS)),
        "ours": profile_json(STACKS).encode(),
        "pstats": sampled(),
    }


def named(profile: StackProfile, column: int = 0) -> dict[tuple[str, ...], int]:
    return {
        tuple(profile.frames[index].function for index in record.stack): record.values[column]
        for record in profile.records
    }


def test_every_module_of_the_folder_is_a_format_or_private() -> None:
    inside = [found.name for found in pkgutil.iter_modules(importers.__path__)]
    public = {name for name in inside if not name.startswith("_")} - {"reading"}
    assert {module.__name__.rpartition(".")[2] for module in formats()} == public
    assert all(callable(module.recognises) and callable(module.read) and module.NAME for module in formats())


@pytest.mark.parametrize("name", sorted(samples()))
def test_a_good_file_is_recognised_by_one_format_alone(name: str) -> None:
    data = samples()[name]
    data = gzip.decompress(data) if data.startswith(reading.GZIP) else data
    assert sum(module.recognises(data[: reading.HEAD_BYTES]) for module in formats()) == 1


@pytest.mark.parametrize("name", sorted(samples()))
def test_a_gzipped_file_reads_as_the_plain_one(name: str) -> None:
    data = samples()[name]
    assert read_stacks(gzip.compress(data) if not data.startswith(reading.GZIP) else data) == read_stacks(
        data
    )


def test_py_spy_gives_function_file_and_line() -> None:
    profile = read_stacks(PY_SPY)
    assert profile.value_types == (SAMPLES,)
    assert profile.frames[2] == Frame("Work.step", "lib/work.py", 7)
    assert named(profile) == {("<module>", "main", "Work.step"): 41, ("<module>", "main"): 9}


def test_py_spy_s_threads_are_threads_and_no_frames() -> None:
    profile = read_stacks(PY_SPY_THREADS)
    assert {record.thread: record.values for record in profile.records} == {
        "MainThread": (4,),
        "pool_0": (2,),
        "9": (1,),
    }
    assert [frame.function for frame in profile.frames] == ["main"]


def test_austin_s_weights_are_microseconds_of_wall_time() -> None:
    profile = read_stacks(AUSTIN)
    assert (profile.value_types, profile.period_ns, profile.duration_s) == ((WALL,), 10_000_000, 2.5)
    assert named(profile) == {("<module>", "main"): 10_250_000, ("worker",): 9_000_000}
    assert [record.thread for record in profile.records] == ["0:8", "0:9"]


def test_austin_s_full_mode_has_cpu_wall_and_memory() -> None:
    profile = read_stacks(AUSTIN_FULL)
    assert profile.value_types == (CPU, WALL, ALLOCATED)
    assert [record.values for record in profile.records] == [
        (10_000_000, 10_000_000, 4096),
        (0, 20_000_000, 0),
    ]


def test_austin_s_memory_mode_is_bytes() -> None:
    profile = read_stacks(AUSTIN_MEMORY)
    assert (profile.value_types, totals(profile)) == ((ALLOCATED,), (4096,))


def test_tachyon_s_collapsed_stacks_have_threads_and_special_frames() -> None:
    profile = read_stacks(TACHYON)
    assert named(profile) == {("<module>", "main", "<GC>"): 12, ("worker",): 5}
    assert [record.thread for record in profile.records] == ["71", "72"]


def test_perf_s_bare_names_are_functions() -> None:
    assert named(read_stacks(PERF)) == {("python", "[unknown]", "main", "_PyEval_EvalFrameDefault"): 17}


def test_a_line_that_can_not_be_read_is_counted() -> None:
    profile = read_stacks(PY_SPY + b"<module> (app.py:30);ma")
    assert (totals(profile), profile.lost) == ((50,), {UNREADABLE: 1})


def test_evented_time_belongs_to_the_open_stack() -> None:
    profile = read_stacks(EVENTED)
    assert profile.value_types == (WALL,)
    assert named(profile) == {("a",): 3_000_000, ("a", "b"): 3_000_000, ("a", "c"): 4_000_000}


def test_a_deep_evented_profile_is_read() -> None:
    depth = 5_000
    events = [event("O", 0, 0) for _ in range(depth)] + [event("C", 0, depth) for _ in range(depth)]
    data = scope(
        {"type": "evented", "name": "", "unit": "none", "startValue": 0, "endValue": depth, "events": events}
    )
    assert max(len(record.stack) for record in read_stacks(data).records) == depth


def test_speedscope_without_weights_counts_its_samples() -> None:
    profile = read_stacks(scope({"type": "sampled", "name": "m", "unit": "none", "samples": [[0, 1], [0]]}))
    assert named(profile) == {("a", "b"): 1, ("a",): 1}


def test_pprof_s_labels_of_other_profilers_name_the_thread() -> None:
    renamed = gzip.decompress(pprof(STACKS)).replace(b"\x32\x06thread", b"\x32\x09thread id")
    assert {record.thread for record in read_stacks(renamed).records} == {"MainThread", ""}


def test_inlined_lines_of_pprof_are_frames_from_the_caller_to_the_callee() -> None:
    strings = [b"", b"samples", b"count", b"inner", b"outer", b"a.c"]
    places = b"\x22\x04\x08\x01\x10\x0b" + b"\x22\x04\x08\x02\x10\x16"  # function 1, line 11; 2, 22
    data = b"".join(
        [
            b"\x0a\x04\x08\x01\x10\x02",  # samples, count
            b"\x12\x04\x08\x01\x10\x09",  # location 1, value 9, neither packed
            b"\x22\x0e\x08\x01" + places,
            b"\x2a\x06\x08\x01\x10\x03\x20\x05",  # function 1: inner, a.c
            b"\x2a\x06\x08\x02\x10\x04\x20\x05",
            *(b"\x32" + bytes([len(text)]) + text for text in strings),
        ]
    )
    profile = read_stacks(data)
    (record,) = profile.records
    path = [profile.frames[index] for index in record.stack]
    assert path == [Frame("outer", "a.c", 22), Frame("inner", "a.c", 11)]
    assert record.values == (9,)


def test_other_units_of_time_in_pprof_become_nanoseconds() -> None:
    micro = gzip.decompress(pprof(STACKS)).replace(b"\x32\x0bnanoseconds", b"\x32\x0cmicroseconds")
    assert totals(read_stacks(micro)) == (5, 12_000, 23_000)


def test_cprofile_s_own_times_are_exact_and_its_paths_divided_by_the_callers() -> None:
    data = profiled()
    stats = {key[2]: value for key, value in marshal.loads(data).items()}
    profile = read_stacks(data)
    rows = {row.function: row for row in self_times(profile, "wall")}
    assert rows["leaf"].self_value == pytest.approx(stats["leaf"][2] * 1e9, abs=2)
    assert rows["right"].total_value == pytest.approx(stats["right"][3] * 1e9, rel=0.01, abs=2_000)
    assert rows["left"].total_value == pytest.approx(stats["left"][3] * 1e9, rel=0.01, abs=2_000)
    assert profile.lost[APPROXIMATE] > 0


def test_the_sampling_profiler_s_statistics_have_samples_and_time() -> None:
    profile = read_stacks(sampled())
    assert profile.value_types == (SAMPLES, WALL)
    assert named(profile) == {("main",): 10, ("main", "step"): 30}
    assert totals(profile) == (40, 400_000_000)


def test_functions_that_call_one_another_are_no_endless_path() -> None:
    a, b = ("m.py", 1, "a"), ("m.py", 9, "b")
    stats = {a: (1, 1, 1.0, 2.0, {b: (1, 1, 1.0, 2.0)}), b: (1, 1, 1.0, 2.0, {a: (1, 1, 1.0, 2.0)})}
    assert totals(read_stacks(marshal.dumps(stats))) == (2 * 10**9,)


@pytest.mark.parametrize("name", ["speedscope", "evented", "pprof", "pprof, plain", "ours", "pstats"])
def test_a_file_cut_in_half_is_a_clear_error(name: str, tmp_path: Path) -> None:
    data = samples()[name]
    path = tmp_path / "cut.file"
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(InvalidInputError, match=r"cut\.file: .*(cut off|damaged)"):
        read_stacks(path)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(InvalidInputError, match=r"nowhere\.raw can not be read: No such file"):
        read_stacks("nowhere.raw")


@pytest.mark.parametrize("data", [b"", b"hello world", b"\x00\x01\x02", b"{}", b"[1, 2]"])
def test_an_unknown_format_lists_the_known_ones(data: bytes) -> None:
    with pytest.raises(InvalidInputError, match=r"upload: it .*speedscope"):
        read_stacks(data, name="upload")


def test_a_compressed_file_that_unpacks_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_BYTES", 10**6)
    with pytest.raises(InvalidInputError, match="more than 1,000,000 bytes"):
        read_stacks(gzip.compress(b"\0" * 10**8))


def test_code_in_a_marshalled_file_is_refused() -> None:
    stats = {("m.py", 1, "f"): (1, 1, 0.1, 0.1, {}), ("m.py", 2, "g"): compile("1", "m", "eval")}
    with pytest.raises(InvalidInputError, match="type b'c'"):
        read_stacks(marshal.dumps(stats))


def test_a_marshalled_key_that_doubles_with_each_level_is_refused_at_once() -> None:
    key: Any = ("x",)
    for _ in range(15):
        key = (key, key)
    with pytest.raises(InvalidInputError):
        read_stacks(b"{" + marshal.dumps(key) + b"N0")


GOOD = samples()


@given(st.sampled_from(sorted(GOOD)), st.data())
@settings(max_examples=400)
def test_damage_is_never_another_exception(name: str, data: st.DataObject) -> None:
    original = GOOD[name]
    content = bytearray(gzip.decompress(original) if original.startswith(reading.GZIP) else original)
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(content[: data.draw(st.integers(0, len(content)))])
    _reads_or_refuses(cut)


heads = st.sampled_from(
    [b"", b"{", b"\xfb", b"\x0a\x04\x08\x01\x10\x02", b"\x1f\x8b\x08\0", b"# mode: full\n"]
)


@given(heads, st.binary(max_size=200))
@example(b"", b"{(\xff\xff\xff\x7f")
@example(b"", b"a " + b"9" * 5000)
@settings(max_examples=400)
def test_random_bytes_are_never_another_exception(head: bytes, rest: bytes) -> None:
    _reads_or_refuses(head + rest)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("type", "unit", "name", "samples", "weights", "events"), values)
    )
    | values
)
def test_json_of_another_shape_is_never_another_exception(profile: Any) -> None:
    _reads_or_refuses(scope(profile))
    _reads_or_refuses(json.dumps({"schema_version": 1, "kind": "StackProfile", "value": profile}).encode())


marshalled = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3).map(tuple),
    max_leaves=6,
)
keys = st.tuples(st.text(max_size=3), st.integers(-5, 5), st.text(max_size=3))
numbers = st.integers(-5, 10**12) | st.floats()
callers = st.dictionaries(
    keys, st.tuples(numbers, numbers, numbers, numbers) | numbers | marshalled, max_size=3
)
entries = st.tuples(numbers, numbers, numbers, numbers, callers)


@given(st.dictionaries(keys, entries | marshalled, min_size=1, max_size=4))
def test_marshalled_statistics_of_any_values_are_never_another_exception(stats: Any) -> None:
    _reads_or_refuses(marshal.dumps(stats))


def _reads_or_refuses(data: bytes) -> None:
    try:
        profile = read_stacks(data, name="upload")
    except InvalidInputError as error:
        if not str(error).startswith("upload: "):
            raise
    else:
        assert all(len(record.values) == len(profile.value_types) for record in profile.records)
        assert all(0 <= index < len(profile.frames) for record in profile.records for index in record.stack)


def test_a_damaged_compression_is_a_clear_error() -> None:
    data = bytearray(gzip.compress(PY_SPY * 100))
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(InvalidInputError, match="damaged"):
        read_stacks(bytes(data))


def test_more_levels_than_memory_should_hold_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "MOST_LEVELS", 4)
    with pytest.raises(InvalidInputError, match="more than 4 levels"):
        read_stacks(PY_SPY)


SAMPLED = {"type": "sampled", "name": "m", "unit": "none", "samples": [[0]], "weights": [1]}
OPEN = {"type": "evented", "name": "m", "unit": "none", "startValue": 0, "endValue": 9}


@pytest.mark.parametrize(
    ("profile", "said"),
    [
        (SAMPLED | {"unit": 5}, r"profiles\[0\] has no 'unit'"),
        (SAMPLED | {"type": "other"}, "of type 'other'"),
        (SAMPLED | {"weights": [1, 2]}, "1 samples and other weights"),
        (SAMPLED | {"samples": [[7]]}, r"samples\[0\] names a frame"),
        (OPEN | {"events": [event("X", 0, 1)]}, r"events\[0\] neither opens nor closes"),
        (OPEN | {"events": [event("C", 0, 1)]}, "closes frame 0, which is not the one open"),
        (OPEN | {"events": [event("O", 0, 1) | {"at": "now"}]}, r"events\[0\].at is 'now'"),
    ],
)
def test_a_wrong_member_of_speedscope_is_named(profile: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        read_stacks(scope(profile))


def test_a_weight_that_is_no_number_is_counted_as_lost() -> None:
    profile = read_stacks(scope(SAMPLED | {"samples": [[0], [1]], "weights": [3, "many"]}))
    assert (totals(profile), profile.lost) == ((3,), {"weights that are no number": 1})


TYPE = b"\x0a\x04\x08\x01\x10\x02"
STRINGS = b"\x32\x00\x32\x07samples\x32\x05count"


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (b"\x12\x04\x08\x07\x10\x01", "location 7, which is missing"),
        (b"\x12\x06\x08\x07\x10\x01\x10\x02", "2 values for 1 types"),
        (b"\x22\x06\x08\x01\x22\x02\x08\x09", "location 1 names function 9"),
        (b"\x2a\x04\x08\x01\x10\x63", "string 99 of 3"),
    ],
)
def test_what_pprof_names_and_does_not_have_is_said(message: bytes, said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        read_stacks(TYPE + message + STRINGS)


def test_a_location_of_pprof_without_a_symbol_is_its_address() -> None:
    profile = read_stacks(TYPE + b"\x12\x04\x08\x01\x10\x05" + b"\x22\x05\x08\x01\x18\xff\x01" + STRINGS)
    assert named(profile) == {("0xff",): 5}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"records": [[[5], [1], "", ""]]}, "record 0 names a frame"),
        ({"duration_s": -1.0}, "duration is -1.0"),
        ({"frames": [["f"]]}, "it is no profile"),
    ],
)
def test_a_changed_file_of_ours_is_refused(value: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        read_stacks(json.dumps({"schema_version": 1, "kind": "StackProfile", "value": value}).encode())


def test_a_file_of_a_newer_version_says_what_to_do() -> None:
    data = profile_json(STACKS).replace('"schema_version": 1', '"schema_version": 2').encode()
    with pytest.raises(InvalidInputError, match="update Genesis Performance"):
        read_stacks(data)


def test_numbers_of_many_digits_in_statistics_are_read() -> None:
    stats = {("m.py", 1, "f"): (2**40, 2**40, 1.5, 1.5, {})}
    assert totals(read_stacks(marshal.dumps(stats))) == (1_500_000_000,)


@pytest.mark.parametrize(
    "line",
    [
        b"a" + b" " * 300_000 + b"x",
        b"a (" * 100_000 + b" 1",
        b"a (" * 100_000 + b"b.py:1x) 1",
        b":a" * 150_000 + b" 1",
        b"thread (" + b")" * 300_000 + b";a 1",
        b"/d" * 150_000 + b".py:f:1;" + b"/e" + b"/d" * 149_999 + b".py:f:1 1",
    ],
)
def test_a_line_made_to_be_slow_is_read_or_refused_in_time(line: bytes) -> None:
    before = time.thread_time()
    _reads_or_refuses(line + b"\n")
    assert time.thread_time() - before < 2
