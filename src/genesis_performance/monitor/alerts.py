"""Alert policies as values: what a call of ``create_…_alert`` means, checked."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable

from ..errors import InvalidInputError
from ..export.catalog import OPERATION_COUNT, OPERATION_DURATION
from ..export.redaction import MAX_LENGTH
from ..model.alert import ApplyMode, Comparison, PerformanceAlert
from ..stats.histogram import export_bounds_ns

RESPONSE_TIME, ERROR_RATE = "response_time", "error_rate"

QUANTILES = (0.05, 0.5, 0.95, 0.99)
"""Those that a cross-series reducer of Cloud Monitoring exists for."""

ALIGNMENT_S = 60
LONGEST_DURATION_S = 23.5 * 3600  # what Cloud Monitoring's console takes

_NOT_IN_AN_ID = re.compile(r"[^a-z0-9]+")
_CHANNEL = re.compile(r"projects/[^/]+/notificationChannels/[^/]+")


def response_time_alert(
    service_name: str,
    threshold_ms: float,
    environment: str,
    *,
    quantile: float,
    duration_s: float,
    channels: Iterable[str],
    apply: ApplyMode,
) -> PerformanceAlert:
    """The p-quantile of the durations of any operation of the service is above the threshold.

    Raises:
        InvalidInputError: a policy so made could never open, or would always be open.
    """
    service, environment = _named(service_name, environment)
    threshold = _positive("threshold_ms", threshold_ms)
    highest_ms = export_bounds_ns()[-1] / 1e6
    if threshold >= highest_ms:
        raise InvalidInputError(
            f"threshold_ms is {threshold:g}; exported durations are told apart up to {highest_ms:.0f} ms "
            "only, so the policy would never open; give a lower threshold"
        )
    if quantile not in QUANTILES:
        raise InvalidInputError(
            f"quantile is {quantile!r}; Cloud Monitoring reduces to {', '.join(map(str, QUANTILES))} only"
        )
    return PerformanceAlert(
        name=alert_name(service, RESPONSE_TIME, environment),
        display_name=f"{service}: response time, {environment}",
        service_name=service,
        environment=environment,
        metric_name=OPERATION_DURATION.name,
        condition=RESPONSE_TIME,
        comparison=Comparison.GREATER,
        threshold=threshold,
        unit="ms",
        quantile=quantile,
        alignment_s=ALIGNMENT_S,
        duration_s=_duration(duration_s),
        notification_channels=_channels(channels),
        apply=apply,
    )


def error_rate_alert(
    service_name: str,
    threshold_percent: float,
    environment: str,
    *,
    duration_s: float,
    channels: Iterable[str],
    apply: ApplyMode,
) -> PerformanceAlert:
    """The share of executions of any operation of the service that end in an error is above the threshold.

    Raises:
        InvalidInputError: a policy so made could never open, or would always be open.
    """
    service, environment = _named(service_name, environment)
    threshold = _positive("threshold_percent", threshold_percent)
    if threshold >= 100:
        raise InvalidInputError(
            f"threshold_percent is {threshold:g}; an error rate is below 100, as 2.0 is 2 %"
        )
    return PerformanceAlert(
        name=alert_name(service, ERROR_RATE, environment),
        display_name=f"{service}: error rate, {environment}",
        service_name=service,
        environment=environment,
        metric_name=OPERATION_COUNT.name,
        condition=ERROR_RATE,
        comparison=Comparison.GREATER,
        threshold=threshold,
        unit="%",
        alignment_s=ALIGNMENT_S,
        duration_s=_duration(duration_s),
        notification_channels=_channels(channels),
        apply=apply,
    )


def alert_name(service: str, condition: str, environment: str) -> str:
    """The stable id: one policy a service, kind and environment."""
    named = {part: _NOT_IN_AN_ID.sub("-", part.lower()).strip("-") or "x" for part in (service, environment)}
    name = f"{named[service]}-{condition.replace('_', '-')}-{named[environment]}"
    if all(part == slug for part, slug in named.items()):
        return name
    # Services such as my_service and my-service, or two in Japanese, must not share one policy.
    digest = hashlib.sha256(f"{service}/{environment}".encode(errors="replace")).hexdigest()
    return f"{name}-{digest[:8]}"


def apply_mode(text: ApplyMode | str) -> ApplyMode:
    try:
        return ApplyMode(text)
    except ValueError:
        raise InvalidInputError(f"apply is {text!r}; it is 'api', 'plan' or 'local'") from None


def quantity(alert: PerformanceAlert) -> str:
    """What is compared, for people: ``p95`` or ``error rate``."""
    return f"p{alert.quantile * 100:g}" if alert.quantile is not None else "error rate"


def _named(service: str, environment: str) -> tuple[str, str]:
    for what, text in (("service_name", service), ("environment", environment)):
        if not isinstance(text, str) or not text.strip() or len(text) > MAX_LENGTH:
            raise InvalidInputError(
                f"{what} is {text!r:.80}; give the text that the metrics' label {what} has"
            )
        if '"' in text or "\\" in text or not text.isprintable():
            raise InvalidInputError(
                f"{what} is {text!r:.80}; quotes, backslashes and control characters can not be"
            )
    return service.strip(), environment.strip()


def _positive(what: str, value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise InvalidInputError(f"{what} is {value!r}; it must be a number above 0")
    return float(value)


def _duration(seconds: float) -> int:
    whole = isinstance(seconds, int | float) and not isinstance(seconds, bool) and math.isfinite(seconds)
    if not whole or seconds % 60 or not 0 <= seconds <= LONGEST_DURATION_S:
        raise InvalidInputError(
            f"duration_s is {seconds!r}; Cloud Monitoring takes whole minutes: 0, 60, 120, up to "
            f"{LONGEST_DURATION_S:.0f} s"
        )
    return int(seconds)


def _channels(channels: Iterable[str]) -> tuple[str, ...]:
    if isinstance(channels, str):
        channels = (channels,)
    named = tuple(channels)
    for channel in named:
        if not isinstance(channel, str) or not _CHANNEL.fullmatch(channel):
            raise InvalidInputError(
                f"notification channel {channel!r} can not be one; use projects/P/notificationChannels/ID"
            )
    return named
