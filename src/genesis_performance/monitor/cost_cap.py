"""Keep our own bill below ``monitoring.max_monthly_cost``: first fewer buckets, then fewer operations.

Judged is what this process sends, at list price and without the free tier, which others of the billing
account may use. What was given up stays so until the process ends: series that come and go would be worth
less than none. Alerts that are evaluated here see everything; nothing is given up silently.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from ..export.catalog import OPERATION, OPERATION_COUNT, OPERATION_DURATION, STATUS
from ..export.limits import Complaints
from ..model.operation import OVERFLOW_NAME
from ..model.series import Distribution, Point, Series

STEPS = (1, 4, 16)
"""Of how many buckets one is made; operations have 8 an octave: the last step leaves one in two."""

NAMED = 5
"""Operations that the log names."""

_OPERATIONS = frozenset({OPERATION_DURATION.name, OPERATION_COUNT.name})


class CostCap:
    """Chooses what is sent.

    Args:
        max_usd: a month; 0 means no limit.
        sink: how the sink is paid for; ``memory`` and ``none`` cost nothing.
    """

    def __init__(self, max_usd: float, *, sink: str, interval_s: float, complaints: Complaints) -> None:
        self.max_usd = max_usd
        self.usd: float | None = None  # a month, of what is sent; None before the first export
        self._sink = sink
        self._interval_s = interval_s
        self._complaints = complaints
        self._step = 0
        self._left_out: dict[Hashable, str] = {}  # group -> its name

    @property
    def given_up(self) -> dict[str, int]:
        """What is not sent for its cost: of how many buckets one was made, and operations and metrics."""
        found = {"buckets": STEPS[self._step]} if self._step else {}
        return found | ({"series groups": len(self._left_out)} if self._left_out else {})

    def fit(self, series: Sequence[Series]) -> Sequence[Series]:
        """Those of the series that may be sent, with the buckets that they may have."""
        if not self.max_usd or self._sink in {"memory", "none"}:
            return series
        kept = self._kept(series)
        while self._cost(kept) > self.max_usd and self._give_up(kept):
            kept = self._kept(series)
        self.usd = self._cost(kept)
        return kept

    def _kept(self, series: Sequence[Series]) -> Sequence[Series]:
        if self._left_out:
            series = [one for one in series if _group(one) not in self._left_out]
        return [_coarse(one, STEPS[self._step]) for one in series] if self._step else series

    def _cost(self, series: Sequence[Series]) -> float:
        from .own_cost import load_of, monthly_usd

        return monthly_usd(load_of(series), self._sink, self._interval_s)

    def _give_up(self, kept: Sequence[Series]) -> bool:
        """Take the next step; False when there is none."""
        if self._sink == "otlp" and self._step < len(STEPS) - 1:
            self._step += 1
            self._complaints.add(
                "cost",
                "our metrics would cost more than monitoring.max_monthly_cost (%g USD): histograms are sent "
                "with one bucket in place of %d",
                self.max_usd,
                STEPS[self._step],
            )
            return True
        return self._leave_out(kept)

    def _leave_out(self, kept: Sequence[Series]) -> bool:
        """The operations that ran least, as many as it takes; then other metrics."""
        groups: dict[Hashable, list[Series]] = {}
        for one in kept:
            group = _group(one)
            if group is not None:
                groups.setdefault(group, []).append(one)
        order = sorted(groups, key=lambda group: _worth(groups[group]))
        cost, left_out = self._cost(kept), []
        for group in order:
            if cost <= self.max_usd:
                break
            cost -= self._cost(groups[group]) - self._cost(())
            self._left_out[group] = _name(groups[group][0])
            left_out.append(self._left_out[group])
        if left_out:
            self._complaints.add(
                "cost",
                "our metrics would cost more than monitoring.max_monthly_cost (%g USD): %d operations and "
                "metrics are not sent any more, of those that ran least: %s%s",
                self.max_usd,
                len(self._left_out),
                ", ".join(left_out[:NAMED]),
                " and others" if len(left_out) > NAMED else "",
            )
        return bool(left_out)


def _group(series: Series) -> Hashable | None:
    """What is given up as a whole: an operation with its counts. None for what never is."""
    if series.metric.name in _OPERATIONS:
        return tuple(item for item in series.labels if item[0] != STATUS)
    if series.points[-1].start_unix_ns is None and series.metric.name.startswith("process/"):
        return None
    return series.metric.name, series.labels


def _worth(group: Sequence[Series]) -> tuple[bool, bool, float, str]:
    """What is small is given up first."""
    first = group[0]
    is_recorded = first.metric.name not in _OPERATIONS
    counts = [one.points[-1].value for one in group if one.metric.name == OPERATION_COUNT.name]
    ran = sum(value for value in counts if not isinstance(value, Distribution))
    name = _name(first)
    return is_recorded, name == OVERFLOW_NAME, ran, name


def _name(series: Series) -> str:
    if series.metric.name in _OPERATIONS:
        return dict(series.labels).get(OPERATION, "")
    return series.metric.name


def _coarse(series: Series, step: int) -> Series:
    """The series with every so-manieth bound; the counts between them are added up."""
    point = series.points[-1]
    value = point.value
    if not isinstance(value, Distribution) or len(value.bounds) <= step:
        return series
    at = range(0, len(value.bounds), step)
    starts = (0, *(index + 1 for index in at))
    ends = (*starts[1:], len(value.counts))
    coarse = Distribution(
        bounds=tuple(value.bounds[index] for index in at),
        counts=tuple(sum(value.counts[a:b]) for a, b in zip(starts, ends, strict=True)),
        sum=value.sum,
        sum_of_squared_deviation=value.sum_of_squared_deviation,
    )
    points = (Point(end_unix_ns=point.end_unix_ns, value=coarse, start_unix_ns=point.start_unix_ns),)
    return Series(metric=series.metric, labels=series.labels, points=points)
