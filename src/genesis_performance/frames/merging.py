"""Several profiles as one, and one profile in another measure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from ..errors import InvalidInputError
from ..model.stacks import StackProfile, StackRecord, ValueType
from .gathering import Gathering


def merged(profiles: Iterable[StackProfile]) -> StackProfile:
    """The sum of several profiles, of processes side by side or of runs one after another.

    It has every column that one of them has, 0 where another lacks it. The duration is from the first start
    to the last end where all starts are known, else the sum; the period is kept where all agree.

    Raises:
        InvalidInputError: none given, or one name of a column has two units.
    """
    given = tuple(profiles)
    if not given:
        raise InvalidInputError("no profiles to merge; give at least one")
    kinds: dict[str, ValueType] = {}
    for kind in (kind for profile in given for kind in profile.value_types):
        if kinds.setdefault(kind.name, kind) != kind:
            raise InvalidInputError(
                f"column {kind.name!r} is in {kinds[kind.name].unit} and in {kind.unit}; merge equal units"
            )
    made = Gathering(kinds.values())
    column = {name: index for index, name in enumerate(kinds)}
    lost: Counter[str] = Counter()
    for profile in given:
        lost.update(profile.lost)
        place = [made.frame(frame) for frame in profile.frames]
        to = [column[kind.name] for kind in profile.value_types]
        for stack, values, thread, operation in profile.records:
            row = [0] * len(kinds)
            for index, value in zip(to, values, strict=True):
                row[index] += value
            made.add(tuple([place[index] for index in stack]), row, thread, operation)
    starts = [profile.start_unix_ns for profile in given]
    duration_s = sum(profile.duration_s for profile in given)
    if all(starts):
        first = min(starts)
        duration_s = max((each.start_unix_ns - first) / 1e9 + each.duration_s for each in given)
    periods = {profile.period_ns for profile in given}
    return made.profile(
        start_unix_ns=min((start for start in starts if start), default=0),
        duration_s=duration_s,
        period_ns=periods.pop() if len(periods) == 1 else 0,
        lost=lost,
    )


def reweighted(
    profile: StackProfile,
    values: Callable[[StackRecord], Sequence[int]],
    value_types: Sequence[ValueType],
) -> StackProfile:
    """The same stacks in another measure, for example money instead of CPU time.

    Args:
        values: the new values of a record, one for each of ``value_types``.

    Raises:
        InvalidInputError: it gave another number of values.
    """
    made = Gathering(value_types)
    place = [made.frame(frame) for frame in profile.frames]
    for record in profile.records:
        row = tuple(values(record))
        if len(row) != len(made.value_types):
            raise InvalidInputError(
                f"{len(row)} values for a stack; {len(made.value_types)} value types were given"
            )
        made.add(tuple([place[index] for index in record.stack]), row, record.thread, record.operation)
    return made.like(profile)
