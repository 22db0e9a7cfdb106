"""An alert as the policy that Cloud Monitoring holds, and as Terraform text.

Source: https://cloud.google.com/monitoring/alerts/policies-in-api (aggregation, ratios, missing data)
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from ..export.catalog import OPERATION, OPERATION_COUNT, STATUS, STATUS_ERROR, metric_type
from ..export.resource import GENERIC_TASK
from ..model.alert import PerformanceAlert
from .alerts import ERROR_RATE, quantity

MANAGED_BY = ("managed_by", "genesis-performance")
"""The ownership label: policies without it are never changed or deleted."""

ALERT_LABEL, DEFINITION_LABEL = "genesis_alert", "genesis_definition"
AUTO_CLOSE_S = 1800
"""An incident without data closes after so long, the shortest that Cloud Monitoring takes."""

RECORDED_RESPONSE_TIME = "response_time"
"""Values recorded under this name, in ms and with the label service, count as response times too."""

Policy = dict[str, Any]


def policy(alert: PerformanceAlert, prefix: str, *, also_recorded: bool = False) -> Policy:
    """The fields of an ``AlertPolicy``.

    Args:
        also_recorded: add a condition on the recorded metric ``response_time``, which must have a descriptor.
    """
    names = [alert.metric_name, *([RECORDED_RESPONSE_TIME] if also_recorded else [])]
    made: Policy = {
        "display_name": alert.display_name,
        "documentation": {"content": _documentation(alert), "mime_type": "text/markdown"},
        "conditions": [_condition(alert, prefix, name) for name in names],
        "combiner": "OR",
        "enabled": True,
        "severity": alert.severity,
        "notification_channels": list(alert.notification_channels),
        "alert_strategy": {"auto_close": {"seconds": AUTO_CLOSE_S}},
        "user_labels": {MANAGED_BY[0]: MANAGED_BY[1], ALERT_LABEL: label_of(alert.name)},
    }
    made["user_labels"][DEFINITION_LABEL] = definition(made)
    return made


def definition(made: Policy) -> str:
    """Changes when the policy does."""
    return hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()[:16]


def label_of(name: str) -> str:
    """The alert's name as a user label takes it: at most 63 characters."""
    if len(name) <= 63:
        return name
    return f"{name[:50]}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def _condition(alert: PerformanceAlert, prefix: str, metric_name: str) -> dict[str, Any]:
    looked_at = series_filter(alert, prefix, metric_name)
    condition = {
        "filter": looked_at,
        "comparison": alert.comparison.value,
        "threshold_value": alert.threshold,
        "duration": {"seconds": alert.duration_s},
        "trigger": {"count": 1},
        "aggregations": [aggregation(alert)],
    }
    if alert.condition == ERROR_RATE:
        condition |= {
            "filter": f'{looked_at} AND metric.labels.{STATUS}="{STATUS_ERROR}"',
            "denominator_filter": looked_at,
            "denominator_aggregations": [aggregation(alert)],
            "threshold_value": alert.threshold / 100,
        }
    if alert.duration_s:
        # Local evaluation keeps the state too. Without a duration the field may not be set.
        condition["evaluation_missing_data"] = "EVALUATION_MISSING_DATA_NO_OP"
    return {
        "display_name": f"{metric_name} {quantity(alert)} {_sign(alert)}",
        "condition_threshold": condition,
    }


def series_filter(alert: PerformanceAlert, prefix: str, metric_name: str) -> str:
    """The series that the alert looks at, in the filter language of Cloud Monitoring."""
    return (
        f'metric.type="{metric_type(prefix, metric_name)}" AND resource.type="{GENERIC_TASK}" '
        f'AND metric.labels.service="{alert.service_name}" '
        f'AND metric.labels.environment="{alert.environment}"'
    )


def aggregation(alert: PerformanceAlert) -> dict[str, Any]:
    """How they become one value an operation."""
    if alert.metric_name == OPERATION_COUNT.name:
        aligner, reducer = "ALIGN_RATE", "REDUCE_SUM"
    else:
        aligner, reducer = "ALIGN_DELTA", f"REDUCE_PERCENTILE_{round((alert.quantile or 0.95) * 100):02d}"
    return {
        "alignment_period": {"seconds": alert.alignment_s},
        "per_series_aligner": aligner,
        "cross_series_reducer": reducer,
        "group_by_fields": [f"metric.labels.{OPERATION}"],
    }


def _sign(alert: PerformanceAlert) -> str:
    return f"> {alert.threshold:g} {alert.unit}"


def _documentation(alert: PerformanceAlert) -> str:
    return (
        f"The {quantity(alert)} of an operation of **{alert.service_name}** ({alert.environment}) is above "
        f"{alert.threshold:g} {alert.unit} over {alert.alignment_s} s.\n\n"
        "Made by Genesis Performance, which keeps it up to date; `genesis-perf monitor incidents` shows what "
        "it measured."
    )


_NOT_IN_A_NAME = re.compile(r"[^a-z0-9]+")


def terraform(alert: PerformanceAlert, made: Policy) -> str:
    """The policy as a ``google_monitoring_alert_policy``."""
    name = _NOT_IN_A_NAME.sub("_", alert.name.lower()).strip("_")
    if name[:1].isdigit():
        name = f"alert_{name}"
    body = {
        "display_name": made["display_name"],
        "combiner": made["combiner"],
        "enabled": made["enabled"],
        "severity": made["severity"],
        "notification_channels": made["notification_channels"],
        "user_labels": made["user_labels"],
        "documentation": [made["documentation"]],
        "alert_strategy": [{"auto_close": _seconds(made["alert_strategy"]["auto_close"])}],
        "conditions": [_terraform_condition(condition) for condition in made["conditions"]],
    }
    lines = [f'resource "google_monitoring_alert_policy" "{name}" {{', *_block(body, "  "), "}"]
    return "\n".join(lines) + "\n"


def _terraform_condition(condition: dict[str, Any]) -> dict[str, Any]:
    """The provider's names: repeated fields are blocks, durations are texts."""
    threshold = dict(condition["condition_threshold"])
    threshold["duration"] = _seconds(threshold["duration"])
    threshold["trigger"] = [threshold["trigger"]]
    for key in ("aggregations", "denominator_aggregations"):
        if key in threshold:
            threshold[key] = [
                {**one, "alignment_period": _seconds(one["alignment_period"])} for one in threshold[key]
            ]
    return {"display_name": condition["display_name"], "condition_threshold": [threshold]}


def _seconds(duration: dict[str, int]) -> str:
    return f"{duration['seconds']}s"


def _block(body: dict[str, Any], indent: str) -> list[str]:
    lines = []
    for key, value in body.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            for one in value:
                lines += [f"{indent}{key} {{", *_block(one, f"{indent}  "), f"{indent}}}"]
        else:
            lines.append(f"{indent}{key} = {_literal(value)}")
    return lines


def _literal(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_literal(one)}" for key, one in value.items()) + " }"
    # In HCL ${ and %{ begin an expression, also within a text.
    return json.dumps(value, ensure_ascii=False).replace("${", "$${").replace("%{", "%%{")
