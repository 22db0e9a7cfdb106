"""What an alert policy may say: the documented rules that Create and Update check.

Source: the documentation of ``AlertPolicy``; texts from issue threads where one quotes them (``rules.py``).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

from ..rpc_error import RpcError
from .conditions import Condition, Metrics, check_trigger, read_absence, read_duration, read_threshold
from .names import invalid

MAX_CONDITIONS = 6
MAX_NAME_CHARS = 512
MAX_LABELS = 64
MAX_LABEL_CHARS, MAX_LABEL_BYTES = 63, 128
MAX_CONTENT_CHARS, MAX_CONTENT_BYTES = 8192, 10_240
MAX_SUBJECT_BYTES = 10_240
MAX_LINKS = 3
MAX_CHANNELS = 16
MIN_AUTO_CLOSE_S, MAX_AUTO_CLOSE_S = 1800, 7 * 24 * 3600
MAX_RULE_CHARS = 2048

_PROMETHEUS_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


def check(policy: Any, project: str, metrics: Metrics) -> tuple[Condition, ...]:
    """Check a policy; its threshold and absence conditions in the form that the evaluation uses.

    Raises:
        RpcError: a documented rule is broken.
    """
    if len(policy.display_name) > MAX_NAME_CHARS:
        raise invalid(
            "alert_policy.display_name",
            policy.display_name,
            f"The name is limited to {MAX_NAME_CHARS} characters.",
        )
    _check_labels(policy.user_labels)
    _check_documentation(policy.documentation)
    if len(policy.notification_channels) > MAX_CHANNELS:
        raise invalid(
            "alert_policy.notification_channels",
            str(len(policy.notification_channels)),
            f"A policy can have at most {MAX_CHANNELS} notification channels.",
        )
    _check_strategy(policy.alert_strategy)
    if policy.severity not in dict(type(policy).Severity.items()).values():
        raise invalid("alert_policy.severity", str(policy.severity), "The severity is unknown.")
    _check_combination(policy)
    evaluated = []
    for index, condition in enumerate(policy.conditions):
        read = _check_condition(condition, f"alert_policy.conditions[{index}]", project, metrics)
        if read is not None:
            evaluated.append(read)
    return tuple(evaluated)


def _check_combination(policy: Any) -> None:
    count = len(policy.conditions)
    if not 1 <= count <= MAX_CONDITIONS:
        raise invalid(
            "alert_policy.conditions",
            str(count),
            f"A policy must have from one to {MAX_CONDITIONS} conditions.",
        )
    if policy.combiner not in dict(type(policy).ConditionCombinerType.items()).values():
        raise invalid("alert_policy.combiner", str(policy.combiner), "The combiner is unknown.")
    if count > 1 and policy.combiner == 0:
        raise invalid(
            "alert_policy.combiner",
            "COMBINE_UNSPECIFIED",
            "A policy with several conditions needs a combiner.",
        )
    kinds = [condition.WhichOneof("condition") for condition in policy.conditions]
    if count > 1 and "condition_matched_log" in kinds:
        raise RpcError(
            "INVALID_ARGUMENT",
            "Alert policies with a log matching condition can only have a single condition.",
        )
    if count > 1 and "condition_monitoring_query_language" in kinds:
        raise RpcError(
            "INVALID_ARGUMENT",
            "Alert policies with a Monitoring Query Language condition can only have a single condition.",
        )
    if "condition_matched_log" in kinds and not policy.alert_strategy.HasField("notification_rate_limit"):
        raise invalid(
            "alert_policy.alert_strategy.notification_rate_limit",
            "",
            "It is required for policies with a log matching condition.",
        )


def _check_condition(condition: Any, place: str, project: str, metrics: Metrics) -> Condition | None:
    which = condition.WhichOneof("condition")
    if which is None:
        raise invalid(place, "", "A condition must be specified.")
    if which == "condition_threshold":
        return read_threshold(condition, place, project, metrics)
    if which == "condition_absent":
        return read_absence(condition, place, project, metrics)
    spec = getattr(condition, which)
    checks: dict[str, Callable[[], None]] = {
        "condition_monitoring_query_language": lambda: _check_mql(spec, f"{place}.{which}"),
        "condition_prometheus_query_language": lambda: _check_promql(spec, f"{place}.{which}"),
        "condition_matched_log": lambda: _check_text(spec.filter, f"{place}.{which}.filter"),
        "condition_sql": lambda: _check_sql(spec, f"{place}.{which}"),
    }
    check_kind = checks.get(which)
    if check_kind is not None:  # a kind that a later client brings is stored as it is
        check_kind()
    return None


def _check_mql(spec: Any, place: str) -> None:
    _check_text(spec.query, f"{place}.query")
    read_duration(spec.duration, f"{place}.duration")
    check_trigger(spec.trigger, place)


def _check_promql(spec: Any, place: str) -> None:
    _check_text(spec.query, f"{place}.query")
    if spec.duration.seconds < 0 or spec.duration.nanos < 0:
        raise invalid(f"{place}.duration", f"{spec.duration.seconds}s", "It must not be negative.")
    if spec.HasField("evaluation_interval"):
        interval = spec.evaluation_interval
        if interval.seconds <= 0 or interval.seconds % 30 or interval.nanos:
            raise invalid(
                f"{place}.evaluation_interval",
                f"{interval.seconds}s",
                "It must be a positive multiple of 30 seconds.",
            )
    for key in spec.labels:
        if _PROMETHEUS_LABEL.fullmatch(key) is None:
            raise invalid(f"{place}.labels", key, "It is not a valid Prometheus label name.")
    for field in ("rule_group", "alert_rule"):
        if len(getattr(spec, field)) > MAX_RULE_CHARS:
            raise invalid(
                f"{place}.{field}", getattr(spec, field), f"It must not exceed {MAX_RULE_CHARS} characters."
            )
    if spec.alert_rule and _PROMETHEUS_LABEL.fullmatch(spec.alert_rule) is None:
        raise invalid(f"{place}.alert_rule", spec.alert_rule, "It is not a valid Prometheus label name.")


def _check_sql(spec: Any, place: str) -> None:
    _check_text(spec.query, f"{place}.query")
    for oneof in ("schedule", "evaluate"):
        if spec.WhichOneof(oneof) is None:
            raise invalid(f"{place}.{oneof}", "", "It must be specified.")


def _check_text(text: str, place: str) -> None:
    if not text.strip():
        raise invalid(place, text, "It must not be empty.")


def _check_labels(labels: Mapping[str, str]) -> None:
    if len(labels) > MAX_LABELS:
        raise invalid(
            "alert_policy.user_labels", str(len(labels)), f"It can have at most {MAX_LABELS} entries."
        )
    for key, value in labels.items():
        if not key or not unicodedata.category(key[0]).startswith("L"):
            raise invalid("alert_policy.user_labels", key, "A label key must begin with a letter.")
        for text in (key, value):
            if len(text) > MAX_LABEL_CHARS or len(text.encode("utf-8")) > MAX_LABEL_BYTES:
                raise invalid(
                    "alert_policy.user_labels",
                    text,
                    f"Label keys and values are limited to {MAX_LABEL_CHARS} characters and "
                    f"{MAX_LABEL_BYTES} bytes.",
                )
            if not all(_is_label_char(char) for char in text):
                raise invalid(
                    "alert_policy.user_labels",
                    text,
                    "Label keys and values can contain only lowercase letters, numerals, underscores and "
                    "dashes.",
                )


def _is_label_char(char: str) -> bool:
    category = unicodedata.category(char)
    return char in "_-" or category in {"Ll", "Lo"} or category.startswith("N")


def _check_documentation(documentation: Any) -> None:
    content, place = documentation.content, "alert_policy.documentation"
    if len(content) > MAX_CONTENT_CHARS or len(content.encode("utf-8")) > MAX_CONTENT_BYTES:
        raise invalid(
            f"{place}.content",
            content,
            f"The content may not exceed {MAX_CONTENT_CHARS} characters and {MAX_CONTENT_BYTES} bytes.",
        )
    if documentation.mime_type not in {"", "text/markdown"}:
        raise invalid(f"{place}.mime_type", documentation.mime_type, 'Only "text/markdown" is supported.')
    if len(documentation.subject.encode("utf-8")) > MAX_SUBJECT_BYTES:
        raise invalid(
            f"{place}.subject",
            documentation.subject,
            f"The subject may not exceed {MAX_SUBJECT_BYTES} bytes.",
        )
    if len(documentation.links) > MAX_LINKS:
        raise invalid(
            f"{place}.links", str(len(documentation.links)), f"It can have at most {MAX_LINKS} entries."
        )


def _check_strategy(strategy: Any) -> None:
    if strategy.HasField("auto_close"):
        seconds = strategy.auto_close.seconds
        if seconds < MIN_AUTO_CLOSE_S:
            raise invalid(
                "alertStrategy.autoClose",
                f"seconds: {seconds}",
                "the autoclose duration should be at least 30 minutes",
            )
        if seconds > MAX_AUTO_CLOSE_S:
            raise invalid(
                "alertStrategy.autoClose", f"seconds: {seconds}", "the autoclose duration is more than 7 days"
            )
