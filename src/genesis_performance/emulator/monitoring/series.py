"""Time series in memory: identity, points of the last day, and the rules between one point and the next.

Sources: the client's documentation of ``TimeInterval`` (order, resets), the quotas page (5 s between points,
200,000 active series for each monitored resource), and the texts in issue threads (``rules.py``).
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from .distribution import Distribution
from .messages import CUMULATIVE, DELTA
from .names import domain_of
from .times import display

Value = bool | int | float | str | Distribution

SECOND_NS = 1_000_000_000
MILLISECOND_NS = 1_000_000
MIN_SPACING_NS = 5 * SECOND_NS
ACTIVE_NS = 24 * 3600 * SECOND_NS
RETENTION_NS = 26 * 3600 * SECOND_NS  # a point may be written 25 h late, and is read for a while after
TRIM_EVERY = 256  # points


@dataclass(frozen=True, slots=True)
class Limits:
    """Quotas that a test may lower."""

    active_series: int = 200_000
    prometheus_active_series: int = 1_000_000
    custom_descriptors: int = 10_000
    other_descriptors: int = 25_000  # workload, external and prometheus together


class WriteError(Exception):
    """One point is refused; the others of the call are not."""

    def __init__(self, code: int, text: str, *, by_storage: bool = False) -> None:
        super().__init__(text)
        self.code = code  # google.rpc.Code
        self.text = text
        self.by_storage = by_storage  # refused by what is stored, not by its own form


@dataclass(frozen=True, slots=True)
class Identity:
    """What makes a series one of its own."""

    metric_type: str
    metric_labels: tuple[tuple[str, str], ...]  # sorted
    resource_type: str
    resource_labels: tuple[tuple[str, str], ...]  # sorted

    def pool(self) -> tuple[object, ...]:
        """Which active series are counted together: those of a resource; on ``global``, those of a metric."""
        if self.resource_type == "global":
            return ("global", self.metric_type)
        return (domain_of(self.metric_type), self.resource_type, self.resource_labels)


class Series:
    """One time series, oldest point first."""

    __slots__ = (
        "ends",
        "identity",
        "kind",
        "metric_labels",
        "resource_labels",
        "starts",
        "value_type",
        "values",
    )

    def __init__(self, identity: Identity, kind: int, value_type: int) -> None:
        self.identity = identity
        self.metric_labels = dict(identity.metric_labels)
        self.resource_labels = dict(identity.resource_labels)
        self.kind = kind
        self.value_type = value_type
        self.starts = array("q")
        self.ends = array("q")
        self.values: list[Value] = []

    @property
    def metric_type(self) -> str:
        return self.identity.metric_type

    @property
    def resource_type(self) -> str:
        return self.identity.resource_type

    def __len__(self) -> int:
        return len(self.ends)

    def append(self, start_ns: int, end_ns: int, value: Value, now_ns: int) -> None:
        """Add the newest point.

        Raises:
            WriteError: it is not newer, too soon after, or overlaps the one before.
        """
        if self.ends:
            self._check_order(start_ns, end_ns)
        self.starts.append(start_ns)
        self.ends.append(end_ns)
        self.values.append(value)
        if len(self.ends) % TRIM_EVERY == 0:
            self._trim(now_ns - RETENTION_NS)

    def _check_order(self, start_ns: int, end_ns: int) -> None:
        newest = self.ends[-1]
        if end_ns <= newest:
            raise WriteError(
                9,
                "Points must be written in order. One or more of the points specified had an older end time "
                "than the most recent point.",
                by_storage=True,
            )
        if end_ns - newest < MIN_SPACING_NS:
            raise WriteError(
                9,
                "One or more points were written more frequently than the maximum sampling period configured "
                f"for the metric. {{Metric: {self.metric_type}, Timestamps: "
                f"{{Youngest Existing: '{display(newest)}', New: '{display(end_ns)}'}}}}",
                by_storage=True,
            )
        continues = self.kind == CUMULATIVE and start_ns == self.starts[-1]
        if self.kind in {CUMULATIVE, DELTA} and not continues and start_ns < newest + MILLISECOND_NS:
            raise WriteError(
                9,
                "Points must be written in order. One or more of the points specified had an older start "
                "time "
                "than the most recent point.",
                by_storage=True,
            )

    def _trim(self, before_ns: int) -> None:
        keep_from = bisect_left(self.ends, before_ns)
        if keep_from:
            del self.starts[:keep_from], self.ends[:keep_from], self.values[:keep_from]

    def between(self, after_ns: int, until_ns: int) -> range:
        """Indices of the points that end in ``(after_ns, until_ns]``."""
        return range(bisect_right(self.ends, after_ns), bisect_right(self.ends, until_ns))


class SeriesStore:
    """The series of one project."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._by_type: dict[str, dict[Identity, Series]] = {}
        self._aliases: dict[tuple[bytes, bytes], Series] = {}
        self._pools: dict[tuple[object, ...], list[Series]] = {}
        self._full: dict[tuple[object, ...], int] = {}  # pool -> time of the last count that found it full
        self._swept_ns = 0
        self.versions: dict[str, int] = {}  # metric type -> number of writes, for those who watch

    def alias(self, key: tuple[bytes, bytes]) -> Series | None:
        """The series that was last written with exactly these bytes as metric and resource."""
        return self._aliases.get(key)

    def find(self, identity: Identity) -> Series | None:
        return self._by_type.get(identity.metric_type, {}).get(identity)

    def of_type(self, metric_type: str) -> Iterator[Series]:
        return iter(self._by_type.get(metric_type, {}).values())

    def types(self) -> Iterator[str]:
        return iter(self._by_type)

    def add(self, series: Series, now_ns: int) -> None:
        """Take in a series that is not stored yet.

        Raises:
            WriteError: its monitored resource has as many active series as it may have.
        """
        self._sweep(now_ns)
        identity = series.identity
        members = self._pools.setdefault(identity.pool(), [])
        limit = (
            self._limits.prometheus_active_series
            if domain_of(identity.metric_type) == "prometheus.googleapis.com"
            else self._limits.active_series
        )
        if len(members) >= limit:
            self._check_active(identity, members, limit, now_ns)
        members.append(series)
        self._by_type.setdefault(identity.metric_type, {})[identity] = series

    def remember(self, key: tuple[bytes, bytes], series: Series) -> None:
        self._aliases[key] = series

    def _check_active(self, identity: Identity, members: list[Series], limit: int, now_ns: int) -> None:
        pool = identity.pool()
        counted = self._full.get(pool)
        # Counting 200,000 series for every refused one would make a full pool slow: once a minute is enough.
        if counted is None or now_ns - counted > 60 * SECOND_NS:
            active = sum(1 for series in members if series.ends and series.ends[-1] > now_ns - ACTIVE_NS)
            if active < limit:
                self._full.pop(pool, None)
                return
            self._full[pool] = now_ns
        domain = domain_of(identity.metric_type).partition(".")[0]
        raise WriteError(
            8, f"Monitored resource has too many time series ({domain} metrics).", by_storage=True
        )

    def _sweep(self, now_ns: int) -> None:
        """Forget series whose newest point is older than anything a read could ask for."""
        if now_ns - self._swept_ns < RETENTION_NS // 26:
            return
        self._swept_ns = now_ns
        before = now_ns - RETENTION_NS
        stale = [
            series
            for group in self._by_type.values()
            for series in group.values()
            if not series.ends or series.ends[-1] < before
        ]
        if stale:
            self._drop(stale)

    def delete_type(self, metric_type: str) -> None:
        """Forget every series of a metric."""
        self._drop(list(self.of_type(metric_type)))
        self._by_type.pop(metric_type, None)
        self.versions[metric_type] = self.versions.get(metric_type, 0) + 1

    def _drop(self, gone: list[Series]) -> None:
        dropped = {id(series) for series in gone}
        for series in gone:
            self._by_type[series.metric_type].pop(series.identity, None)
        for pool in {series.identity.pool() for series in gone}:
            self._pools[pool] = [series for series in self._pools[pool] if id(series) not in dropped]
            self._full.pop(pool, None)
        self._aliases = {key: series for key, series in self._aliases.items() if id(series) not in dropped}


def resource_text(identity: Identity) -> str:
    """``generic_task{location:us-central1,...}``, as error texts show a resource."""
    labels = ",".join(f"{key}:{value}" for key, value in identity.resource_labels if key != "project_id")
    return f"{identity.resource_type}{{{labels}}}"
