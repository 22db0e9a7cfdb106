"""Metric series as the parts exchange them and the sinks write them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """Explicit buckets: ``counts[i]`` values in ``[bounds[i-1], bounds[i])``, one more count than bounds."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    sum: float
    sum_of_squared_deviation: float = 0.0

    @property
    def count(self) -> int:
        return sum(self.counts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One value of a series. ``start_unix_ns`` is None for gauges."""

    end_unix_ns: int
    value: float | int | Distribution
    start_unix_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Points of one metric with one set of labels."""

    metric: Metric
    labels: tuple[tuple[str, str], ...]
    points: tuple[Point, ...]
