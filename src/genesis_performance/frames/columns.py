"""Which column of values a question is about."""

from __future__ import annotations

from ..errors import UnknownNameError
from ..model.stacks import StackProfile

TIME_UNIT = "nanoseconds"


def column_index(profile: StackProfile, column: str) -> int:
    """Index of the column of that name.

    Raises:
        UnknownNameError: the profile has none; the message lists those it has.
    """
    try:
        return profile.column(column)
    except KeyError:
        known = ", ".join(kind.name for kind in profile.value_types) or "none"
        raise UnknownNameError(f"the profile has no column {column!r}; it has {known}") from None


def clock_column(profile: StackProfile, clock: str) -> int:
    """Index of the column that answers for a clock, ``"cpu"`` or ``"wall"``.

    The column of that name; without it the first one in nanoseconds; without one the first of all, because
    files of other tools often have a single column of samples.

    Raises:
        UnknownNameError: the profile has no columns at all.
    """
    kinds = profile.value_types
    for index, kind in enumerate(kinds):
        if kind.name == clock:
            return index
    for index, kind in enumerate(kinds):
        if kind.unit == TIME_UNIT:
            return index
    if not kinds:
        raise UnknownNameError(f"the profile has no column {clock!r}; it has no columns")
    return 0


def total(profile: StackProfile, column: int) -> int:
    """Sum of one column."""
    return sum([record.values[column] for record in profile.records])


def totals(profile: StackProfile) -> tuple[int, ...]:
    """Sums of all columns."""
    return tuple(total(profile, index) for index in range(len(profile.value_types)))
