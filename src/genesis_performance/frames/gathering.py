"""Make a profile piece by piece: equal frames are kept once, equal stacks are added up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ..errors import InvalidInputError
from ..model.stacks import Frame, StackProfile, StackRecord, ValueType

MOST_LEVELS = 20_000_000
"""Levels of all distinct stacks together: bounds what a file made to exhaust memory can ask for."""


class Gathering:
    """Collects stacks for a new profile.

    Raises:
        InvalidInputError: the distinct stacks together have more than ``MOST_LEVELS`` levels.
    """

    __slots__ = ("_columns", "_frames", "_levels", "_records", "frames", "value_types")

    def __init__(self, value_types: Iterable[ValueType]) -> None:
        self.value_types = tuple(value_types)
        self.frames: list[Frame] = []
        self._columns = len(self.value_types)
        self._frames: dict[Frame, int] = {}
        self._records: dict[tuple[tuple[int, ...], str, str], list[int]] = {}
        self._levels = 0

    def frame(self, frame: Frame) -> int:
        """Index of a frame, which is new or was given before."""
        index = self._frames.get(frame)
        if index is None:
            index = self._frames[frame] = len(self.frames)
            self.frames.append(frame)
        return index

    def add(
        self, stack: tuple[int, ...], values: Sequence[int], thread: str = "", operation: str = ""
    ) -> None:
        """Count a stack, given by indices of frames from the root on."""
        key = (stack, thread, operation)
        found = self._records.get(key)
        if found is None:
            self._levels += len(stack)
            if self._levels > MOST_LEVELS:
                raise InvalidInputError(
                    f"its stacks have more than {MOST_LEVELS:,} levels together; record for a shorter time"
                )
            self._records[key] = list(values)
            return
        for index in range(self._columns):
            found[index] += values[index]

    def profile(
        self,
        *,
        start_unix_ns: int = 0,
        duration_s: float = 0.0,
        period_ns: int = 0,
        lost: Mapping[str, int] | None = None,
    ) -> StackProfile:
        """What was gathered, in the order in which it came; frames that no stack has are left out."""
        used = sorted({index for stack, _, _ in self._records for index in stack})
        frames, records = self.frames, self._records
        if len(used) < len(frames):
            place = {old: new for new, old in enumerate(used)}
            frames = [frames[old] for old in used]
            records = {(tuple([place[i] for i in s]), t, o): v for (s, t, o), v in records.items()}
        return StackProfile(
            value_types=self.value_types,
            frames=tuple(frames),
            records=tuple(
                [StackRecord(stack, tuple(values), t, o) for (stack, t, o), values in records.items()]
            ),
            start_unix_ns=start_unix_ns,
            duration_s=duration_s,
            period_ns=period_ns,
            lost={what: count for what, count in (lost or {}).items() if count},
        )

    def like(self, profile: StackProfile) -> StackProfile:
        """What was gathered, with the times and losses of the profile that it was made of."""
        return self.profile(
            start_unix_ns=profile.start_unix_ns,
            duration_s=profile.duration_s,
            period_ns=profile.period_ns,
            lost=profile.lost,
        )
