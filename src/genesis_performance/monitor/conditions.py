"""The value that an alert compares, by operation, over its window: the same as its policy computes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from ..export.catalog import (
    ENVIRONMENT,
    OPERATION,
    OPERATION_COUNT,
    OPERATION_DURATION,
    SERVICE,
    STATUS,
    STATUS_ERROR,
)
from ..model.alert import PerformanceAlert
from ..model.series import Distribution
from .alerts import ERROR_RATE
from .history import History, Value, merged, quantile
from .policy import RECORDED_RESPONSE_TIME

METRICS = frozenset({OPERATION_DURATION.name, OPERATION_COUNT.name, RECORDED_RESPONSE_TIME})
"""Metrics that a condition may look at."""


def values(alert: PerformanceAlert, history: History) -> dict[str, float]:
    """Operation to the value of the last window; an operation without data in it is absent."""
    if alert.condition == ERROR_RATE:
        return _error_rates(alert, history)
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
    return {operation: 100 * errors[operation] / count for operation, count in total.items() if count}


def _matching(
    alert: PerformanceAlert, name: str, history: History
) -> Iterator[tuple[str, dict[str, str], Value]]:
    for labels, value in history.increases(name, alert.alignment_s):
        own = dict(labels)
        if own.get(SERVICE) == alert.service_name and own.get(ENVIRONMENT) == alert.environment:
            yield own.get(OPERATION, ""), own, value
