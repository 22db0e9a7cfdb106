"""An alert as the policy that Cloud Monitoring holds.

Source: https://cloud.google.com/monitoring/alerts/policies-in-api (aggregation, ratios, missing data), and
for what conditions can not look back at: a filter's window is at most 25 hours and a ``select_slo_burn_rate``
at most 24, a PromQL query's two years (https://docs.cloud.google.com/monitoring/alerts/using-promql).
"""

from __future__ import annotations

import json
import re
from typing import Any

from ..export.catalog import ENVIRONMENT, OPERATION, SERVICE, STATUS, STATUS_ERROR
from ..model.alert import PerformanceAlert
from ..model.series import Metric, MetricKind
from .kinds import ABSENCE, BURN_RATE, is_ratio, kind_of, per_unit, quantity, sign, windows_s
from .naming import Naming, Stored
from .terraform import Blocks, commented, resource

MANAGED_BY = ("managed_by", "genesis-performance")
"""The ownership label: policies without it are never changed or deleted."""

ALERT_LABEL, DEFINITION_LABEL = "genesis_alert", "genesis_definition"
AUTO_CLOSE_S = 1800
"""An incident without data closes after so long, the shortest that Cloud Monitoring takes."""

ABSENCE_AUTO_CLOSE_S = 7 * 86_400
"""That of an absence, which is itself without data: the longest."""

RECORDED_RESPONSE_TIME = "response_time"
"""Values recorded under this name, in ms and with the label service, count as response times too."""

_RECORDED = Metric(
    name=RECORDED_RESPONSE_TIME, kind=MetricKind.CUMULATIVE, value_type="DISTRIBUTION", unit="ms"
)

LONGEST_WINDOW_S = 24 * 3600
"""Of a condition with a filter; beyond it the condition is PromQL."""

Policy = dict[str, Any]


def policy(alert: PerformanceAlert, prefix: str, *, also_recorded: bool = False) -> Policy:
    """The fields of an ``AlertPolicy`` on the series that ``monitoring.sink`` writes.

    Args:
        also_recorded: add a condition on the recorded metric ``response_time``, which must have a descriptor.
    """
    made: Policy = {
        "display_name": alert.display_name[:512],
        "documentation": {"content": _documentation(alert), "mime_type": "text/markdown"},
        "conditions": _conditions(alert, Naming.configured(prefix), also_recorded),
        "combiner": "AND" if alert.short_alignment_s and not _is_promql(alert) else "OR",
        "enabled": True,
        "severity": alert.severity,
        "notification_channels": list(alert.notification_channels),
        "alert_strategy": {"auto_close": {"seconds": auto_close_s(alert)}},
        "user_labels": {MANAGED_BY[0]: MANAGED_BY[1], ALERT_LABEL: label_of(alert.name)},
    }
    made["user_labels"][DEFINITION_LABEL] = definition(made)
    return made


def definition(made: Policy) -> str:
    """Changes when the policy does."""
    import hashlib  # brings OpenSSL, 4 MB

    return hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()[:16]


def label_of(name: str) -> str:
    """The alert's name as a user label takes it: at most 63 characters."""
    if len(name) <= 63:
        return name
    import hashlib  # brings OpenSSL, 4 MB

    return f"{name[:50]}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def auto_close_s(alert: PerformanceAlert) -> int:
    """How long an incident of the alert may be without data."""
    return ABSENCE_AUTO_CLOSE_S if alert.condition == ABSENCE else AUTO_CLOSE_S


def series_filter(alert: PerformanceAlert, naming: Naming, stored: Stored) -> str:
    """The series that the alert looks at, in the filter language of Cloud Monitoring."""
    return (
        f'metric.type="{stored.type}" AND resource.type="{naming.resource}" '
        f'AND metric.labels.{SERVICE}="{alert.service_name}" '
        f'AND metric.labels.{ENVIRONMENT}="{alert.environment}"'
    )


def aggregation(alert: PerformanceAlert, window_s: int | None = None) -> dict[str, Any]:
    """How they become one value, of an operation or of the service.

    Args:
        window_s: instead of the alert's longest.
    """
    kind = kind_of(alert)
    reducer = kind.reducer or f"REDUCE_PERCENTILE_{round((alert.quantile or 0.95) * 100):02d}"
    return {
        "alignment_period": {"seconds": window_s or alert.alignment_s},
        "per_series_aligner": kind.aligner,
        "cross_series_reducer": reducer,
        "group_by_fields": [f"metric.labels.{OPERATION}"] if alert.by_operation else [],
    }


def compared(alert: PerformanceAlert) -> str:
    """The condition for people: ``p95 > 500 ms``."""
    return f"{quantity(alert)} {sign(alert)} {alert.threshold:g} {alert.unit}"


def rest(made: Policy) -> Policy:
    """The policy in the JSON of the REST API, as ``gcloud`` takes it from a file."""
    labels = made["user_labels"]
    return {**_rest(made), "userLabels": dict(labels)}


def _rest(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {"seconds"}:
            return _seconds(value)
        return {_NEXT_WORD.sub(lambda found: found[1].upper(), key): _rest(one) for key, one in value.items()}
    return [_rest(one) for one in value] if isinstance(value, list) else value


_NEXT_WORD = re.compile("_([a-z])")


def terraform(alert: PerformanceAlert, made: Policy) -> str:
    """The policy as a ``google_monitoring_alert_policy``; a comment says where its series may be missing."""
    body = {
        "display_name": made["display_name"],
        "combiner": made["combiner"],
        "enabled": made["enabled"],
        "severity": made["severity"],
        "notification_channels": made["notification_channels"],
        "user_labels": made["user_labels"],
        "documentation": Blocks([made["documentation"]]),
        "alert_strategy": Blocks([{"auto_close": _seconds(made["alert_strategy"]["auto_close"])}]),
        "conditions": Blocks(_terraform_condition(condition) for condition in made["conditions"]),
    }
    said = resource("google_monitoring_alert_policy", alert.name, body, prefix="alert")
    return commented(Naming.configured("").doubt) + said


def _conditions(alert: PerformanceAlert, naming: Naming, also_recorded: bool) -> list[dict[str, Any]]:
    if _is_promql(alert):
        return [_promql_condition(alert, naming)]
    metrics = [kind_of(alert).metric, *([_RECORDED] if also_recorded else [])]
    stored = [one for metric in metrics for one in naming.stored(metric)]
    if alert.condition == ABSENCE:
        return [_absence_condition(alert, series_filter(alert, naming, one)) for one in stored]
    return [
        _threshold_condition(alert, naming, one, window_s) for one in stored for window_s in windows_s(alert)
    ]


def _threshold_condition(
    alert: PerformanceAlert, naming: Naming, stored: Stored, window_s: int
) -> dict[str, Any]:
    looked_at = series_filter(alert, naming, stored)
    condition: dict[str, Any] = {
        "filter": looked_at,
        "comparison": alert.comparison.value,
        "threshold_value": alert.threshold / per_unit(alert) * stored.scale,
        "duration": {"seconds": alert.duration_s},
        "trigger": {"count": 1},
    }
    if alert.slo:
        condition["filter"] = f'select_slo_burn_rate("{alert.slo}", "{window_s}s")'
        condition["threshold_value"] = alert.threshold
    else:
        condition["aggregations"] = [aggregation(alert, window_s)]
    if is_ratio(alert) and not alert.slo:
        condition |= {
            "filter": f'{looked_at} AND metric.labels.{STATUS}="{STATUS_ERROR}"',
            "denominator_filter": looked_at,
            "denominator_aggregations": [aggregation(alert, window_s)],
        }
    if alert.duration_s:
        # Local evaluation keeps the state too. Without a duration the field may not be set.
        condition["evaluation_missing_data"] = "EVALUATION_MISSING_DATA_NO_OP"
    over = f" over {duration_text(window_s)}" if alert.condition == BURN_RATE else ""
    return {
        "display_name": f"{stored.name} {compared(alert)}{over}"[:512],
        "condition_threshold": condition,
    }


def _absence_condition(alert: PerformanceAlert, looked_at: str) -> dict[str, Any]:
    return {
        "display_name": f"nothing from {alert.service_name} for {duration_text(alert.duration_s)}"[:512],
        "condition_absent": {
            "filter": looked_at,
            "duration": {"seconds": alert.duration_s},
            "trigger": {"count": 1},
            "aggregations": [aggregation(alert)],
        },
    }


def _is_promql(alert: PerformanceAlert) -> bool:
    return alert.alignment_s > LONGEST_WINDOW_S


def _promql_condition(alert: PerformanceAlert, naming: Naming) -> dict[str, Any]:
    metric = kind_of(alert).metric
    where = {SERVICE: alert.service_name, ENVIRONMENT: alert.environment}
    executed, failed = naming.promql(metric, where), naming.promql(metric, {**where, STATUS: STATUS_ERROR})
    limit = f"{alert.threshold / per_unit(alert):.6g}"
    ratios = (
        f"(sum(rate({failed}[{window_s}s])) / sum(rate({executed}[{window_s}s])) > {limit})"
        for window_s in windows_s(alert)
    )
    said = f"{naming.stored(metric)[0].name} {compared(alert)} over {duration_text(alert.alignment_s)}"
    return {
        "display_name": said[:512],
        "condition_prometheus_query_language": {
            "query": " and ".join(ratios),
            "duration": {"seconds": alert.duration_s},
            "evaluation_interval": {"seconds": 60},
        },
    }


def duration_text(seconds: int) -> str:
    """``90 s``, ``5 min``, ``6 h`` or ``3 d``."""
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds % size == 0 and seconds > size:
            return f"{seconds // size} {unit}"
    return "1 h" if seconds == 3600 else f"{seconds} s"


def _documentation(alert: PerformanceAlert) -> str:
    of = f"**{alert.service_name:.200}** ({alert.environment:.200})"
    beyond = "below" if sign(alert) == "<" else "above"
    limit = f"{alert.threshold:g} {alert.unit}"
    where = f"of an operation of {of}" if alert.by_operation else f"of {of}"
    over = " and over ".join(duration_text(window_s) for window_s in windows_s(alert))
    if alert.condition == ABSENCE:
        said = f"Nothing has arrived from {of} for {duration_text(alert.duration_s)}."
    else:
        said = f"The {quantity(alert)} {where} is {beyond} {limit} over {over}."
    if alert.objective_percent is not None:
        said += f" The objective is that {alert.objective_percent:g} % of executions succeed."
    own = f"{alert.documentation}\n\n" if alert.documentation else ""
    return (
        f"{said}\n\n{own}"
        "Made by Genesis Performance, which keeps it up to date; `genesis-perf monitor incidents` shows what "
        "it measured."
    )


def _terraform_condition(condition: dict[str, Any]) -> dict[str, Any]:
    """The provider's names: repeated fields are blocks, durations are texts."""
    (kind,) = (key for key in condition if key.startswith("condition_"))
    spec: dict[str, Any] = {
        key: _seconds(value) if isinstance(value, dict) and "seconds" in value else value
        for key, value in condition[kind].items()
    }
    if "trigger" in spec:
        spec["trigger"] = Blocks([spec["trigger"]])
    for key in ("aggregations", "denominator_aggregations"):
        if key in spec:
            spec[key] = Blocks(
                {**one, "alignment_period": _seconds(one["alignment_period"])} for one in spec[key]
            )
    return {"display_name": condition["display_name"], kind: Blocks([spec])}


def _seconds(duration: dict[str, int]) -> str:
    return f"{duration['seconds']}s"
