"""The value that an alert compares, by operation, over its window: the same as its policy computes."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence

from ..export.catalog import (
    CPU_UTILIZATION,
    ENVIRONMENT,
    MEMORY_BYTES,
    OPERATION,
    OPERATION_COUNT,
    OPERATION_DURATION,
    SERVICE,
    STATUS,
    STATUS_ERROR,
)
from ..model.alert import PerformanceAlert
from ..model.series import Distribution, Series
from . import kinds
from .burn_rate import ErrorBudget, Saved
from .history import History, Value, merged, quantile
from .kinds import BURN_RATE, CPU, MEMORY, per_unit, windows_s
from .policy import RECORDED_RESPONSE_TIME

METRICS = frozenset({OPERATION_DURATION.name, OPERATION_COUNT.name, RECORDED_RESPONSE_TIME})
"""Cumulative metrics that a condition may look at."""

SECOND_NS = 1_000_000_000
APART_NS = SECOND_NS
"""Between two readings of a gauge: CPU over less than a second says nothing."""

SAVE_EVERY_NS = 60 * SECOND_NS
"""Between two times that an error budget is saved, sooner while it is young.

So much of it a process that is killed loses, and never more than about a tenth of what it knows.
"""

ALL = ""
"""In place of an operation where the service is judged as a whole."""


class Readings:
    """What the alerts of a process look at, over their windows.

    Args:
        gauges: CPU and memory of this process as of now; called only while an alert looks at them.
        sent: when the newest point that was taken was sent, None before the first; for absences.
        load_budget: the counts of a service and environment that any process saved last.
        save_budget: keeps such counts for the next process.
        shares: whether other processes count the same executions and may have looked meanwhile.
        follows: whether another process has looked in our place until now.
    """

    def __init__(
        self,
        *,
        gauges: Callable[[int], Iterable[Series]] = lambda _now_ns: (),
        sent: Callable[[], int | None] = lambda: None,
        load_budget: Callable[[str, str], Saved] = lambda _service, _environment: [],
        save_budget: Callable[[str, str, Saved], None] = lambda _service, _environment, _counts: None,
        shares: bool = False,
        follows: Callable[[], bool] = lambda: False,
    ) -> None:
        self._gauges = gauges
        self._sent = sent
        self._load_budget = load_budget
        self._save_budget = save_budget
        self._shares = shares
        self._follows = follows
        self._saved_ns = 0
        self._looks_seldom = False
        self._history = History()
        self._budgets: dict[tuple[str, str], ErrorBudget] = {}
        self._read: deque[tuple[int, dict[str, float]]] = deque()
        self._now_ns = 0

    def observe(
        self, now_ns: int, series: Sequence[Series], alerts: Iterable[PerformanceAlert], slack_s: float
    ) -> None:
        """Remember the series as of now, as far back as the alerts look.

        Args:
            slack_s: how much longer than its alignment a window may be.
        """
        alerts = list(alerts)
        self._now_ns = now_ns
        # Burn rates have counts of their own: three days of every series would be too much.
        windows = [alert.alignment_s for alert in alerts if alert.condition != BURN_RATE]
        keep_s = max(windows, default=60) + slack_s
        self._take_over(now_ns, keep_s)
        self._history.add(now_ns, series, METRICS, keep_s)
        wanted = {_place(alert) for alert in alerts if alert.condition == BURN_RATE}
        self._budgets = {place: self._budgets.get(place) or ErrorBudget(*place) for place in sorted(wanted)}
        for place, budget in self._budgets.items():
            self._resume(place, budget, now_ns)
            budget.add(now_ns, series)
        known = [one.newest_ns - one.oldest_ns for one in self._budgets.values() if one.newest_ns]
        if abs(now_ns - self._saved_ns) >= min(SAVE_EVERY_NS, min(known, default=0) // 10):
            self.save(now_ns)
        if any(alert.condition in _GAUGES for alert in alerts):
            self._read_gauges(now_ns, keep_s)

    def save(self, now_ns: int) -> None:
        """Keep the error budgets for the next process."""
        self._saved_ns = now_ns
        for place, budget in self._budgets.items():
            if budget.newest_ns:
                self._save_budget(*place, budget.saved())

    def values(self, alert: PerformanceAlert) -> dict[str, float]:
        """Operation to the value of the last window; an operation without data in it is absent."""
        match alert.condition:
            case kinds.ERROR_RATE:
                return _error_rates(alert, self._history)
            case kinds.THROUGHPUT:
                return _throughput(alert, self._history)
            case kinds.CPU | kinds.MEMORY:
                return self._gauge(alert)
            case kinds.ABSENCE:
                return self._silence()
            case kinds.BURN_RATE:
                return self._burn_rate(alert)
        return _response_times(alert, self._history)

    @property
    def history(self) -> History:
        """The cumulative series at the last moments, for what an incident shows."""
        return self._history

    def shift(self, by_ns: int) -> None:
        """Date everything so much later: the clock jumped, the time between the looks did not change."""
        self._history.shift(by_ns)
        for budget in self._budgets.values():
            budget.shift(by_ns)
        self._read = deque((at_ns + by_ns, values) for at_ns, values in self._read)

    def clear(self) -> None:
        """Forget everything, as the child of a fork does."""
        self._history.clear()
        self._budgets.clear()
        self._read.clear()

    def _take_over(self, now_ns: int, keep_s: float) -> None:
        """Begin the windows anew where another process seems to have looked in our place.

        They would be hours long else: what was bad long ago would open an incident, what is bad now close
        one. Who always looks so seldom has no other windows. Who has only begun, while another looks, knows
        less than a window: a few errors of its first seconds would be all there is.
        """
        newest_ns = self._history.newest_ns
        is_late = newest_ns is not None and now_ns - newest_ns > keep_s * SECOND_NS
        if (newest_ns is None and self._follows()) or (self._shares and is_late and not self._looks_seldom):
            self._history.begin_anew()
        self._looks_seldom = is_late

    def _resume(self, place: tuple[str, str], budget: ErrorBudget, now_ns: int) -> None:
        """Go on where another process ended, at the start and when it looked in our place."""
        unseen_ns = now_ns - budget.newest_ns
        is_new = not budget.newest_ns
        if is_new or (self._shares and unseen_ns > 2 * SAVE_EVERY_NS):
            budget.resume(self._load_budget(*place), now_ns)

    def _read_gauges(self, now_ns: int, keep_s: float) -> None:
        read = self._read
        while read and read[-1][0] > now_ns:  # the clock was set back
            read.pop()
        if not read or now_ns - read[-1][0] >= APART_NS:
            found = {}
            for one in self._gauges(now_ns):
                value = one.points[-1].value
                if isinstance(value, int | float):
                    found[one.metric.name] = float(value)
            read.append((now_ns, found))
        while now_ns - read[0][0] > keep_s * SECOND_NS:
            read.popleft()

    def _gauge(self, alert: PerformanceAlert) -> dict[str, float]:
        """The mean of the readings in the window, as ALIGN_MEAN makes it."""
        begins_ns = self._now_ns - alert.alignment_s * SECOND_NS
        name = _GAUGES[alert.condition]
        found = [values[name] for at_ns, values in self._read if at_ns > begins_ns and name in values]
        return {ALL: sum(found) / len(found) * per_unit(alert)} if found else {}

    def _silence(self) -> dict[str, float]:
        sent_ns = self._sent()
        return {} if sent_ns is None else {ALL: max(self._now_ns - sent_ns, 0) / SECOND_NS}

    def _burn_rate(self, alert: PerformanceAlert) -> dict[str, float]:
        """The slowest of the windows' rates: beyond the threshold when all of them are."""
        budget = self._budgets.get(_place(alert))
        if budget is None:
            return {}
        ratios = [budget.ratio(window_s) for window_s in windows_s(alert)]
        known = [ratio for ratio in ratios if ratio is not None]
        return {ALL: min(known) * per_unit(alert)} if len(known) == len(ratios) else {}


_GAUGES = {CPU: CPU_UTILIZATION.name, MEMORY: MEMORY_BYTES.name}


def _place(alert: PerformanceAlert) -> tuple[str, str]:
    return alert.service_name, alert.environment


def _response_times(alert: PerformanceAlert, history: History) -> dict[str, float]:
    found: dict[str, float] = {}
    for name in (RECORDED_RESPONSE_TIME, alert.metric_name):
        groups: dict[str, list[Distribution]] = defaultdict(list)
        for operation, _, value in _matching(alert, name, history):
            if isinstance(value, Distribution):
                groups[operation].append(value)
        for operation, parts in groups.items():
            whole = merged(parts)
            at = quantile(whole, alert.quantile or 0.95) if whole is not None else None
            if at is not None:
                found[operation] = max(at, found.get(operation, at))
    return found


def _error_rates(alert: PerformanceAlert, history: History) -> dict[str, float]:
    errors: dict[str, float] = defaultdict(float)
    total: dict[str, float] = defaultdict(float)
    for operation, labels, value in _matching(alert, alert.metric_name, history):
        if not isinstance(value, Distribution):
            total[operation] += value
            if labels.get(STATUS) == STATUS_ERROR:
                errors[operation] += value
    scale = per_unit(alert)
    return {operation: scale * errors[operation] / count for operation, count in total.items() if count}


def _throughput(alert: PerformanceAlert, history: History) -> dict[str, float]:
    total: dict[str, float] = defaultdict(float)
    for operation, _, value in _matching(alert, alert.metric_name, history):
        if not isinstance(value, Distribution):
            total[operation if alert.by_operation else ALL] += value
    # Multiplied first: 123 / 60 * 60 is less than 123.
    return {operation: count * per_unit(alert) / alert.alignment_s for operation, count in total.items()}


def _matching(
    alert: PerformanceAlert, name: str, history: History
) -> Iterator[tuple[str, dict[str, str], Value]]:
    for labels, value in history.increases(name, alert.alignment_s):
        own = dict(labels)
        if own.get(SERVICE) == alert.service_name and own.get(ENVIRONMENT) == alert.environment:
            yield own.get(OPERATION, ""), own, value
