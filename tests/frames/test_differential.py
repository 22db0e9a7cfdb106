"""The difference of two profiles: matched functions, ranks that explain it, and honest noise."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genesis_performance.errors import InvalidInputError
from genesis_performance.frames import difference
from genesis_performance.model.stacks import CPU, SAMPLES, Frame, StackProfile, StackRecord

PERIOD = 10_000_000


def profile(
    counts: dict[str, int], *, folder: str = "/srv/app", line: int = 10, **also: object
) -> StackProfile:
    """Functions below one main, with that many samples of 10 ms CPU each."""
    frames = (
        Frame("main", f"{folder}/main.py", 3, 1),
        *(Frame(n, f"{folder}/work.py", line, line) for n in counts),
    )
    records = tuple(
        StackRecord((0, index), (count, count * PERIOD, count * PERIOD))
        for index, count in enumerate(counts.values(), 1)
    )
    values = {"frames": frames, "records": records, "period_ns": PERIOD, "duration_s": 10.0} | also
    return StackProfile(**values)  # type: ignore[arg-type]


BASE = {"parse": 300, "query": 400, "render": 200, "log": 100}


def test_the_function_that_changed_comes_first_and_the_others_are_unchanged() -> None:
    found = difference(profile(BASE), profile(BASE | {"parse": 600}))
    assert found.rows[0].function == "parse"
    assert found.rows[0].explains == pytest.approx(1)
    assert [row.function for row in found.rows if row.beyond_noise] == ["parse", "main"]


def test_a_session_twice_as_long_is_no_change() -> None:
    found = difference(profile(BASE), profile({name: 2 * count for name, count in BASE.items()}))
    assert found.scale == pytest.approx(2)
    assert not any(row.beyond_noise for row in found.rows)


def test_absolute_takes_the_values_as_they_are() -> None:
    found = difference(profile({"f": 100}), profile({"f": 150}), basis="absolute")
    assert (found.scale, found.rows[0].self_change) == (1.0, 50 * PERIOD)


def test_per_second_takes_the_length_of_the_sessions_into_account() -> None:
    found = difference(profile({"f": 100}), profile({"f": 100}, duration_s=20.0), basis="second")
    assert found.rows[0].self_change == -100 * PERIOD


def test_lines_and_folders_that_moved_still_match() -> None:
    found = difference(profile(BASE), profile(BASE, folder="/elsewhere/checkout", line=99))
    assert len(found.rows) == len(BASE) + 1
    assert all(row.self_change == 0 for row in found.rows)


def test_two_files_of_one_name_match_by_their_folders() -> None:
    def two(root: str) -> StackProfile:
        frames = (Frame("load", f"{root}/a/models.py"), Frame("load", f"{root}/b/models.py"))
        records = (StackRecord((0,), (70, 70, 70)), StackRecord((1,), (30, 30, 30)))
        return StackProfile(frames=frames, records=records)

    found = difference(two("/old"), two("/new"), basis="absolute")
    assert sorted((row.self_before, row.self_after) for row in found.rows) == [(30, 30), (70, 70)]


def test_a_function_of_one_side_only_is_there_with_zero_on_the_other() -> None:
    found = difference(profile(BASE), profile(BASE | {"retry": 500}))
    assert (found.rows[0].function, found.rows[0].self_before) == ("retry", 0)


@pytest.mark.parametrize("sides", [(StackProfile(), profile(BASE)), (profile(BASE), StackProfile())])
def test_an_empty_side_is_said(sides: tuple[StackProfile, StackProfile]) -> None:
    found = difference(*sides)
    assert any("no samples" in note for note in found.notes)
    assert len(found.rows) == len(BASE) + 1


def test_two_empty_profiles_have_no_rows() -> None:
    assert difference(StackProfile(), StackProfile()).rows == ()


def test_a_change_of_three_samples_is_within_noise() -> None:
    found = difference(profile(BASE | {"log": 5}), profile(BASE | {"log": 8}))
    assert not any(row.beyond_noise for row in found.rows)


def test_without_a_count_of_samples_noise_is_not_judged() -> None:
    bare = StackProfile(value_types=(CPU,), frames=(Frame("f", "f.py"),), records=(StackRecord((0,), (5,)),))
    found = difference(bare, bare)
    assert found.rows[0].beyond_noise is None
    assert any("noise can not be judged" in note for note in found.notes)


def test_recursion_counts_once_in_the_totals() -> None:
    deep = StackProfile(frames=(Frame("f", "f.py"),), records=(StackRecord((0,) * 5, (9, 9, 9)),))
    assert difference(deep, deep).rows[0].total_after == 9


def test_false_discoveries_stay_below_their_rate() -> None:
    """Two samplings of one program: a comparison with any discovery is a false one."""
    chance = random.Random(7)
    weights = [2.0 ** -(index / 3) for index in range(30)]
    names = [f"f{index}" for index in range(30)]

    def sampled(count: int) -> StackProfile:
        drawn = chance.choices(names, weights, k=count)
        return profile({name: drawn.count(name) for name in names})

    wrong = sum(
        any(row.beyond_noise for row in difference(sampled(1_000), sampled(1_500)).rows) for _ in range(150)
    )
    assert wrong <= 15  # 5 % of 150 is 7.5; 15 or fewer with probability 0.996


def test_a_fifth_more_of_a_hot_function_is_found() -> None:
    many = {name: 10 * count for name, count in BASE.items()}
    found = difference(profile(many), profile(many | {"parse": 3_600}))
    assert found.rows[0].function == "parse"
    assert found.rows[0].beyond_noise


counts = st.dictionaries(st.sampled_from(["a", "b", "c", "d", "e"]), st.integers(0, 500), max_size=5)


@given(counts, counts, st.sampled_from(["matched", "share", "second", "absolute"]))
def test_self_changes_add_up_to_the_change_of_the_total(
    before: dict[str, int], after: dict[str, int], basis: str
) -> None:
    found = difference(profile(before), profile(after), basis=basis)
    change = found.total_after - found.scale * found.total_before
    assert sum(row.self_change for row in found.rows) == pytest.approx(change, abs=1)
    explained = sum(row.explains for row in found.rows)
    assert explained == pytest.approx(1) or all(row.self_change == 0 for row in found.rows)


def test_an_unknown_basis_lists_the_known_ones() -> None:
    with pytest.raises(InvalidInputError, match="matched, share, second, absolute"):
        difference(profile(BASE), profile(BASE), basis="magic")


def test_columns_of_different_units_are_not_compared() -> None:
    counted = StackProfile(value_types=(SAMPLES,))
    with pytest.raises(InvalidInputError, match="one unit"):
        difference(profile(BASE), counted)


def test_per_second_needs_durations() -> None:
    with pytest.raises(InvalidInputError, match="no duration"):
        difference(profile(BASE), profile(BASE, duration_s=0.0), basis="second")


def test_too_few_functions_to_match_are_compared_by_share_and_it_is_said() -> None:
    found = difference(profile({"f": 100}), profile({"f": 300}))
    assert (found.basis, found.scale) == ("share", 3.0)
    assert any("shares compared" in note for note in found.notes)
