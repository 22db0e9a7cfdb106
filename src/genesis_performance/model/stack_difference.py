"""What changed between two profiles, function by function."""

from __future__ import annotations

from dataclasses import dataclass

from .stacks import ValueType


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionDifference:
    """One function before and after. Values are in the unit of the difference's column."""

    function: str
    file: str  # where it is after; before, if it is gone
    line: int  # its first line there; 0 where it is not known
    self_before: int
    self_after: int
    total_before: int  # with what it called; counted once under recursion
    total_after: int
    self_change: float  # after minus before, with before scaled by the difference's scale
    total_change: float
    explains: float  # 0 to 1: its part of all self changes, ups and downs added as magnitudes
    self_p: float | None  # probability of a change at least as large from sampling alone; None: not known
    total_p: float | None
    beyond_noise: bool | None  # the self or the total change is; None where the samples are not known

    @property
    def self_difference(self) -> int:
        """After minus before as measured, not scaled."""
        return self.self_after - self.self_before

    @property
    def total_difference(self) -> int:
        return self.total_after - self.total_before


@dataclass(frozen=True, slots=True, kw_only=True)
class StackDifference:
    """Two profiles compared in one column; the function that explains most comes first."""

    column: ValueType
    basis: str  # "matched", "share", "second" or "absolute"
    scale: float  # that before is multiplied by; 1.0 where nothing is scaled
    total_before: int
    total_after: int
    samples_before: float | None  # that the column's weight stands for; None where it is not known
    samples_after: float | None
    duration_before_s: float
    duration_after_s: float
    rows: tuple[FunctionDifference, ...]
    notes: tuple[str, ...] = ()  # what limits the comparison, in words
