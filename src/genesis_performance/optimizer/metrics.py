"""Read the metrics of a service: known names, possible values; the rest is reported, not guessed."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from decimal import Decimal
from itertools import pairwise
from typing import Any

from ..errors import InvalidInputError, UnknownNameError
from ..model.series import Distribution, Series
from .facts import METRICS

SERVICE_TYPES: Mapping[str, str] = {
    "cloud_run": "Cloud Run services and functions",
}
"""Kinds of services that rules are written for."""

ServiceMetrics = Mapping[str, Any] | Iterable[Series]
"""Metric name to value, or the series that a monitor recorded."""

_ORDERED = ("p50_latency_ms", "p95_latency_ms", "p99_latency_ms")
_AT_MOST = (("cpu_utilization", "cpu_utilization_p99"), ("memory_utilization", "memory_utilization_max"))


def check_service_type(service_type: str) -> None:
    """Raise UnknownNameError for a kind of service that no rules are written for."""
    if service_type not in SERVICE_TYPES:
        raise UnknownNameError(
            f"no rules for service type {service_type!r}; known are {', '.join(SERVICE_TYPES)}"
        )


def read_metrics(service_name: str, metrics: ServiceMetrics) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Checked values by name, and the names that mean nothing here (with the nearest that does).

    Raises:
        InvalidInputError: a value is impossible, or two contradict one another.
    """
    given: Any = metrics
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise InvalidInputError(f"metrics is {metrics!r}; give a mapping of names to values, or series")
    named = dict(given) if isinstance(given, Mapping) else _newest(service_name, given)
    values: dict[str, Any] = {}
    unknown: list[str] = []
    for name, value in named.items():
        if name not in METRICS:
            unknown.append(_unknown(str(name)))
        elif value is not None:
            values[name] = _checked(name, value)
    _check_order(values)
    return values, tuple(unknown)


def _checked(name: str, value: Any) -> float | str:
    about = METRICS[name]
    if "allowed" in about:
        allowed = about["allowed"]
        if not isinstance(value, str) or not value or (allowed and value not in allowed):
            expected = " or ".join(map(repr, allowed)) or "text"
            raise InvalidInputError(f"metric {name} is {value!r}; it must be {expected}")
        return value
    low, high, unit = about["low"], about["high"], about["unit"]
    limits = f"from {low:g} to {high:g} {unit}"
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise InvalidInputError(f"metric {name} is {value!r}; it must be a number {limits}")
    try:
        number = float(value)
    except (OverflowError, ValueError):  # an integer beyond floats, a signalling NaN
        number = math.nan
    if not math.isfinite(number) or not low <= number <= high:
        raise InvalidInputError(f"metric {name} is {value}; it must be a finite number {limits}")
    return number


def _check_order(values: Mapping[str, Any]) -> None:
    latencies = [name for name in _ORDERED if name in values]
    for lower, higher in [*pairwise(latencies), *_AT_MOST]:
        if lower in values and higher in values and values[lower] > values[higher]:
            raise InvalidInputError(
                f"metric {lower} is {values[lower]:g}, above {higher}, {values[higher]:g}; that can not be"
            )


def _newest(service_name: str, series: Iterable[Series]) -> dict[str, Any]:
    """The newest value of each series that is of this service, or of no service in particular."""
    values: dict[str, tuple[int, Any]] = {}
    for one in series:
        if not isinstance(one, Series):
            raise InvalidInputError(f"metrics hold {one!r}; give a mapping of names to values, or series")
        if not one.points or dict(one.labels).get("service", service_name) != service_name:
            continue
        point = max(one.points, key=lambda p: p.end_unix_ns)
        name = one.metric.name.rpartition("/")[2]
        if not isinstance(point.value, Distribution) and point.end_unix_ns > values.get(name, (-1,))[0]:
            values[name] = (point.end_unix_ns, point.value)
    return {name: value for name, (_, value) in values.items()}


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, METRICS, n=1, cutoff=0.75)
    return f"{name} (did you mean {near[0]}?)" if near else name
