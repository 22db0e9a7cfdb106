"""What was recorded of one series, and how that of several threads, processes and files adds up.

A value is never changed once it is there: that of a counter is a number, that of a gauge when it was set and
to what, that of a distribution a ``Distribution``. Values add up in any order, and with ``negated`` what is
known twice is taken away again. Counts are exact. Squared deviations are added up about the common mean, as
in Chan, Golub and LeVeque, Updating formulae and a pairwise algorithm for computing sample variances (1979).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import add
from typing import Any

from ..model.series import Distribution
from .blocks import BOUNDS, COUNTER, DISTRIBUTION, GAUGE, OPERATION, SeriesKey


class OperationTotal:
    """Executions by bucket of their duration, how many failed, and their time."""

    __slots__ = ("buckets", "errors", "sum_ns")

    def __init__(self, buckets: dict[int, int] | None = None, errors: int = 0, sum_ns: int = 0) -> None:
        self.buckets = buckets or {}
        self.errors = errors
        self.sum_ns = sum_ns


class Known:
    """A series: its value so far, its unit, and when it began.

    ``value`` is that of the last time, None until there is one.
    """

    __slots__ = ("key", "start_unix_ns", "unit", "value")

    def __init__(self, key: SeriesKey, value: Any, unit: str, start_unix_ns: int) -> None:
        self.key = key
        self.value = value
        self.unit = unit
        self.start_unix_ns = start_unix_ns

    def read(self) -> Any:
        """The value by now."""
        return self.value


Totals = dict[SeriesKey, Known]

EMPTY = Distribution(BOUNDS, (), 0.0)
_NOTHING = {COUNTER: 0.0, GAUGE: (0.0, 0.0), DISTRIBUTION: EMPTY, OPERATION: OperationTotal()}


def added_up(kind: int, values: Sequence[Any]) -> Any:
    """The value of a series of which these are parts."""
    if kind == COUNTER:
        return sum(values)
    if kind == GAUGE:  # set last
        found = _NOTHING[GAUGE]
        for value in values:
            if value[0] >= found[0]:  # type: ignore[index]
                found = value
        return found
    return _distributions(values) if kind == DISTRIBUTION else _operations(values)


def negated(kind: int, value: Any) -> Any:
    """What takes the value away again when it is added; what a gauge was set to can not be taken away."""
    if kind == COUNTER:
        return -value
    if kind == GAUGE:
        return _NOTHING[GAUGE]
    if kind == DISTRIBUTION:
        counts = tuple(-count for count in value.filled)
        return Distribution(
            BOUNDS, counts, -value.sum, -value.sum_of_squared_deviation, value.first, -value.count
        )
    buckets = {index: -count for index, count in value.buckets.items()}
    return OperationTotal(buckets, -value.errors, -value.sum_ns)


def _distributions(values: Sequence[Distribution]) -> Distribution:
    parts = [value for value in values if value.filled]
    if len(parts) < 2:
        return parts[0] if parts else EMPTY
    first = min(part.first for part in parts)
    counts = [0] * (max(part.first + len(part.filled) for part in parts) - first)
    for part in parts:
        at, filled = part.first - first, part.filled
        counts[at : at + len(filled)] = map(add, counts[at : at + len(filled)], filled)
    count = sum(part.count for part in parts)
    if not count:
        return Distribution(BOUNDS, tuple(counts), 0.0, 0.0, first, 0)
    total = sum(part.sum for part in parts)
    mean = total / count
    squares = sum(
        part.sum_of_squared_deviation + part.count * (part.sum / part.count - mean) ** 2
        for part in parts
        if part.count
    )
    return Distribution(BOUNDS, tuple(counts), total, squares, first, count)


def _operations(values: Sequence[OperationTotal]) -> OperationTotal:
    total = OperationTotal()
    buckets = total.buckets
    for value in values:
        total.errors += value.errors
        total.sum_ns += value.sum_ns
        for index, count in value.buckets.items():
            buckets[index] = buckets.get(index, 0) + count
    return total


class _Sum(Known):
    """A series that is known from several places."""

    __slots__ = ("parts",)

    def __init__(self, one: Known, key: SeriesKey) -> None:
        super().__init__(key, None, one.unit, one.start_unix_ns)
        self.parts: list[Known] = []

    def take(self, one: Known) -> None:
        self.parts.append(one)
        self.start_unix_ns = min(self.start_unix_ns, one.start_unix_ns)

    def read(self) -> Any:
        kind = self.key.kind
        self.value = without_negative(added_up(kind, [part.read() for part in self.parts]))
        return self.value


class Sums:
    """Adds up what several places know of each series, again and again.

    A place is a list of what is known there. It only grows.
    """

    def __init__(self) -> None:
        self.totals: Totals = {}
        self._wholes: dict[SeriesKey, _Sum] = {}  # those of them that were made here
        self._places: list[list[Known]] = []
        self._taken: list[int] = []

    def of(self, places: Sequence[list[Known]]) -> Totals:
        """All of them together; the same dictionary as before when there are no new series."""
        before = self._places
        if len(before) != len(places) or any(a is not b for a, b in zip(before, places, strict=True)):
            self.totals, self._wholes = {}, {}
            self._places, self._taken = list(places), [0] * len(places)
        if any(len(place) > taken for place, taken in zip(places, self._taken, strict=True)):
            self.totals = dict(self.totals)
            for index, place in enumerate(places):
                for known in place[self._taken[index] :]:
                    self.take(known.key, known)
                self._taken[index] = len(place)
        return self.totals

    def take(self, key: SeriesKey, known: Known) -> None:
        """Add a part to a series."""
        there = self.totals.get(key)
        if there is None and known.key is key and not _has_negative(known.read()):
            self.totals[key] = known
            return
        whole = self._wholes.get(key)
        if whole is None:
            whole = self._wholes[key] = self.totals[key] = _Sum(there or known, key)
            if there is not None:
                whole.take(there)
        whole.take(known)


def less(totals: Totals, then: Mapping[SeriesKey, Any]) -> Totals:
    """What has happened since these values."""
    since = dict(totals)
    for key, before in then.items():
        known = totals.get(key)
        if known is not None:
            value = without_negative(added_up(key.kind, (known.read(), negated(key.kind, before))))
            since[key] = Known(key, value, known.unit, known.start_unix_ns)
    return since


def add_all(totals: Totals, others: Iterable[Known], sign: int = 1) -> None:
    """Add (or, with -1, take away) every one of ``others``."""
    for other in others:
        key = other.key
        value = other.read() if sign > 0 else negated(key.kind, other.read())
        known, start = totals.get(key), other.start_unix_ns
        if known is not None:
            value, start = added_up(key.kind, (known.read(), value)), min(start, known.start_unix_ns)
        totals[key] = Known(key, value, other.unit, start)


def without_negative(value: Any) -> Any:
    """A distribution with 0 for what is below it: something was taken away that is not there any more."""
    if not _has_negative(value):
        return value
    counts = tuple(max(count, 0) for count in value.filled)
    return Distribution(BOUNDS, counts, value.sum, max(value.sum_of_squared_deviation, 0.0), value.first)


def _has_negative(value: Any) -> bool:
    return isinstance(value, Distribution) and (
        min(value.filled, default=0) < 0 or value.sum_of_squared_deviation < 0
    )


def state(totals: Totals) -> list[Any]:
    """As values of JSON."""
    return [
        [*key, known.unit, known.start_unix_ns, _numbers(key.kind, known.read())]
        for key, known in totals.items()
    ]


def restored(values: list[Any]) -> Totals:
    """The inverse of ``state``."""
    totals: Totals = {}
    for kind, name, labels, unit, start_unix_ns, numbers in values:
        key = SeriesKey(kind, name, tuple((label, text) for label, text in labels))
        totals[key] = Known(key, _value(kind, numbers), unit, start_unix_ns)
    return totals


def _numbers(kind: int, value: Any) -> list[Any]:
    if kind == COUNTER:
        return [value]
    if kind == GAUGE:
        return list(value)
    if kind == OPERATION:
        return [list(value.buckets.items()), value.errors, value.sum_ns]
    counts = [(index, count) for index, count in enumerate(value.filled, value.first) if count]
    mean = value.sum / value.count if value.count else 0.0
    return [counts, mean, value.sum_of_squared_deviation]


def _value(kind: int, numbers: list[Any]) -> Any:
    if kind == COUNTER:
        (total,) = numbers
        return total
    if kind == GAUGE:
        set_at, last = numbers
        return set_at, last
    counts, first, second = numbers
    if kind == OPERATION:
        return OperationTotal(dict(counts), first, second)
    if kind != DISTRIBUTION:
        raise ValueError(f"there is no kind {kind!r} of series")
    return sparse(dict(counts), first * sum(count for _, count in counts), second)


def sparse(counts: Mapping[int, int], total: float, squares: float) -> Distribution:
    """A distribution over ``BOUNDS`` of counts by bucket."""
    known = {index: count for index, count in counts.items() if 0 <= index <= len(BOUNDS)}
    first, last = min(known, default=0), max(known, default=-1)
    filled = tuple(known.get(index, 0) for index in range(first, last + 1))
    return Distribution(BOUNDS, filled, total, squares, first)
