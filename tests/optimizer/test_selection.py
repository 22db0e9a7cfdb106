"""The plan's choice is the best there is, whatever conflicts, prerequisites and limits say."""

from __future__ import annotations

from itertools import chain, combinations

from hypothesis import given
from hypothesis import strategies as st

from genesis_performance.optimizer.selection import Candidate, choose

IDS = "abcdefghij"


@st.composite
def candidates(draw: st.DrawFn) -> list[Candidate]:
    ids = IDS[: draw(st.integers(0, len(IDS)))]
    some = st.frozensets(st.sampled_from(ids + "?"), max_size=2) if ids else st.just(frozenset[str]())
    return [
        Candidate(
            id=i,
            value=draw(st.integers(-5, 50)),
            effort=draw(st.integers(0, 12)),
            requires=draw(some) - {i},
            conflicts_with=draw(some) - {"?"},
        )
        for i in ids
    ]


def _is_allowed(chosen: tuple[Candidate, ...], max_count: int, max_effort: int) -> bool:
    ids = {c.id for c in chosen}
    return (
        len(chosen) <= max_count
        and sum(c.effort for c in chosen) <= max_effort
        and all(c.requires <= ids for c in chosen)
        and not any(c.conflicts_with & ids - {c.id} for c in chosen)
    )


def _best(candidates: list[Candidate], max_count: int, max_effort: int) -> int:
    subsets = chain.from_iterable(combinations(candidates, n) for n in range(len(candidates) + 1))
    return max(sum(c.value for c in s) for s in subsets if _is_allowed(s, max_count, max_effort))


@given(candidates(), st.integers(1, 8), st.integers(0, 40))
def test_it_is_as_good_as_trying_everything(items: list[Candidate], max_count: int, max_effort: int) -> None:
    selection = choose(items, max_count=max_count, max_effort=max_effort)
    chosen = tuple(c for c in items if c.id in selection.ids)
    assert _is_allowed(chosen, max_count, max_effort)
    assert sum(c.value for c in chosen) == selection.value == _best(items, max_count, max_effort)
    assert selection.gap == 0.0


@given(candidates(), st.integers(1, 8), st.integers(0, 40))
def test_a_search_cut_short_is_within_the_gap_it_states(
    items: list[Candidate], max_count: int, max_effort: int
) -> None:
    selection = choose(items, max_count=max_count, max_effort=max_effort, max_nodes=3)
    chosen = tuple(c for c in items if c.id in selection.ids)
    assert _is_allowed(chosen, max_count, max_effort)
    best = _best(items, max_count, max_effort)
    assert selection.value <= best
    assert best * (1 - selection.gap) <= selection.value + 1e-9


def test_two_hundred_candidates_are_solved_within_their_limits() -> None:
    items = [
        Candidate(
            id=f"r{i}",
            value=(i * 7919) % 997 + 1,
            effort=(i * 104_729) % 83 + 1,
            conflicts_with=frozenset({f"r{i + 1}"}) if i % 5 == 0 else frozenset(),
            requires=frozenset({f"r{i - 3}"}) if i % 11 == 10 else frozenset(),
        )
        for i in range(200)
    ]
    selection = choose(items, max_count=20, max_effort=300)
    assert _is_allowed(tuple(c for c in items if c.id in selection.ids), 20, 300)
    assert selection.gap < 0.05
