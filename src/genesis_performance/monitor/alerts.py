"""Alerts as values: what a call of ``create_…_alert`` means, checked."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..errors import InvalidInputError
from ..model.alert import ApplyMode, Comparison, PerformanceAlert
from ..stats.histogram import export_bounds_ns
from .kinds import ABSENCE, CPU, ERROR_RATE, KINDS, MEMORY, RESPONSE_TIME, THROUGHPUT, quantity

__all__ = ["ERROR_RATE", "RESPONSE_TIME", "quantity"]

QUANTILES = (0.05, 0.5, 0.95, 0.99)
"""Those that a cross-series reducer of Cloud Monitoring exists for."""

ALIGNMENT_S = 60
LONGEST_DURATION_S = 23.5 * 3600  # what Cloud Monitoring's console takes
SHORTEST_ABSENCE_S = 120
MAX_NAME = 500  # of service and environment each: a filter has at most 2048 characters
LARGEST = 1e15  # of a threshold, in its unit
MAX_DOCUMENTATION = 6000  # Cloud Monitoring takes 8192 characters and 10,240 bytes, ours included
MAX_DOCUMENTATION_BYTES = 8000
SEVERITIES = ("CRITICAL", "ERROR", "WARNING")

_NOT_IN_AN_ID = re.compile(r"[^a-z0-9]+")
_SURROGATE = re.compile("[\ud800-\udfff]")  # half a character, which no protocol takes
_CHANNEL = re.compile(r"projects/[^/]+/notificationChannels/[^/]+")
_SLO = re.compile(r"projects/[^/\"]+/services/[^/\"]+/serviceLevelObjectives/[^/\"]+")


def response_time_alert(
    service_name: str,
    threshold_ms: float,
    environment: str,
    *,
    quantile: float,
    duration_s: float,
    channels: Iterable[str],
    apply: ApplyMode,
    severity: str = "WARNING",
    documentation: str = "",
) -> PerformanceAlert:
    """The p-quantile of the durations of any operation of the service is above the threshold.

    Raises:
        InvalidInputError: a policy so made could never open, or would always be open.
    """
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
    return made(
        RESPONSE_TIME, service_name, environment, threshold, duration_s=duration_s, channels=channels,
        apply=apply, severity=severity, documentation=documentation, quantile=quantile,
    )  # fmt: skip


def error_rate_alert(
    service_name: str,
    threshold_percent: float,
    environment: str,
    *,
    duration_s: float,
    channels: Iterable[str],
    apply: ApplyMode,
    severity: str = "WARNING",
    documentation: str = "",
) -> PerformanceAlert:
    """The share of executions of any operation of the service that end in an error is above the threshold.

    Raises:
        InvalidInputError: a policy so made could never open, or would always be open.
    """
    threshold = _positive("threshold_percent", threshold_percent)
    if threshold >= 100:
        raise InvalidInputError(
            f"threshold_percent is {threshold:g}; an error rate is below 100, as 2.0 is 2 %"
        )
    return made(
        ERROR_RATE, service_name, environment, threshold, duration_s=duration_s, channels=channels,
        apply=apply, severity=severity, documentation=documentation,
    )  # fmt: skip


def throughput_alert(
    service_name: str,
    min_per_minute: float | None,
    max_per_minute: float | None,
    environment: str,
    *,
    by_operation: bool,
    duration_s: float,
    channels: Iterable[str],
    apply: ApplyMode,
    severity: str = "WARNING",
    documentation: str = "",
) -> PerformanceAlert:
    """The service executes fewer, or more, operations a minute than it should.

    Raises:
        InvalidInputError: none or both of the limits are given, or one makes no sense.
    """
    if (min_per_minute is None) == (max_per_minute is None):
        raise InvalidInputError(
            "give min_per_minute or max_per_minute, one of them: each direction is an alert of its own"
        )
    if min_per_minute is not None:
        threshold, comparison = _positive("min_per_minute", min_per_minute), Comparison.LESS
    else:
        threshold, comparison = _positive("max_per_minute", max_per_minute), Comparison.GREATER
    return made(
        THROUGHPUT, service_name, environment, threshold, duration_s=duration_s, channels=channels,
        apply=apply, severity=severity, documentation=documentation, comparison=comparison,
        by_operation=by_operation, variant="low" if comparison is Comparison.LESS else "high",
    )  # fmt: skip


def cpu_alert(
    service_name: str,
    threshold_percent: float,
    environment: str,
    *,
    duration_s: float,
    channels: Iterable[str],
    apply: ApplyMode,
    severity: str = "WARNING",
    documentation: str = "",
) -> PerformanceAlert:
    """The busiest process of the service uses more than this share of the CPUs that it may use.

    Raises:
        InvalidInputError: a policy so made could never open.
    """
    threshold = _positive("threshold_percent", threshold_percent)
    if threshold >= 100:
        raise InvalidInputError(
            f"threshold_percent is {threshold:g}; 100 is all CPUs that the process may use, so the policy "
            "would never open"
        )
    return made(
        CPU, service_name, environment, threshold, duration_s=duration_s, channels=channels, apply=apply,
        severity=severity, documentation=documentation, by_operation=False,
    )  # fmt: skip


def memory_alert(
    service_name: str,
    threshold_mib: float,
    environment: str,
    *,
    duration_s: float,
    channels: Iterable[str],
    apply: ApplyMode,
    severity: str = "WARNING",
    documentation: str = "",
) -> PerformanceAlert:
    """The largest process of the service has more resident memory than this.

    Raises:
        InvalidInputError: the threshold is no number above 0.
    """
    return made(
        MEMORY, service_name, environment, _positive("threshold_mib", threshold_mib), duration_s=duration_s,
        channels=channels, apply=apply, severity=severity, documentation=documentation, by_operation=False,
    )  # fmt: skip


def absence_alert(
    service_name: str,
    environment: str,
    *,
    duration_s: float,
    channels: Iterable[str],
    apply: ApplyMode,
    severity: str = "WARNING",
    documentation: str = "",
) -> PerformanceAlert:
    """Nothing has arrived from the service for ``duration_s``, though something once did.

    Raises:
        InvalidInputError: the duration is none that Cloud Monitoring takes.
    """
    seconds = _duration(duration_s)
    if seconds < SHORTEST_ABSENCE_S:
        raise InvalidInputError(
            f"duration_s is {duration_s!r}; Cloud Monitoring notices an absence after {SHORTEST_ABSENCE_S} s "
            "at the earliest"
        )
    return made(
        ABSENCE, service_name, environment, seconds, duration_s=seconds, channels=channels, apply=apply,
        severity=severity, documentation=documentation, by_operation=False,
    )  # fmt: skip


def made(
    condition: str,
    service_name: str,
    environment: str,
    threshold: float,
    *,
    duration_s: float,
    channels: Iterable[str],
    apply: ApplyMode,
    severity: str,
    documentation: str,
    comparison: Comparison = Comparison.GREATER,
    quantile: float | None = None,
    by_operation: bool = True,
    variant: str = "",
    windows_s: tuple[int, int | None] = (ALIGNMENT_S, None),
    objective_percent: float | None = None,
    slo: str | None = None,
) -> PerformanceAlert:
    """An alert of a kind, with what all kinds check.

    Args:
        variant: tells alerts of one kind, service and environment apart.

    Raises:
        InvalidInputError: a text, the duration, the severity or a channel can not be.
    """
    service, environment = place(service_name, environment)
    kind = KINDS[condition]
    said = f", {variant}" if variant else ""
    return PerformanceAlert(
        name=alert_name(service, f"{condition}-{variant}" if variant else condition, environment),
        display_name=f"{service}: {kind.title}{said}, {environment}",
        service_name=service,
        environment=environment,
        metric_name=kind.metric.name,
        condition=condition,
        comparison=comparison,
        threshold=threshold,
        unit=kind.unit,
        quantile=quantile,
        alignment_s=windows_s[0],
        short_alignment_s=windows_s[1],
        duration_s=_duration(duration_s),
        by_operation=by_operation,
        objective_percent=objective_percent,
        slo=slo_name(slo),
        severity=_severity(severity),
        documentation=_documentation(documentation),
        notification_channels=_channels(channels),
        apply=apply,
    )


def objective(percent: float) -> float:
    """A service level objective in percent.

    Raises:
        InvalidInputError: it leaves no budget, or one that no rate of errors can burn fast enough.
    """
    if (
        isinstance(percent, bool)
        or not isinstance(percent, int | float)
        or not LOWEST_OBJECTIVE <= percent <= HIGHEST_OBJECTIVE
    ):
        raise InvalidInputError(
            f"objective_percent is {percent!r}; give {LOWEST_OBJECTIVE:g} to {HIGHEST_OBJECTIVE:g}, for "
            "example 99.9: below that no error rate burns the budget 14.4 times as fast as it lasts, and "
            "above it Cloud Monitoring takes no objective"
        )
    return float(percent)


LOWEST_OBJECTIVE, HIGHEST_OBJECTIVE = 94.0, 99.99  # 14.4 x 6 % is 86 % of errors; the API's goal is <= 0.9999


def alert_name(service: str, condition: str, environment: str) -> str:
    """The stable id: one policy a service, kind and environment."""
    named = {part: _NOT_IN_AN_ID.sub("-", part.lower()).strip("-") or "x" for part in (service, environment)}
    name = f"{named[service]}-{condition.replace('_', '-')}-{named[environment]}"
    if all(part == slug for part, slug in named.items()):
        return name
    # Services such as my_service and my-service, or two in Japanese, must not share one policy.
    import hashlib  # brings OpenSSL, 4 MB

    digest = hashlib.sha256(f"{service}/{environment}".encode(errors="replace")).hexdigest()
    return f"{name}-{digest[:8]}"


def apply_mode(text: ApplyMode | str) -> ApplyMode:
    try:
        return ApplyMode(text)
    except ValueError:
        raise InvalidInputError(f"apply is {text!r}; it is 'api', 'plan' or 'local'") from None


def place(service: str, environment: str) -> tuple[str, str]:
    """Service and environment, as labels of metrics and in filters.

    Raises:
        InvalidInputError: one of them can not be such a label.
    """
    for what, text in (("service_name", service), ("environment", environment)):
        if not isinstance(text, str) or not text.strip() or len(text) > MAX_NAME:
            raise InvalidInputError(
                f"{what} is {text!r:.80}; give the text that the metrics' label {what} has, at most "
                f"{MAX_NAME} characters"
            )
        if '"' in text or "\\" in text or not text.isprintable():
            raise InvalidInputError(
                f"{what} is {text!r:.80}; quotes, backslashes and control characters can not be"
            )
    return service.strip(), environment.strip()


def _positive(what: str, value: float | None) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= LARGEST:
        raise InvalidInputError(f"{what} is {value!r:.80}; it must be a number above 0, at most {LARGEST:g}")
    return float(value)


def _duration(seconds: float) -> int:
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not is_number or not 0 <= seconds <= LONGEST_DURATION_S or seconds % 60:
        raise InvalidInputError(
            f"duration_s is {seconds!r:.80}; Cloud Monitoring takes whole minutes: 0, 60, 120, up to "
            f"{LONGEST_DURATION_S:.0f} s"
        )
    return int(seconds)


def _severity(text: str) -> str:
    if text not in SEVERITIES:
        raise InvalidInputError(f"severity is {text!r:.80}; it is {', '.join(map(repr, SEVERITIES))}")
    return text


def _documentation(text: str) -> str:
    is_text = isinstance(text, str) and len(text) <= MAX_DOCUMENTATION
    if not is_text or _SURROGATE.search(text) or len(text.encode()) > MAX_DOCUMENTATION_BYTES:
        raise InvalidInputError(
            f"documentation is {text!r:.80}; give a Markdown text of at most {MAX_DOCUMENTATION} characters "
            f"and {MAX_DOCUMENTATION_BYTES} bytes"
        )
    return text.strip()


def slo_name(name: str | None) -> str | None:
    """The resource name of an objective.

    Raises:
        InvalidInputError: it is none.
    """
    if name is not None and not (isinstance(name, str) and _SLO.fullmatch(name)):
        raise InvalidInputError(
            f"slo is {name!r:.120}; give projects/P/services/S/serviceLevelObjectives/O, or leave it out"
        )
    return name


def _channels(channels: Iterable[str]) -> tuple[str, ...]:
    if isinstance(channels, str):
        channels = (channels,)
    if not isinstance(channels, Iterable):
        raise InvalidInputError(f"notification_channels is {channels!r:.80}; give a list of channel names")
    named = tuple(channels)
    for channel in named:
        if not isinstance(channel, str) or not _CHANNEL.fullmatch(channel):
            raise InvalidInputError(
                f"notification channel {channel!r} can not be one; use projects/P/notificationChannels/ID"
            )
    return named
