"""Metric series as the parts exchange them and the sinks write them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

_added = sum


class MetricKind(StrEnum):
    """Cloud Monitoring's metric kinds that we write."""

    GAUGE = "GAUGE"
    CUMULATIVE = "CUMULATIVE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """What a series measures. ``name`` is without domain and prefix: ``operation/duration``."""

    name: str
    kind: MetricKind
    value_type: str  # INT64, DOUBLE or DISTRIBUTION
    unit: str  # UCUM: "ms", "1", "By", "{request}"
    description: str = ""


class Distribution:
    """Explicit buckets: ``counts[i]`` values in ``[bounds[i-1], bounds[i])``, one more count than bounds.

    Most buckets of most distributions are empty, so what is kept are the counts of some of them that follow
    each other; ``counts`` is made of them when somebody asks. Never changed once it is made.

    Args:
        counts: of the buckets from ``first`` on; all others are empty.
        count: the sum of ``counts``, where it is known already.
    """

    __slots__ = ("bounds", "count", "filled", "first", "sum", "sum_of_squared_deviation")

    def __init__(  # noqa: PLR0917 - names would cost as much again, for each series at each export
        self,
        bounds: tuple[float, ...],
        counts: tuple[int, ...],
        sum: float,  # noqa: A002 - what OTLP and Cloud Monitoring call it
        sum_of_squared_deviation: float = 0.0,
        first: int = 0,
        count: int | None = None,
    ) -> None:
        self.bounds = bounds
        self.first = first
        self.filled = counts
        self.count = _added(counts) if count is None else count
        self.sum = sum
        self.sum_of_squared_deviation = sum_of_squared_deviation

    @property
    def counts(self) -> tuple[int, ...]:
        """Of every bucket."""
        after = len(self.bounds) + 1 - self.first - len(self.filled)
        if self.first or after:
            return (*(0,) * self.first, *self.filled, *(0,) * after)
        return self.filled

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Distribution) and self._all() == other._all()

    def __hash__(self) -> int:
        return hash(self._all())

    def __repr__(self) -> str:
        bounds, counts, summed, squares = self._all()
        return f"Distribution({bounds=}, {counts=}, sum={summed}, sum_of_squared_deviation={squares})"

    def _all(self) -> tuple[tuple[float, ...], tuple[int, ...], float, float]:
        return self.bounds, self.counts, self.sum, self.sum_of_squared_deviation


@dataclass(slots=True)
class Point:
    """One value of a series. ``start_unix_ns`` is None for gauges. Never changed once it is made."""

    end_unix_ns: int
    value: float | int | Distribution
    start_unix_ns: int | None = None


class Kept:
    """What the sink that a series goes to has made of its name and labels, for the next write.

    Attributes:
        by: who made it; another sink makes it anew.
    """

    __slots__ = ("by", "made")

    def __init__(self) -> None:
        self.by: object = None
        self.made: Any = None


@dataclass(slots=True)
class Series:
    """Points of one metric with one set of labels. Never changed once it is made.

    Args:
        kept: the same one for the same series at every export; None where nobody keeps it. It has no part in
            whether two series are equal.
    """

    metric: Metric
    labels: tuple[tuple[str, str], ...]
    points: tuple[Point, ...]
    kept: Kept | None = field(default=None, compare=False, repr=False)
