"""The table of functions: how much each took itself, and with what it called."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from ..model.stacks import Frame, StackProfile
from .columns import column_index
from .functions import function_of


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionTime:
    """One function in one column of a profile, in that column's unit."""

    function: str
    file: str
    first_line: int
    self_value: int  # of samples in which it ran itself
    total_value: int  # of samples in which it was anywhere on the stack, counted once under recursion
    hottest_line: int  # the line of it that most of the total went through; 0 where lines are not known
    hottest_value: int


def self_times(profile: StackProfile, column: str = "cpu") -> tuple[FunctionTime, ...]:
    """Every function of the profile, the largest self value first.

    The self values add up to the column's total.

    Raises:
        UnknownNameError: the profile has no such column.
    """
    measured = column_index(profile, column)
    numbers: dict[Frame, int] = {}
    function = [numbers.setdefault(function_of(frame), len(numbers)) for frame in profile.frames]
    own, total = [0] * len(numbers), [0] * len(numbers)
    by_frame = [0] * len(profile.frames)
    for stack, values, _, _ in profile.records:
        value = values[measured]
        if not stack or not value:
            continue
        own[function[stack[-1]]] += value
        indices = set(stack)
        for index in indices:
            by_frame[index] += value
        for each in {function[index] for index in indices}:
            total[each] += value
    by_line: list[dict[int, int]] = [defaultdict(int) for _ in numbers]
    for index, frame in enumerate(profile.frames):
        by_line[function[index]][frame.line] += by_frame[index]
    rows = []
    for frame, number in numbers.items():
        line, value = max(by_line[number].items(), key=lambda item: (item[1], -item[0]))
        rows.append(
            FunctionTime(
                function=frame.function,
                file=frame.file,
                first_line=frame.first_line,
                self_value=own[number],
                total_value=total[number],
                hottest_line=line,
                hottest_value=value,
            )
        )
    rows.sort(key=lambda row: (-row.self_value, -row.total_value, row.function, row.file, row.first_line))
    return tuple(rows)
