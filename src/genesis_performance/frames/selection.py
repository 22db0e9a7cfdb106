"""Parts of a profile: one operation, one thread; and which there are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..errors import UnknownNameError
from ..model.stacks import StackProfile, StackRecord
from .gathering import Gathering

SHOWN_NAMES = 20


def operation_weights(profile: StackProfile) -> dict[str, tuple[int, ...]]:
    """Operation to its sum of every column, ``""`` for what ran outside any; largest last column first."""
    return _weights(profile, lambda record: record.operation)


def thread_weights(profile: StackProfile) -> dict[str, tuple[int, ...]]:
    """Thread (or waiting task) to its sum of every column; largest last column first."""
    return _weights(profile, lambda record: record.thread)


def of_operation(profile: StackProfile, name: str) -> StackProfile:
    """The stacks in which an operation was the innermost; ``""`` for those outside any.

    Raises:
        UnknownNameError: nothing was sampled in it; the message lists the operations that were.
    """
    return _selected(profile, name, "operation", lambda record: record.operation)


def of_thread(profile: StackProfile, name: str) -> StackProfile:
    """The stacks of one thread or waiting task.

    Raises:
        UnknownNameError: the profile has no such thread; the message lists those it has.
    """
    return _selected(profile, name, "thread", lambda record: record.thread)


def without_threads(profile: StackProfile) -> StackProfile:
    """The threads added up; operations stay apart. Every sum stays."""
    made = Gathering(profile.value_types)
    place = [made.frame(frame) for frame in profile.frames]
    for stack, values, _, operation in profile.records:
        made.add(tuple([place[index] for index in stack]), values, "", operation)
    return made.like(profile)


def columns_only(profile: StackProfile, names: tuple[str, ...]) -> StackProfile:
    """The named columns in that order; the stacks stay, also where the columns left are 0.

    Raises:
        UnknownNameError: the profile has no such column.
    """
    from .columns import column_index

    kept = [column_index(profile, name) for name in names]
    return replace(
        profile,
        value_types=tuple(profile.value_types[index] for index in kept),
        records=tuple(
            record._replace(values=tuple([record.values[i] for i in kept])) for record in profile.records
        ),
    )


def _weights(profile: StackProfile, key: Callable[[StackRecord], str]) -> dict[str, tuple[int, ...]]:
    sums: dict[str, list[int]] = {}
    for record in profile.records:
        found = sums.setdefault(key(record), [0] * len(profile.value_types))
        for index, value in enumerate(record.values):
            found[index] += value
    ordered = sorted(sums.items(), key=lambda item: ([-value for value in reversed(item[1])], item[0]))
    return {name: tuple(values) for name, values in ordered}


def _selected(profile: StackProfile, name: str, what: str, key: Callable[[StackRecord], str]) -> StackProfile:
    made = Gathering(profile.value_types)
    place = [made.frame(frame) for frame in profile.frames]
    found = False
    for record in profile.records:
        if key(record) == name:
            found = True
            made.add(tuple([place[i] for i in record.stack]), record.values, record.thread, record.operation)
    if not found:
        known = [f"{each!r:.80}" for each in _weights(profile, key) if each]
        more = f" and {len(known) - SHOWN_NAMES} more" if len(known) > SHOWN_NAMES else ""
        shown = ", ".join(known[:SHOWN_NAMES]) or "none with a name"
        raise UnknownNameError(f"no samples of {what} {name!r:.80}; the profile has {shown}{more}")
    return made.like(profile)
