"""What was recorded of one series, added up over threads, processes and files.

Everything here can be added in any order and taken away again, so that what is known twice can be
subtracted. Counts are exact. Deviations are added after Chan, Golub and LeVeque, Updating formulae and a
pairwise algorithm for computing sample variances (1979).
"""

from __future__ import annotations

import math
from typing import Any

from .blocks import COUNTER, DISTRIBUTION, GAUGE, OPERATION, SeriesKey


class Total:
    """Of a counter; the base of the others."""

    __slots__ = ("total",)
    kind = COUNTER

    def __init__(self, total: float = 0.0) -> None:
        self.total = total

    def add(self, other: Any, sign: int = 1) -> None:
        self.total += sign * other.total

    def state(self) -> list[Any]:
        """What ``restored`` makes the same of."""
        return [self.total]


class GaugeTotal(Total):
    """The value that was set last."""

    __slots__ = ("set_at",)
    kind = GAUGE

    def __init__(self, set_at: float = 0.0, total: float = 0.0) -> None:
        super().__init__(total)
        self.set_at = set_at

    def add(self, other: Any, sign: int = 1) -> None:
        if sign > 0 and other.set_at >= self.set_at:
            self.set_at, self.total = other.set_at, other.total

    def state(self) -> list[Any]:
        return [self.set_at, self.total]


class DistributionTotal(Total):
    """Counts by bucket, mean and sum of squared deviations."""

    __slots__ = ("counts", "mean", "squares")
    kind = DISTRIBUTION

    def __init__(self, counts: dict[int, int] | None = None, mean: float = 0.0, squares: float = 0.0) -> None:
        super().__init__()
        self.counts = counts or {}
        self.mean = mean
        self.squares = squares

    @property
    def count(self) -> int:
        return sum(self.counts.values())

    def add(self, other: Any, sign: int = 1) -> None:
        mine, theirs = self.count, sign * other.count
        for index, count in other.counts.items():
            self.counts[index] = self.counts.get(index, 0) + sign * count
        both = mine + theirs
        if both:
            apart = other.mean - self.mean
            self.mean += apart * theirs / both
            self.squares += sign * other.squares + apart * apart * (mine * theirs / both)
        else:
            self.mean = self.squares = 0.0

    def state(self) -> list[Any]:
        return [list(self.counts.items()), self.mean, self.squares]


class OperationTotal(Total):
    """Executions by bucket of their duration, how many failed, and their time."""

    __slots__ = ("buckets", "errors", "sum_ns")
    kind = OPERATION

    def __init__(self, buckets: dict[int, int] | None = None, errors: int = 0, sum_ns: int = 0) -> None:
        super().__init__()
        self.buckets = buckets or {}
        self.errors = errors
        self.sum_ns = sum_ns

    def add(self, other: Any, sign: int = 1) -> None:
        self.errors += sign * other.errors
        self.sum_ns += sign * other.sum_ns
        for index, count in other.buckets.items():
            self.buckets[index] = self.buckets.get(index, 0) + sign * count

    def state(self) -> list[Any]:
        return [list(self.buckets.items()), self.errors, self.sum_ns]


class Known:
    """A series with its total, its unit, and when it began."""

    __slots__ = ("start_unix_ns", "total", "unit")

    def __init__(self, total: Total, unit: str, start_unix_ns: int) -> None:
        self.total = total
        self.unit = unit
        self.start_unix_ns = start_unix_ns


Totals = dict[SeriesKey, Known]

_KINDS: dict[int, type[Total]] = {
    one.kind: one for one in (Total, GaugeTotal, DistributionTotal, OperationTotal)
}


def nothing(kind: int) -> Total:
    """The total of a series of which nothing was recorded."""
    return _KINDS[kind]()


def add_all(totals: Totals, others: Totals, sign: int = 1) -> None:
    """Add (or, with -1, take away) every series of ``others``."""
    for key, other in others.items():
        known = totals.get(key)
        if known is None:
            known = totals[key] = Known(nothing(key.kind), other.unit, other.start_unix_ns)
        known.total.add(other.total, sign)
        known.start_unix_ns = min(known.start_unix_ns, other.start_unix_ns)


def state(totals: Totals) -> list[Any]:
    """As values of JSON."""
    return [[*key, known.unit, known.start_unix_ns, known.total.state()] for key, known in totals.items()]


def restored(values: list[Any]) -> Totals:
    """The inverse of ``state``."""
    totals: Totals = {}
    for kind, name, labels, unit, start_unix_ns, numbers in values:
        if isinstance(numbers[0], list):
            numbers[0] = dict(numbers[0])
        key = SeriesKey(kind, name, tuple((label, text) for label, text in labels))
        totals[key] = Known(_KINDS[kind](*numbers), unit, start_unix_ns)
    return totals


def moments(count: int, shift: float, summed: float, squared: float) -> tuple[float, float]:
    """Mean and sum of squared deviations of values of which sums relative to ``shift`` are known."""
    if not count:
        return 0.0, 0.0
    apart = summed / count
    squares = squared - summed * apart
    return shift + apart, squares if math.isfinite(squares) and squares > 0 else 0.0
