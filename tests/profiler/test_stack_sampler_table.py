"""Counts by stack: sums are exact, a session's part is a difference, and nothing grows without end."""

from collections import Counter
from types import CodeType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genesis_performance.model.stacks import StackProfile
from genesis_performance.profiler import stack_table
from genesis_performance.profiler.stack_table import Mark, StackTable, line_of

CODES = [compile(f"\n\ndef f{n}():\n    pass\n", f"m{n}.py", "exec").co_consts[0] for n in range(4)]

observations = st.lists(
    st.tuples(
        st.integers(0, 3),  # stack
        st.sampled_from(["a", "b"]),  # thread
        st.sampled_from(["", "read"]),  # operation
        st.booleans(),  # whether it computed
        st.integers(0, 10**9),  # CPU used
    ),
    max_size=40,
)


def count(table: StackTable, observed: list[tuple[int, str, str, bool, int]]) -> None:
    for stack, name, operation, computed, used_ns in observed:
        number = table.number((CODES[stack], 0))
        row = table.row((number, name, operation))
        row[0] += 1
        row[1] += 1000 if computed else 0
        row[2] += 1000
        row[3] += used_ns


def profile(table: StackTable, counted: Mark) -> StackProfile:
    return table.profile(counted, start_unix_ns=0, duration_s=1.0, period_ns=1, lost=Counter())


@given(observations)
def test_cpu_of_a_thread_adds_up_to_what_its_clock_said(
    observed: list[tuple[int, str, str, bool, int]],
) -> None:
    table = StackTable()
    count(table, observed)
    records = profile(table, table.since(StackTable().mark())).records
    for name in ("a", "b"):
        said = sum(used for _, thread, _, _, used in observed if thread == name)
        got = sum(record.values[1] for record in records if record.thread == name)
        assert said - len(records) <= got <= said  # each record is rounded down


@given(observations, observations)
def test_a_sessions_part_is_what_was_counted_since_its_mark(
    before: list[tuple[int, str, str, bool, int]], within: list[tuple[int, str, str, bool, int]]
) -> None:
    table, alone = StackTable(), StackTable()
    count(table, before)
    mark = table.mark()
    count(table, within)
    count(alone, within)
    ours, expected = (
        {
            (
                tuple(each.frames[index] for index in record.stack),
                record.thread,
                record.operation,
            ): record.values
            for record in each.records
        }
        for each in (profile(table, table.since(mark)), profile(alone, alone.since(StackTable().mark())))
    )
    assert ours == expected


@given(observations)
def test_records_are_distinct(observed: list[tuple[int, str, str, bool, int]]) -> None:
    table = StackTable()
    count(table, observed)
    records = profile(table, table.since(StackTable().mark())).records
    keys = [(record.stack, record.thread, record.operation) for record in records]
    assert len(keys) == len(set(keys))


def test_two_places_in_one_line_are_one_record() -> None:
    code: CodeType = compile("a = [1, 2]; b = [3, 4]", "one_line.py", "exec")
    table = StackTable()
    for offset in (2, len(code.co_code) - 2):
        table.row((table.number((code, offset)), "a", ""))[0] += 1
    (record,) = profile(table, table.since(StackTable().mark())).records
    assert record.values[0] == 2


def test_stacks_beyond_the_cap_are_counted_together_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack_table, "MAX_STACKS", 2)
    table = StackTable()
    mark = table.mark()
    count(table, [(stack, "a", "", True, 5) for stack in range(4)])
    made = profile(table, table.since(mark))
    assert sum(record.values[0] for record in made.records) == 4
    assert "(other stacks)" in {frame.function for frame in made.frames}
    assert sum(made.lost.values()) == 2


def test_a_coroutine_that_has_not_begun_is_at_its_first_line() -> None:
    async def waits() -> None: ...

    assert line_of(waits.__code__, -1) == waits.__code__.co_firstlineno
