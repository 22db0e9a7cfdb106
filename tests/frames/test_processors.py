"""Processors make new profiles, and every one that only rearranges keeps every sum."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genesis_performance.errors import InvalidInputError, UnknownNameError
from genesis_performance.frames import (
    by_function,
    clock_column,
    columns_only,
    libraries_grouped,
    merged,
    of_operation,
    of_thread,
    operation_weights,
    pruned,
    recursion_collapsed,
    reweighted,
    self_times,
    thread_weights,
    totals,
    walk,
    without_threads,
)
from genesis_performance.frames.paths import library_of, short_paths
from genesis_performance.frames.tree import tree
from genesis_performance.model.stacks import CPU, SAMPLES, WALL, Frame, StackProfile, StackRecord, ValueType

FILES = ("", "/srv/app/a.py", "/usr/lib/python3.11/json/decoder.py", "/v/site-packages/flask/app.py")
frames = st.builds(
    Frame, st.sampled_from("fgh"), st.sampled_from(FILES), st.integers(0, 3), st.integers(0, 1)
)


@st.composite
def profiles(draw: st.DrawFn) -> StackProfile:
    table = tuple(draw(st.lists(frames, min_size=1, max_size=8, unique=True)))
    keys = st.tuples(
        st.lists(st.integers(0, len(table) - 1), max_size=12).map(tuple),
        st.sampled_from(("", "main", "w")),
        st.sampled_from(("", "checkout")),
    )
    values = st.tuples(*[st.integers(0, 1000)] * 3)
    rows = draw(st.dictionaries(keys, values, max_size=12))
    return StackProfile(
        frames=table,
        records=tuple(StackRecord(key[0], row, *key[1:]) for key, row in rows.items()),
        duration_s=2.0,
        lost={"threads": 2},
    )


def one(*stacks: tuple[list[Frame], int], **also: object) -> StackProfile:
    """A profile of stacks with their CPU nanoseconds; one sample each."""
    table = list(dict.fromkeys(frame for path, _ in stacks for frame in path))
    records = tuple(
        StackRecord(tuple(table.index(frame) for frame in path), (1, cpu, cpu)) for path, cpu in stacks
    )
    return StackProfile(frames=tuple(table), records=records, **also)  # type: ignore[arg-type]


MAIN = Frame("main", "app.py", 5, 1)
F = Frame("f", "app.py", 11, 10)
F_LATER = Frame("f", "app.py", 12, 10)
G = Frame("g", "app.py", 21, 20)


@pytest.mark.parametrize(
    "processor",
    [
        by_function,
        libraries_grouped,
        recursion_collapsed,
        without_threads,
        pruned,
        lambda p: pruned(p, 0.2, "wall"),
        lambda p: pruned(p, 1.0),
        lambda p: merged([p]),
        lambda p: reweighted(p, lambda record: record.values, p.value_types),
    ],
)
@given(profile=profiles())
@settings(max_examples=40)
def test_a_processor_keeps_every_sum_and_what_was_lost(
    processor: Callable[[StackProfile], StackProfile], profile: StackProfile
) -> None:
    made = processor(profile)
    assert totals(made) == totals(profile)
    assert made.lost == profile.lost
    assert len({(r.stack, r.thread, r.operation) for r in made.records}) == len(made.records)


@given(profiles(), profiles())
def test_merging_adds_every_column(one_side: StackProfile, other: StackProfile) -> None:
    sums = zip(totals(one_side), totals(other), strict=True)
    assert totals(merged([one_side, other])) == tuple(a + b for a, b in sums)


@given(profiles())
def test_operations_add_up_to_the_profile(profile: StackProfile) -> None:
    parts = [totals(of_operation(profile, name)) for name in operation_weights(profile)]
    assert tuple(map(sum, zip(*parts, strict=True))) == (totals(profile) if parts else ())


@given(profiles())
def test_threads_add_up_to_the_profile(profile: StackProfile) -> None:
    parts = [totals(of_thread(profile, name)) for name in thread_weights(profile)]
    assert tuple(map(sum, zip(*parts, strict=True))) == (totals(profile) if parts else ())


@given(profiles())
def test_self_times_add_up_to_the_stacks_that_have_frames(profile: StackProfile) -> None:
    rows = self_times(profile)
    assert sum(row.self_value for row in rows) == sum(r.values[1] for r in profile.records if r.stack)
    assert all(row.total_value >= max(row.self_value, row.hottest_value) for row in rows)


@given(profiles())
def test_a_node_of_the_tree_is_its_self_and_its_children(profile: StackProfile) -> None:
    root = tree(profile)
    assert root.total_values == totals(profile)
    for _, node in walk(root):
        below = [child.total_values for child in node.children]
        assert node.total_values == tuple(map(sum, zip(node.self_values, *below, strict=True)))


@given(profiles())
def test_a_collapsed_recursion_keeps_the_total_of_every_function(profile: StackProfile) -> None:
    def function_totals(each: StackProfile) -> dict[tuple[str, str, int], int]:
        return {(row.function, row.file, row.first_line): row.total_value for row in self_times(each)}

    after = function_totals(recursion_collapsed(profile))
    assert after == {key: value for key, value in function_totals(profile).items() if key in after}


def test_a_tree_is_10_000_levels_deep_without_recursion() -> None:
    profile = one(([F] * 10_000, 7))
    assert max(depth for depth, _ in walk(tree(profile))) == 10_000


def test_children_come_with_the_largest_total_of_the_asked_column_first() -> None:
    root = tree(one(([MAIN, F], 1), ([MAIN, G], 5)))
    assert [child.frame for child in root.children[0].children] == [G, F]


def test_recursion_counts_once_in_a_total() -> None:
    (row,) = self_times(one(([F, F, F], 10)))
    assert (row.self_value, row.total_value) == (10, 10)


def test_the_hottest_line_is_the_one_with_the_most_time_through_it() -> None:
    rows = self_times(one(([F], 10), ([F_LATER, G], 30)))
    assert {row.function: row.hottest_line for row in rows} == {"f": 12, "g": 21}


def test_lines_of_one_function_become_one_frame() -> None:
    made = by_function(one(([MAIN, F], 1), ([MAIN, F_LATER], 2)))
    assert [record.values for record in made.records] == [(2, 3, 3)]


def test_what_is_pruned_stays_under_its_caller() -> None:
    made = pruned(one(([MAIN, F], 990), ([MAIN, G], 10)), 0.05)
    named = {tuple(made.frames[i].function for i in r.stack): r.values[1] for r in made.records}
    assert named == {("main", "f"): 990, ("main", "(pruned)"): 10}


def test_consecutive_library_frames_become_one_and_own_code_stays() -> None:
    requests = [Frame(name, f"/v/site-packages/requests/{name}.py") for name in ("api", "sessions")]
    made = libraries_grouped(one(([MAIN, *requests, F, requests[0]], 1)))
    assert [made.frames[i].function for i in made.records[0].stack] == [
        "main",
        "[requests]",
        "f",
        "[requests]",
    ]


def test_a_cycle_of_two_functions_is_shown_once() -> None:
    made = recursion_collapsed(one(([MAIN, *[F, G] * 3, F], 1)))
    assert [made.frames[i].function for i in made.records[0].stack] == ["main", "f", "g", "f"]


def test_the_innermost_line_of_a_recursion_is_kept() -> None:
    made = recursion_collapsed(one(([F, F, F_LATER], 1)))
    assert [made.frames[i].line for i in made.records[0].stack] == [12]


@pytest.mark.parametrize(
    ("file", "package"),
    [
        ("/srv/app/views.py", ""),
        ("", ""),
        ("<string>", ""),
        ("/usr/lib/python3.11/threading.py", "threading"),
        ("/opt/py/lib/python3.13t/json/__init__.py", "json"),
        ("/venv/lib/python3.11/site-packages/flask/app.py", "flask"),
        ("/usr/lib/python3/dist-packages/yaml/__init__.py", "yaml"),
        ("C:\\Python311\\Lib\\json\\decoder.py", "json"),
        ("<frozen importlib._bootstrap>", "importlib"),
    ],
)
def test_a_library_is_told_by_the_path(file: str, package: str) -> None:
    assert library_of(file)[0] == package


def test_a_path_is_as_short_as_it_can_be_told_from_others() -> None:
    assert short_paths(["/a/x/views.py", "/a/y/views.py", "/a/models.py", "views.py"]) == {
        "/a/x/views.py": "x/views.py",
        "/a/y/views.py": "y/views.py",
        "/a/models.py": "models.py",
        "views.py": "views.py",
    }


@given(
    st.lists(st.sampled_from(["/a/b/c.py", "b/c.py", "c.py", "/c.py", "\\a\\b\\c.py", "d.py"]), unique=True)
)
def test_short_paths_differ_as_their_files_do(files: list[str]) -> None:
    assert len(set(short_paths(files).values())) == len(files)


def test_merging_fills_columns_that_a_profile_lacks_with_zero() -> None:
    made = merged([one(([F], 5)), columns_only(one(([F], 7)), ("wall",))])
    assert totals(made) == (1, 5, 12)


def test_merged_profiles_last_from_the_first_start_to_the_last_end() -> None:
    second = 10**9
    made = merged(
        [
            one(([F], 1), start_unix_ns=1 * second, duration_s=5.0),
            one(([F], 1), start_unix_ns=4 * second, duration_s=5.0),
        ]
    )
    assert (made.start_unix_ns, made.duration_s) == (second, 8.0)


def test_columns_of_one_name_in_two_units_are_not_merged() -> None:
    other = StackProfile(value_types=(ValueType("cpu", "count"),))
    with pytest.raises(InvalidInputError, match="cpu"):
        merged([one(([F], 1)), other])


def test_reweighting_gives_new_columns() -> None:
    money = ValueType("cost", "nanodollars")
    made = reweighted(one(([F], 4), ([G], 6)), lambda record: (record.values[1] * 2,), [money])
    assert (made.value_types, totals(made)) == ((money,), (20,))


def test_reweighting_refuses_another_number_of_values() -> None:
    with pytest.raises(InvalidInputError, match="2 values"):
        reweighted(one(([F], 4)), lambda _: (1, 2), [CPU])


def test_columns_are_kept_in_the_asked_order() -> None:
    made = columns_only(one(([F], 4)), ("wall", "samples"))
    assert (made.value_types, made.records[0].values) == ((WALL, SAMPLES), (4, 1))


@pytest.mark.parametrize("select", [of_operation, of_thread])
def test_an_unknown_name_lists_the_known_ones(select: Callable[[StackProfile, str], StackProfile]) -> None:
    profile = StackProfile(frames=(F,), records=(StackRecord((0,), (1, 1, 1), "main", "main"),))
    with pytest.raises(UnknownNameError, match="'main'"):
        select(profile, "other")


def test_names_of_any_length_are_listed_shortened() -> None:
    profile = StackProfile(frames=(F,), records=(StackRecord((0,), (1, 1, 1), "main", "x" * 10_000),))
    with pytest.raises(UnknownNameError) as raised:
        of_operation(profile, "y" * 10_000)
    assert len(str(raised.value)) < 300


def test_an_unknown_column_lists_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="samples, cpu, wall"):
        tree(one(([F], 1)), "gpu")


def test_a_share_beyond_one_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="0 to 1"):
        pruned(one(([F], 1)), 5)


@pytest.mark.parametrize(
    ("kinds", "index"),
    [
        ((SAMPLES, CPU, WALL), 1),
        ((SAMPLES, WALL), 1),
        ((ValueType("objects", "count"), ValueType("space", "bytes")), 0),
    ],
)
def test_a_clock_that_a_profile_lacks_is_another_time_or_the_first_column(
    kinds: tuple[ValueType, ...], index: int
) -> None:
    assert clock_column(StackProfile(value_types=kinds), "cpu") == index


def test_a_profile_without_columns_has_no_clock() -> None:
    with pytest.raises(UnknownNameError, match="no columns"):
        clock_column(StackProfile(value_types=()), "cpu")


def test_no_profiles_can_not_be_merged() -> None:
    with pytest.raises(InvalidInputError, match="at least one"):
        merged([])
