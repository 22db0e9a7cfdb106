"""Metrics recorded by name: distributions, counters and gauges, aggregated in memory.

Recording makes no system call and never raises; what can not be recorded is counted, and logged at most
once a minute for each reason. A signal or a finaliser that records in the middle of recording is fine.

The values of a distribution go into fixed buckets (``BOUNDS``): count, sum and deviation are exact, a
quantile is within 8 %, and values below 0.0001, negative ones too, share the first bucket.
"""

from __future__ import annotations

import contextlib
import logging
import math
import threading
from bisect import bisect_right
from collections.abc import Callable, Mapping

from ..model.series import Distribution, Metric, MetricKind, Point, Series
from .catalog import ENVIRONMENT, OVERFLOW, SERVICE, STANDARD, legal_name, unit_of
from .labels import Labels, clean_labels
from .limits import Complaints, SeriesBudget
from .redaction import redact

log = logging.getLogger(__name__)

BOUNDS = tuple(float(f"{10 ** (-4 + step / 16):.4g}") for step in range(12 * 16 + 1))
"""16 buckets a decade, from 0.0001 to 100 million: 193 bounds, Cloud Monitoring takes 199."""

LARGEST = 1e150
"""Beyond it the squares of a deviation overflow; no measurement is so large."""

MAX_METRICS = 500
"""Different names in one process; a project holds 10,000 (https://cloud.google.com/monitoring/quotas)."""

LOCK_PATIENCE_S = 0.2
"""A reader waits so long for a cell. Longer only when a signal handler interrupted the writer and waits for
the reader: then it reads without the lock and may miss that one record."""

MILLISECOND_NS = 1_000_000
DISTRIBUTION, COUNTER, GAUGE = "distribution", "counter", "gauge"


class Cell:
    """One series: its lock, and what was recorded since the process started."""

    __slots__ = ("labels", "lock", "metric")

    def __init__(self, metric: Metric, labels: Labels) -> None:
        self.metric = metric
        self.labels = labels
        self.lock = threading.RLock()  # re-entrant: a finaliser may record while this thread records

    def record(self, value: float) -> None:
        raise NotImplementedError

    def read(self) -> float | Distribution | None:
        raise NotImplementedError

    def clear(self) -> None:
        raise NotImplementedError


class DistributionCell(Cell):
    __slots__ = ("_made", "counts", "mean", "squares", "total")

    def __init__(self, metric: Metric, labels: Labels) -> None:
        super().__init__(metric, labels)
        self.clear()

    def clear(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.total = 0
        self.mean = self.squares = 0.0
        self._made: tuple[int, Distribution] | None = None

    def record(self, value: float) -> None:
        index = bisect_right(BOUNDS, value)
        with self.lock:
            self.counts[index] += 1
            self.total += 1
            # Welford, Technometrics 1962: the deviation without a second pass, and without overflow of a sum.
            step = value - self.mean
            self.mean += step / self.total
            self.squares += step * (value - self.mean)

    def read(self) -> Distribution | None:
        if not self.total:
            return None
        if self._made is None or self._made[0] != self.total:
            counts = tuple(self.counts)
            made = Distribution(
                bounds=BOUNDS,
                counts=counts,
                sum=self.mean * self.total,
                sum_of_squared_deviation=self.squares if math.isfinite(self.squares) else 0.0,
            )
            self._made = (self.total, made)
        return self._made[1]


class CounterCell(Cell):
    __slots__ = ("total",)

    def __init__(self, metric: Metric, labels: Labels) -> None:
        super().__init__(metric, labels)
        self.clear()

    def clear(self) -> None:
        self.total = 0.0

    def record(self, value: float) -> None:
        with self.lock:
            self.total += value

    def read(self) -> float:
        return self.total


class GaugeCell(Cell):
    __slots__ = ("last",)

    def __init__(self, metric: Metric, labels: Labels) -> None:
        super().__init__(metric, labels)
        self.clear()

    def clear(self) -> None:
        self.last: float | None = None

    def record(self, value: float) -> None:
        self.last = value

    def read(self) -> float | None:
        return self.last


_CELLS: dict[str, tuple[type[Cell], MetricKind, str]] = {
    DISTRIBUTION: (DistributionCell, MetricKind.CUMULATIVE, "DISTRIBUTION"),
    COUNTER: (CounterCell, MetricKind.CUMULATIVE, "DOUBLE"),
    GAUGE: (GaugeCell, MetricKind.GAUGE, "DOUBLE"),
}


class MetricBuffer:
    """The recorded series of one process.

    Args:
        service, environment: labels of every series that does not say its own.
        budget: of series; later label sets of a metric are recorded under the label value ``__other__``.
        unix_ns: the clock that the first point starts at.
    """

    def __init__(
        self,
        *,
        service: str,
        environment: str,
        budget: SeriesBudget,
        complaints: Complaints,
        unix_ns: Callable[[], int],
    ) -> None:
        self.recorded = 0
        self._fixed: Labels = ((ENVIRONMENT, environment), (SERVICE, service))
        self._budget = budget
        self._complaints = complaints
        self._unix_ns = unix_ns
        self._start_unix_ns = unix_ns() - MILLISECOND_NS  # an interval must not be empty
        self._lock = threading.RLock()
        self._kinds: dict[str, str] = {}
        self._metrics: dict[str, Metric] = {}
        self._cells: dict[tuple[str, Labels], Cell] = {}
        self._aliases: dict[object, Cell] = {}  # as the caller wrote it -> cell

    def record(
        self,
        name: str,
        value: float,
        labels: Mapping[str, str] | None = None,
        kind: str = DISTRIBUTION,
        unit: str | None = None,
    ) -> None:
        """Record one value; never raises."""
        try:
            try:
                cell = self._aliases[(kind, name, tuple(labels.items()) if labels else ())]
            except (KeyError, TypeError, AttributeError):
                found = self.cell(name, labels, kind, unit)
                if found is None:
                    return
                cell = found
            self.record_in(cell, value, kind)
        except Exception as error:  # noqa: BLE001 - the host's request must go on
            self.count_failure(error)

    def record_in(self, cell: Cell, value: float, kind: str) -> None:
        """Record into a cell already found; the value is checked."""
        if value.__class__ is not float:
            checked = self._number(cell, value)
            if checked is None:
                return
            value = checked
        if not -LARGEST < value < LARGEST:
            self._refuse_value("value not finite", cell, value)
            return
        if kind == COUNTER and value < 0:
            self._refuse_value("counter can not fall", cell, value, "a counter takes 0 and more")
            return
        cell.record(value)
        self.recorded += 1  # statistics: a lost count under free threading does no harm

    def cell(
        self, name: str, labels: Mapping[str, str] | None, kind: str, unit: str | None = None
    ) -> Cell | None:
        """The cell of a series, made when it is new; None when the name can not be recorded."""
        metric = self._metric(name, kind, unit)
        if metric is None:
            return None
        try:
            items = list(labels.items()) if labels else []
        except AttributeError:
            self._complaints.add(
                "labels refused",
                "metric %s: labels are %s and left out; give a mapping of names to texts",
                metric.name,
                type(labels).__name__,
            )
            items = []
        clean = clean_labels(items, self._fixed, self._complaints, metric.name)
        cell = self._find(metric, clean, kind)
        # Raw ids make ever new spellings: beyond the limit they are looked up the slow way each time.
        if len(self._aliases) < 4 * self._budget.max_series:
            with contextlib.suppress(TypeError):
                self._aliases[(kind, name, tuple(items))] = cell
        return cell

    def series(self, now_unix_ns: int) -> list[Series]:
        """Every series with one point at ``now_unix_ns``."""
        start = self._start_unix_ns
        made = []
        for cell in list(self._cells.values()):
            locked = cell.lock.acquire(timeout=LOCK_PATIENCE_S)
            try:
                value = cell.read()
            finally:
                if locked:
                    cell.lock.release()
            if value is not None:
                since = None if cell.metric.kind is MetricKind.GAUGE else start
                point = Point(end_unix_ns=now_unix_ns, value=value, start_unix_ns=since)
                made.append(Series(metric=cell.metric, labels=cell.labels, points=(point,)))
        return made

    def name_service(self, service: str) -> None:
        """The service label of series that are made from now on and say none."""
        self._fixed = tuple((key, service if key == SERVICE else value) for key, value in self._fixed)
        self._aliases.clear()

    def described(self, name: str) -> tuple[Metric, frozenset[str]] | None:
        """A recorded distribution and its label keys; None when there is none of this name."""
        metric = self._metrics.get(name)
        if metric is None or self._kinds[name] != DISTRIBUTION:
            return None
        labels = [cell_labels for cell_name, cell_labels in list(self._cells) if cell_name == name]
        return metric, frozenset(key for one in labels for key, _ in one)

    def count_failure(self, error: Exception) -> None:
        """A fault of our own, or of a value's own conversion: counted, never raised."""
        self._complaints.add("failed", "a metric could not be recorded: %s", type(error).__name__)

    def reset(self) -> None:
        """Start at zero with fresh locks, as the child of a fork does; handles stay valid."""
        self._lock = threading.RLock()
        self._start_unix_ns = self._unix_ns() - MILLISECOND_NS
        self.recorded = 0
        for cell in self._cells.values():
            cell.lock = threading.RLock()
            cell.clear()

    def _metric(self, name: str, kind: str, unit: str | None) -> Metric | None:
        legal = legal_name(redact(name)) if type(name) is str else ""
        if not legal:
            self._complaints.add(
                "name refused",
                "a metric named %s can not be recorded; give a name such as 'queue_wait_ms'",
                redact(repr(name))[:100],
            )
            return None
        if legal != name:
            self._complaints.add(
                "name changed",
                "metric %r is recorded as %r; a name holds letters, digits, '_-./' and no ids",
                redact(name)[:200],
                legal,
            )
        with self._lock:
            metric = self._metrics.get(legal)
            if metric is None:
                return self._new_metric(legal, kind, unit)
        if self._kinds[legal] != kind:
            self._complaints.add(
                "kind conflict",
                "metric %s is a %s and can not be recorded as a %s; choose another name",
                legal,
                self._kinds[legal],
                kind,
            )
            return None
        return metric

    def _new_metric(self, name: str, kind: str, unit: str | None) -> Metric | None:
        if name in _RESERVED:
            self._complaints.add(
                "name refused", "metric %s is one that operations are sent as; choose another name", name
            )
            return None
        if len(self._metrics) >= MAX_METRICS:
            self._complaints.add(
                "too many metrics",
                "metric %s is not recorded: this process has %d already. Put what varies into labels",
                name,
                MAX_METRICS,
            )
            return None
        _, metric_kind, value_type = _CELLS[kind]
        metric = Metric(name=name, kind=metric_kind, value_type=value_type, unit=unit or unit_of(name))
        self._metrics[name] = metric
        self._kinds[name] = kind
        return metric

    def _find(self, metric: Metric, labels: Labels, kind: str) -> Cell:
        with self._lock:
            cell = self._cells.get((metric.name, labels))
            if cell is not None:
                return cell
            if not self._budget.take():
                self._complaints.add(
                    "series folded",
                    "more than %d series in this process (monitoring.max_series); new label sets of %s "
                    "are recorded as %s",
                    self._budget.max_series,
                    metric.name,
                    OVERFLOW,
                )
                fixed = dict(self._fixed)
                labels = tuple((key, fixed.get(key, OVERFLOW)) for key, _ in labels)
                cell = self._cells.get((metric.name, labels))
                if cell is not None:
                    return cell
            cell = self._cells[(metric.name, labels)] = _CELLS[kind][0](metric, labels)
            return cell

    def _number(self, cell: Cell, value: object) -> float | None:
        if not isinstance(value, bool | str | bytes | complex):
            try:
                return float(value)  # type: ignore[arg-type]
            except (TypeError, ValueError):
                pass
            except OverflowError:
                self._refuse_value("value not finite", cell, value)
                return None
        self._refuse_value("value is no number", cell, value)
        return None

    def _refuse_value(
        self, reason: str, cell: Cell, value: object, remedy: str = "give a finite number"
    ) -> None:
        try:
            is_number = isinstance(value, float | int)  # a text may hold what no log should
            shown = (repr(value) if is_number else redact(repr(value)))[:60]
        except Exception:  # noqa: BLE001 - also a repr of the host may fail
            shown = type(value).__name__
        self._complaints.add(
            reason, "metric %s: the value %s is not recorded; %s", cell.metric.name, shown, remedy
        )


_RESERVED = frozenset(metric.name for metric in STANDARD)
