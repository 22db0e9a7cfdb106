"""Metrics recorded by name: distributions, counters and gauges, aggregated in memory or in a file.

Recording takes no lock, makes no system call and never raises; only the first value of a series in a thread,
and what can not be recorded as it is, may do the former two. What can not be recorded is counted, and logged
at most once a minute for each reason.
A signal or a finaliser that records in the middle of recording is fine.

The values of a distribution go into fixed buckets (``BOUNDS``): count and sum are exact, a quantile is
within 8 %, and values below 0.0001, negative ones too, share the first bucket.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Mapping
from threading import get_ident

from ..model.series import Metric, Series
from .blocks import COUNTER as COUNTER_CELL
from .blocks import DISTRIBUTION as DISTRIBUTION_CELL
from .blocks import GAUGE as GAUGE_CELL
from .blocks import SeriesKey, SeriesText
from .catalog import ENVIRONMENT, OVERFLOW, SERVICE, STANDARD, legal_name, unit_of
from .cells import Cells
from .labels import Labels, clean_labels, exact
from .limits import Complaints, SeriesBudget
from .reading import Reader
from .recorded import Cell, CounterCell, DistributionCell, GaugeCell, RecordedSeries
from .redaction import redact
from .region import Region, RegionFullError
from .rendering import metric_of, rendered
from .totals import Totals, add_all

log = logging.getLogger(__name__)

LARGEST = 1e150
LEAST = -LARGEST
"""Beyond them the squares of a deviation overflow; no measurement is so large."""

MAX_METRICS = 500
"""Different names in one process; a project holds 10,000 (https://cloud.google.com/monitoring/quotas)."""

MANY_THREADS = 8
"""With cells of so many threads, one whose thread has ended is looked for before another is made."""

MILLISECOND_NS = 1_000_000
DISTRIBUTION, COUNTER, GAUGE = "distribution", "counter", "gauge"

_CELLS: dict[str, tuple[type[CounterCell | GaugeCell | DistributionCell], int]] = {
    DISTRIBUTION: (DistributionCell, DISTRIBUTION_CELL),
    COUNTER: (CounterCell, COUNTER_CELL),
    GAUGE: (GaugeCell, GAUGE_CELL),
}

__all__ = ["COUNTER", "DISTRIBUTION", "GAUGE", "MetricBuffer"]


class MetricBuffer:
    """The recorded series of one process.

    Args:
        service, environment: labels of every series that does not say its own.
        budget: of series; later label sets of a metric are recorded under the label value ``__other__``.
        unix_ns: the clock that the first point starts at.
        cells: where values are kept; on the heap by default.

    Attributes:
        known: distributions that were recorded, as callers write them: ``(name, *keys, *values)`` of the
            labels, then the types of the values unless all are texts. Who finds a series here need not ask
            ``record``.
    """

    def __init__(
        self,
        *,
        service: str,
        environment: str,
        budget: SeriesBudget,
        complaints: Complaints,
        unix_ns: Callable[[], int],
        cells: Cells | None = None,
    ) -> None:
        self.known: dict[tuple[object, ...], RecordedSeries] = {}
        self._store = cells or Cells(Region, complaints)
        self._fixed: Labels = ((ENVIRONMENT, environment), (SERVICE, service))
        self._budget = budget
        self._complaints = complaints
        self._unix_ns = unix_ns
        self._lock = threading.RLock()
        self._kinds: dict[str, str] = {}
        self._metrics: dict[str, Metric] = {}
        self._series: dict[tuple[str, Labels], RecordedSeries] = {}
        self._readers: dict[Region, Reader] = {}

    @property
    def started(self) -> int:
        """Series of this process."""
        return len(self._series)

    @property
    def recorded(self) -> int:
        """Values recorded by this process."""
        return sum(
            cell.records
            for one in list(self._series.values())
            for cell in (*list(one.cells.values()), *one.older)
        )

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
            series = self.find(name, labels, kind, unit)
            if series is not None:
                self.record_in(series, value)
        except Exception as error:  # noqa: BLE001 - the host's request must go on
            self.count_failure(error)

    def record_in(self, series: RecordedSeries, value: float) -> None:
        """Record into a series already found; the value is checked."""
        if type(value) is not float:
            checked = self._number(series, value)
            if checked is None:
                return
            value = checked
        if not LEAST < value < LARGEST:
            self._refuse_value("value not finite", series, value)
            return
        if value < 0 and series.kind == COUNTER:
            self._refuse_value("counter can not fall", series, value, "a counter takes 0 and more")
            return
        try:
            cell = series.cells[get_ident()]
        except KeyError:
            cell = self._new_cell(series, value)
        try:
            cell.record(value)
        except RegionFullError:
            self._renew(series, value)

    def find(
        self, name: str, labels: Mapping[str, str] | None, kind: str, unit: str | None = None
    ) -> RecordedSeries | None:
        """The series, made when it is new; None when the name can not be recorded."""
        name = exact(name)
        try:
            own = {exact(key): exact(value) for key, value in labels.items()} if labels else {}
        except AttributeError:
            own = None
        spelling = None
        if kind == DISTRIBUTION and own is not None and type(name) is str:
            spelling = _spelling(name, own)
            known = self.known.get(spelling) if spelling else None
            if known is not None:
                return known
        metric = self._metric(name, kind, unit)
        if metric is None:
            return None
        if own is None:
            self._complaints.add(
                "labels refused",
                "metric %s: labels are %s and left out; give a mapping of names to texts",
                metric.name,
                type(labels).__name__,
            )
        clean = clean_labels((own or {}).items(), self._fixed, self._complaints, metric.name)
        series = self._find(metric, clean, kind)
        # Raw ids make ever new spellings: beyond the limit they are looked up the slow way each time.
        if spelling is not None and len(self.known) < 4 * self._budget.max_series:
            self.known[spelling] = series
        return series

    def totals(self) -> Totals:
        """What this process has recorded into its own memory."""
        totals: Totals = {}
        for region in (self._store.made, self._store.spare):
            if region is not None:
                reader = self._readers.get(region) or self._readers.setdefault(region, Reader())
                add_all(totals, reader.of_region(region).values())
        return totals

    def series(self, now_unix_ns: int) -> list[Series]:
        """Every series with one point at ``now_unix_ns``."""
        fixed = dict(self._fixed)
        return rendered(self.totals(), now_unix_ns, service=fixed[SERVICE], environment=fixed[ENVIRONMENT])

    def name_service(self, service: str) -> None:
        """The service label of series that are made from now on and say none."""
        self._fixed = tuple((key, service if key == SERVICE else value) for key, value in self._fixed)
        self.known.clear()

    def described(self, name: str) -> tuple[Metric, frozenset[str]] | None:
        """A recorded distribution and its label keys; None when there is none of this name."""
        metric = self._metrics.get(name)
        if metric is None or self._kinds[name] != DISTRIBUTION:
            return None
        labels = [own for series_name, own in list(self._series) if series_name == name]
        return metric, frozenset(key for one in labels for key, _ in one)

    def count_failure(self, error: Exception) -> None:
        """A fault of our own, or of a value's own conversion: counted, never raised."""
        self._complaints.add("failed", "a metric could not be recorded: %s", type(error).__name__)

    def reset(self) -> None:
        """Start at zero with fresh locks, as the child of a fork does; handles stay valid."""
        self._lock = threading.RLock()
        self._store.restart()
        self._readers.clear()
        now = self._unix_ns()
        for series in self._series.values():
            series.text = series.text._replace(start_unix_ns=now - MILLISECOND_NS)
            series.older.clear()
            series.cells.clear()

    def forget_handles(self) -> None:
        """Have every handle ask again whether it may record."""
        with self._lock:
            for series in list(self._series.values()):
                series.forget_threads()

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
        said = unit if type(unit) is str and unit else unit_of(name)
        metric = metric_of(SeriesKey(_CELLS[kind][1], name, ()), said)
        self._metrics[name] = metric
        self._kinds[name] = kind
        return metric

    def _find(self, metric: Metric, labels: Labels, kind: str) -> RecordedSeries:
        with self._lock:
            series = self._series.get((metric.name, labels))
            if series is not None:
                return series
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
                series = self._series.get((metric.name, labels))
                if series is not None:
                    return series
            start = self._unix_ns() - MILLISECOND_NS  # an interval must not be empty
            text = SeriesText(SeriesKey(_CELLS[kind][1], metric.name, labels), metric.unit, start)
            return self._series.setdefault((metric.name, labels), RecordedSeries(metric, kind, text))

    def _new_cell(self, series: RecordedSeries, value: float) -> Cell:
        """This thread's cell: one whose thread has ended, else a new one."""
        with self._lock:
            cells = series.cells
            mine = get_ident()
            if len(cells) >= MANY_THREADS:
                running = sys._current_frames()
                for thread in list(cells):
                    if thread not in running:
                        cell = cells.pop(thread, None)
                        if cell is not None:
                            return cells.setdefault(mine, cell)
            made = _CELLS[series.kind][0](self._store, series.text, self._unix_ns, value)
            return cells.setdefault(mine, made)

    def _renew(self, series: RecordedSeries, value: float) -> None:
        """Go on in a new cell: beside the old one there is no room for buckets that did not occur before."""
        with self._lock:
            made = _CELLS[series.kind][0](self._store, series.text, self._unix_ns, value, on_heap=True)
            before = series.cells.get(get_ident())
            if before is not None:
                series.older.append(before)
            series.cells[get_ident()] = made
            made.record(value)

    def _number(self, series: RecordedSeries, value: object) -> float | None:
        if not isinstance(value, bool | str | bytes | complex):
            try:
                return float(value)  # type: ignore[arg-type]
            except (TypeError, ValueError):
                pass
            except OverflowError:
                self._refuse_value("value not finite", series, value)
                return None
        self._refuse_value("value is no number", series, value)
        return None

    def _refuse_value(
        self, reason: str, series: RecordedSeries, value: object, remedy: str = "give a finite number"
    ) -> None:
        try:
            is_number = isinstance(value, float | int)  # a text may hold what no log should
            shown = (repr(value) if is_number else redact(repr(value)))[:60]
        except Exception:  # noqa: BLE001 - also a repr of the host may fail
            shown = type(value).__name__
        self._complaints.add(
            reason, "metric %s: the value %s is not recorded; %s", series.metric.name, shown, remedy
        )


_RESERVED = frozenset(metric.name for metric in STANDARD)


def _spelling(name: str, labels: Mapping[str, object]) -> tuple[object, ...] | None:
    """What a label set is known by; None where values that are equal may be different texts."""
    types = (*map(type, labels.values()),)
    if types.count(str) == len(types):
        return (name, *labels, *labels.values())
    if _PLAIN.issuperset(types):
        return (name, *labels, *labels.values(), *types)  # True equals 1, and is another text
    return None


_PLAIN = frozenset({str, int, bool, type(None)})
