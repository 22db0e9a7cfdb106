"""First points of a metric, so that a policy can name it: over OTLP there is no call that makes a descriptor.

They count nothing, and their service is none that an alert looks at.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from ..errors import GenesisPerformanceError
from ..export.catalog import (
    ENVIRONMENT,
    OPERATION,
    OPERATION_DURATION,
    OVERFLOW,
    SERVICE,
    STATUS,
    STATUS_ERROR,
)
from ..export.clock import Clock
from ..export.opening import OTLP, open_sink
from ..model.series import Distribution, Metric, MetricKind, Point, Series
from ..stats.histogram import explicit_buckets
from .naming import REQUEST

log = logging.getLogger(__name__)

NO_SERVICE = "__descriptor__"
TIMEOUT_S = 10.0
SECOND_NS = 1_000_000_000
FAILED = "the metrics of an alert could not be made known to alerting; it waits for them: %s"


def first_points(metric: Metric, keys: frozenset[str], now_unix_ns: int) -> list[Series]:
    """A zero in every metric that the sink makes of this one.

    Args:
        keys: of the metric's labels; a metric keeps for good those that it ever had.
    """
    labels = dict.fromkeys(keys, OVERFLOW) | {ENVIRONMENT: NO_SERVICE, SERVICE: NO_SERVICE}
    start_ns: int | None = now_unix_ns - SECOND_NS
    value: int | Distribution = 0
    if metric.value_type == "DISTRIBUTION":
        bounds, counts = explicit_buckets({})
        value = Distribution(bounds=bounds, counts=counts, sum=0.0)
    elif metric.kind is MetricKind.GAUGE:
        start_ns = None
    if STATUS in keys:
        labels[STATUS] = STATUS_ERROR
    point = Point(end_unix_ns=now_unix_ns, value=value, start_unix_ns=start_ns)
    also = [{OPERATION: REQUEST}] if metric == OPERATION_DURATION else []
    return [
        Series(metric=metric, labels=tuple(sorted((labels | one).items())), points=(point,))
        for one in ({}, *also)
    ]


def send_first_points(
    metrics: Iterable[tuple[Metric, frozenset[str]]], project: str, prefix: str, clock: Clock
) -> None:
    """Send those of each metric with its label keys; a failure is only logged, the metric may come yet."""
    series = [one for metric, keys in metrics for one in first_points(metric, keys, clock.unix_ns())]
    try:
        sink = open_sink(
            OTLP,
            project=project,
            prefix=prefix,
            service=NO_SERVICE,
            environment=NO_SERVICE,
            location=None,
            clock=clock,
        )
        try:
            result = sink.write(series, timeout_s=TIMEOUT_S)
        finally:
            sink.close()
    except GenesisPerformanceError as error:
        log.warning(FAILED, error)
        return
    for said in (*result.errors, *(one.reason for one in result.rejected)):
        log.warning(FAILED, said)
