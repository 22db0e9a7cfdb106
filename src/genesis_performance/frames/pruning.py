"""Cut what is too small to matter, without losing its weight."""

from __future__ import annotations

from ..errors import InvalidInputError
from ..model.stacks import Frame, StackProfile
from .columns import column_index
from .gathering import Gathering

PRUNED = Frame("(pruned)", "")


def pruned(profile: StackProfile, min_share: float = 0.001, column: str = "cpu") -> StackProfile:
    """Each call path below ``min_share`` of a column's total ends in ``(pruned)``; all sums stay.

    Args:
        min_share: 0 to 1, of the sum of the column's magnitudes.

    Raises:
        InvalidInputError: the share is not within 0 and 1.
        UnknownNameError: the profile has no such column.
    """
    if not 0 <= min_share <= 1:
        raise InvalidInputError(f"min_share is {min_share}; it must be from 0 to 1")
    measured = column_index(profile, column)
    sizes: list[int] = [0]
    children: dict[tuple[int, int], int] = {}
    for stack, values, _, _ in profile.records:
        size, here = abs(values[measured]), 0
        sizes[0] += size
        for index in stack:
            found = children.get((here, index))
            if found is None:
                found = children[here, index] = len(sizes)
                sizes.append(0)
            here = found
            sizes[here] += size
    least = min_share * sizes[0]
    made = Gathering(profile.value_types)
    kept = [made.frame(frame) for frame in profile.frames]
    cut = made.frame(PRUNED)
    for stack, values, thread, operation in profile.records:
        here, path = 0, []
        for index in stack:
            here = children[here, index]
            if sizes[here] < least:
                path.append(cut)
                break
            path.append(kept[index])
        made.add(tuple(path), values, thread, operation)
    return made.like(profile)
