"""Operations of every recorder of the process as cumulative series.

Two names that are one after redaction are merged, and the totals of a recorder that is gone stay in the
sums: a cumulative series never falls. Beyond the budget of series, operations go to ``__other__``.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from ..model.operation import OVERFLOW_NAME, OperationSnapshot
from ..model.series import Distribution, Point, Series
from ..stats.histogram import difference
from .catalog import (
    ENVIRONMENT,
    OPERATION,
    OPERATION_COUNT,
    OPERATION_DURATION,
    SERVICE,
    STATUS,
    STATUS_ERROR,
    STATUS_OK,
)
from .cells import MILLISECOND_NS, SERIES_PER_OPERATION, OperationMemory
from .labels import Labels, clean_labels
from .limits import Complaints, SeriesBudget
from .redaction import redact
from .rendering import durations
from .totals import OperationTotal

Key = tuple[str, Labels]


class _Total:
    """What all recorders together recorded of one operation."""

    __slots__ = ("_distribution", "buckets", "copied", "errors", "labels", "ok", "start_unix_ns", "sum_ns")

    def __init__(self, labels: Labels, start_unix_ns: int) -> None:
        self.labels = labels
        self.start_unix_ns = start_unix_ns
        self.ok = self.errors = self.sum_ns = 0
        self.copied = 0  # executions that ``copy_to`` has kept
        self.buckets: dict[int, int] = {}
        self._distribution: Distribution | None = None

    def add(self, news: OperationSnapshot) -> None:
        self.ok += news.count - news.errors
        self.errors += news.errors
        self.sum_ns += news.sum_ns
        for index, count in news.histogram.counts.items():
            self.buckets[index] = self.buckets.get(index, 0) + count
        self._distribution = None

    def distribution(self) -> Distribution:
        if self._distribution is None:
            self._distribution = durations(OperationTotal(self.buckets, self.errors, self.sum_ns))
        return self._distribution


class OperationSeries:
    """Adds up snapshots and makes series of them.

    Args:
        service, environment: labels of every series.
        budget: of series, shared with the process's other metrics.
    """

    def __init__(
        self, *, service: str, environment: str, budget: SeriesBudget, complaints: Complaints
    ) -> None:
        self._service = service
        self._environment = environment
        self._budget = budget
        self._complaints = complaints
        self._totals: dict[Key, _Total] = {}
        self._seen: dict[tuple[Hashable, str, Labels], OperationSnapshot] = {}

    def update(self, sources: Iterable[tuple[Hashable, Iterable[OperationSnapshot]]]) -> None:
        """Add what happened since the last update.

        Args:
            sources: the snapshots of each recorder, with what tells the recorders apart.
        """
        seen = {}
        for source, snapshots in sources:
            for snapshot in snapshots:
                key = (source, snapshot.name, snapshot.labels)
                older = self._seen.get(key)
                seen[key] = snapshot
                if older is not None and _is_unchanged(snapshot, older):
                    continue
                news = difference(snapshot, older)
                if news.count:
                    self._total(snapshot).add(news)
        self._seen = seen

    def reset(self) -> None:
        """Start at zero, as the child of a fork does."""
        self._totals.clear()

    def rename_service(self, service: str) -> None:
        """Use this service from now on, also for what was recorded before."""
        if service == self._service:
            return
        self._service = service
        totals = list(self._totals.items())
        self._totals = {}
        for (name, _), total in totals:
            total.labels = tuple(
                sorted((*(item for item in total.labels if item[0] != SERVICE), (SERVICE, service)))
            )
            self._totals[(name, total.labels)] = total

    def copy_to(self, memory: OperationMemory) -> None:
        """Keep every total where it survives this process."""
        for (name, _), total in self._totals.items():
            count = total.ok + total.errors
            if count == total.copied:
                continue
            total.copied = count
            memory.copy(
                name,
                total.labels,
                errors=total.errors,
                sum_ns=total.sum_ns,
                buckets=total.buckets,
            )

    def series(self, now_unix_ns: int) -> list[Series]:
        """Every operation so far, with one point each at ``now_unix_ns``."""
        made: list[Series] = []
        for total in self._totals.values():
            start = total.start_unix_ns
            point = Point(end_unix_ns=now_unix_ns, value=total.distribution(), start_unix_ns=start)
            made.append(Series(metric=OPERATION_DURATION, labels=total.labels, points=(point,)))
            for status, count in ((STATUS_OK, total.ok), (STATUS_ERROR, total.errors)):
                point = Point(end_unix_ns=now_unix_ns, value=count, start_unix_ns=start)
                labels = tuple(sorted((*total.labels, (STATUS, status))))
                made.append(Series(metric=OPERATION_COUNT, labels=labels, points=(point,)))
        return made

    def _total(self, snapshot: OperationSnapshot) -> _Total:
        fixed = (
            (SERVICE, self._service),
            (OPERATION, redact(snapshot.name)),
            (ENVIRONMENT, self._environment),
        )
        own = [item for item in snapshot.labels if item[0] not in _OWN]
        # Two places stay free for labels that a metric adds.
        labels = clean_labels(own[:24], fixed, self._complaints, snapshot.name)
        key = (fixed[1][1], labels)
        total = self._totals.get(key)
        if total is None:
            if key[0] != OVERFLOW_NAME and not self._budget.take(SERIES_PER_OPERATION):
                self._complaints.add(
                    "operation folded",
                    "more than %d series in this process (monitoring.max_series); operation %s and later new "
                    "ones are exported as %s. Use the route template as name",
                    self._budget.max_series,
                    key[0],
                    OVERFLOW_NAME,
                )
                labels = tuple(
                    sorted(
                        (
                            (SERVICE, self._service),
                            (OPERATION, OVERFLOW_NAME),
                            (ENVIRONMENT, self._environment),
                        )
                    )
                )
                key = (OVERFLOW_NAME, labels)
                total = self._totals.get(key)
            if total is None:
                # An interval must not be empty, however early the first export is.
                total = self._totals[key] = _Total(labels, snapshot.start_unix_ns - MILLISECOND_NS)
        return total


_OWN = frozenset({SERVICE, OPERATION, ENVIRONMENT, STATUS})


def _is_unchanged(newer: OperationSnapshot, older: OperationSnapshot) -> bool:
    return newer.count == older.count and newer.start_unix_ns == older.start_unix_ns
