"""How fast a service uses up its error budget: windows, alerts, and the counts of the longest window.

A burn rate of 1 uses up the budget exactly at the end of the objective's period, taken as 30 days. Two
windows must burn together: the long one says that it matters, the short one that it still goes on, so that
the incident ends soon after the errors do.

Source: Google, The Site Reliability Workbook, chapter 5 "Alerting on SLOs", section "Multiwindow,
Multi-Burn-Rate Alerts" (https://sre.google/workbook/alerting-on-slos/).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..export.catalog import ENVIRONMENT, OPERATION_COUNT, SERVICE, STATUS, STATUS_ERROR
from ..model.alert import ApplyMode, PerformanceAlert
from ..model.series import Series
from .alerts import made, objective
from .kinds import BURN_RATE

SECOND_NS = 1_000_000_000
THIN_EVERY_NS = 60 * SECOND_NS

Saved = list[list[float]]
"""Counts that outlive the process: time in ns, all executions, failed ones; by time."""


@dataclass(frozen=True, slots=True)
class Burn:
    """A rate that is too fast, over two windows."""

    variant: str
    rate: float
    long_s: int
    short_s: int
    severity: str
    uses: str  # how much of a 30 days' budget is gone when the long window is full


BURNS = (
    Burn("fast", 14.4, 3600, 300, "CRITICAL", "2 % of the month's error budget in an hour"),
    Burn("medium", 6.0, 6 * 3600, 1800, "CRITICAL", "5 % of the month's error budget in six hours"),
    Burn("slow", 1.0, 72 * 3600, 6 * 3600, "WARNING", "10 % of the month's error budget in three days"),
)
"""Two that page and one that makes a ticket."""


def burn_rate_alerts(
    service_name: str,
    objective_percent: float,
    environment: str,
    *,
    slo: str | None,
    duration_s: float,
    channels: Iterable[str],
    ticket_channels: Iterable[str] | None,
    apply: ApplyMode,
    documentation: str = "",
) -> list[PerformanceAlert]:
    """One alert for each of ``BURNS``, the fastest first.

    Args:
        slo: resource name of an objective in Cloud Monitoring, whose burn rate is then what policies ask for.
        ticket_channels: of the slow one; those of the pages by default.

    Raises:
        InvalidInputError: the objective is none that these rates fit, or another argument can not be.
    """
    percent = objective(objective_percent)
    paged = (channels,) if isinstance(channels, str) else tuple(channels)
    found = []
    for burn in BURNS:
        is_ticket = burn.severity == "WARNING"
        found.append(
            made(
                BURN_RATE,
                service_name,
                environment,
                burn.rate,
                duration_s=duration_s,
                channels=ticket_channels if is_ticket and ticket_channels is not None else paged,
                apply=apply,
                severity=burn.severity,
                documentation=f"That is {burn.uses}.\n\n{documentation}".strip(),
                by_operation=False,
                variant=burn.variant,
                windows_s=(burn.long_s, burn.short_s),
                objective_percent=percent,
                slo=slo,
            )
        )
    return found


@dataclass(frozen=True, slots=True)
class _Counts:
    at_ns: int
    total: float
    errors: float


class ErrorBudget:
    """Executions of one service and environment over the last three days, all and failed.

    The last hour is kept as it was looked at, the next six by the minute, the rest by five minutes: about
    1,600 counts. A window that looking does not cover yet begins with the series, as in Cloud Monitoring.
    What is saved for the next process is coarser: about 400 counts, 12 kB.
    """

    def __init__(self, service: str, environment: str) -> None:
        self._of = {(SERVICE, service), (ENVIRONMENT, environment)}
        self._kept: list[_Counts] = []
        self._thinned_in = 0
        self._before = (0.0, 0.0)  # all and failed executions that earlier processes counted
        self._resumes = False

    def add(self, at_ns: int, series: Iterable[Series]) -> None:
        """Remember the counts as of now."""
        total = errors = 0.0
        seen = False
        for one in series:
            if one.metric.name != OPERATION_COUNT.name or not self._of <= set(one.labels):
                continue
            value = one.points[-1].value
            if isinstance(value, int | float):
                seen = True
                total += value
                errors += value if (STATUS, STATUS_ERROR) in one.labels else 0.0
        kept = self._kept
        if self._resumes:  # what happened between two processes is not known
            self._before = (kept[-1].total - total, kept[-1].errors - errors)
            self._resumes = False
        total, errors = total + self._before[0], errors + self._before[1]
        while kept and (kept[-1].at_ns >= at_ns or kept[-1].total > total):
            kept.pop()  # the clock was set back, or another count began
        if seen or kept:
            kept.append(_Counts(at_ns, total, errors))
        if at_ns // THIN_EVERY_NS != self._thinned_in:
            self._thinned_in = at_ns // THIN_EVERY_NS
            self._kept = list(_thinned(kept, at_ns, _STEPS))

    @property
    def newest_ns(self) -> int:
        """When it was last looked; 0 before the first time."""
        return self._kept[-1].at_ns if self._kept else 0

    @property
    def oldest_ns(self) -> int:
        """The time of the first count that is known; 0 before there is one."""
        return self._kept[0].at_ns if self._kept else 0

    def saved(self) -> Saved:
        """What the next process goes on with."""
        if not self._kept:
            return []
        newest = self._kept[-1]
        coarse = list(_thinned(self._kept, newest.at_ns, _SAVED_STEPS))
        if coarse[-1] is not newest:
            coarse.append(newest)
        return [[one.at_ns, one.total, one.errors] for one in coarse]

    def resume(self, saved: Saved, now_ns: int) -> None:
        """Go on with what another process saved, if it looked later than this one did."""
        known = [_Counts(int(at_ns), total, errors) for at_ns, total, errors in saved if at_ns <= now_ns]
        if known and known[-1].at_ns > self.newest_ns:
            self._kept, self._resumes = known, True

    def shift(self, by_ns: int) -> None:
        """Date every count so much later."""
        self._kept = [_Counts(one.at_ns + by_ns, one.total, one.errors) for one in self._kept]

    def ratio(self, window_s: float) -> float | None:
        """Failed to all executions of the window that ends now; None when there were none."""
        if not self._kept:
            return None
        now = self._kept[-1]
        begins_ns = now.at_ns - round(window_s * SECOND_NS)
        base = next((one for one in reversed(self._kept) if one.at_ns <= begins_ns), _Counts(0, 0.0, 0.0))
        total = now.total - base.total
        return (now.errors - base.errors) / total if total > 0 else None


_Steps = tuple[tuple[int, int], ...]
"""Up to this age, one count in so many seconds."""

_STEPS: _Steps = ((3600, 0), (7 * 3600, 60), (73 * 3600, 300))
_SAVED_STEPS: _Steps = ((3600, 60), (7 * 3600, 300), (73 * 3600, 900))


def _thinned(kept: list[_Counts], now_ns: int, steps: _Steps) -> Iterator[_Counts]:
    before: tuple[int, int] | None = None
    for one in kept:
        age_s = (now_ns - one.at_ns) / SECOND_NS
        step_s = next((step for limit, step in steps if age_s <= limit), None)
        if step_s is None:
            continue
        place = (step_s, one.at_ns // (step_s * SECOND_NS)) if step_s else None
        if place is None or place != before:
            yield one
        before = place
