"""Stacks in a terminal: within the width, true sums, safe names."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genesis_performance.model.stacks import ALLOCATED, SAMPLES, Frame, StackProfile, StackRecord
from genesis_performance.render.profile_text import NARROWEST, amount, clip, columns_of, profile_text

MAIN = Frame("main", "/srv/app/run.py", 9, 1)
HOT = Frame("Work.step", "/srv/app/work.py", 21, 20)
LIBRARY = Frame("loads", "/usr/lib/python3.11/json/__init__.py", 346, 299)


def profile(**also: object) -> StackProfile:
    values = {
        "frames": (MAIN, HOT, LIBRARY),
        "records": (
            StackRecord((0, 1), (60, 600_000_000, 700_000_000), "MainThread", "checkout"),
            StackRecord((0, 2), (35, 350_000_000, 350_000_000), "MainThread", "report"),
            StackRecord((0,), (5, 50_000_000, 4_000_000_000), "worker", ""),
        ),
        "duration_s": 2.0,
    } | also
    return StackProfile(**values)  # type: ignore[arg-type]


def section(text: str, title: str) -> list[str]:
    """The lines below the first one that ends in, or has, a title."""
    lines = text.splitlines()
    start = next(index for index, line in enumerate(lines) if title in line)
    rest = lines[start + 1 :]
    return rest[: rest.index("")] if "" in rest else rest


def test_functions_come_with_their_self_time_the_largest_first() -> None:
    rows = section(profile_text(profile()), "with calls  function")
    assert [row.split()[-2] for row in rows] == ["Work.step", "loads", "main"]
    assert "600 ms   60 %" in rows[0]
    assert "1.00 s  100 %" in rows[2]


def test_the_hottest_line_of_a_function_is_named() -> None:
    assert "Work.step  work.py:21" in profile_text(profile())


def test_paths_are_indented_below_their_callers() -> None:
    rows = section(profile_text(profile()), "path (")
    assert [row[19:].split()[0] for row in rows] == ["main", "Work.step", "loads"]
    assert rows[0][19] != " "
    assert rows[1][19:21] == " W"


def test_each_operation_and_thread_has_its_share() -> None:
    text = profile_text(profile())
    assert [row.split("%")[1].strip() for row in section(text, "  operation")] == [
        "checkout",
        "report",
        "(outside any operation)",
    ]
    assert "95 %  MainThread" in text


def test_another_clock_gives_other_figures() -> None:
    assert profile_text(profile(), clock="wall").startswith("wall time: 5.05 s in 2.00 s")


def test_a_profile_of_samples_alone_counts_them() -> None:
    counted = StackProfile(value_types=(SAMPLES,), frames=(MAIN,), records=(StackRecord((0,), (1234,)),))
    assert profile_text(counted).startswith("samples: 1,234")


def test_what_was_lost_is_shown() -> None:
    assert "Lost: levels cut: 1,500" in profile_text(profile(lost={"levels cut": 1500}))


def test_an_empty_profile_says_so() -> None:
    assert profile_text(StackProfile()) == "No stacks were sampled.\n"


def test_a_clock_without_time_says_which_column_has_some() -> None:
    idle = profile(records=(StackRecord((0,), (4, 0, 9)),))
    assert "No CPU time was sampled. There is samples, wall." in profile_text(idle)


def test_rows_beyond_the_limit_are_summed_up() -> None:
    many = tuple(Frame(f"f{index}", "m.py", index) for index in range(30))
    records = tuple(StackRecord((index,), (1, 1_000_000, 1_000_000)) for index in range(30))
    text = profile_text(StackProfile(frames=many, records=records), rows=10)
    assert re.search(r"20\.0 ms +67 % +\(20 more\)", text)


def test_a_recursion_of_10_000_levels_is_one_line() -> None:
    deep = StackProfile(frames=(MAIN,), records=(StackRecord((0,) * 10_000, (1, 5, 5)),))
    assert len(section(profile_text(deep), "path (")) == 1


def test_paths_beyond_the_depth_are_counted() -> None:
    chain = tuple(Frame(f"f{index}", "m.py", index, index) for index in range(50))
    records = (StackRecord(tuple(range(50)), (1, 5, 5)),)
    text = profile_text(StackProfile(frames=chain, records=records), depth=10)
    assert "(1 paths go deeper than 10 levels)" in text


def test_colours_are_there_only_when_asked_for() -> None:
    assert "\033[" not in profile_text(profile())
    assert "\033[1mWork.step" in profile_text(profile(), colour=True)
    assert "\033[1m\033[2mloads" in profile_text(profile(), colour=True)


names = st.one_of(
    st.text(max_size=30),
    st.sampled_from(["a\nb", "\033[31mred", "x" * 10_000, "🐍" * 80, "\ud800", "e\u0301" * 90]),
)


@given(names, names, names, st.integers(0, 200))
@settings(max_examples=60)
def test_no_name_makes_a_line_wider_or_sends_a_control_sequence(
    function: str, file: str, thread: str, width: int
) -> None:
    frames = (Frame(function, file, 3, 1), MAIN)
    records = (StackRecord((0, 1), (1, 10, 10), thread, function), StackRecord((0,), (1, 10, 10)))
    text = profile_text(StackProfile(frames=frames, records=records, lost={thread: 3}), width=width)
    assert all(columns_of(line) <= max(width, NARROWEST) for line in text.split("\n"))
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", text)
    text.encode("utf-8")


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0 B"), (1023, "1,023 B"), (1536, "1.5 KiB"), (5 * 2**20, "5.0 MiB"), (-(2**30), "-1.0 GiB")],
)
def test_bytes_are_shown_in_the_unit_that_reads_best(value: int, shown: str) -> None:
    assert amount(value, ALLOCATED) == shown


def test_wide_characters_count_twice_and_what_is_cut_ends_in_an_ellipsis() -> None:
    assert clip("漢字漢字", 5) == "漢字…"
