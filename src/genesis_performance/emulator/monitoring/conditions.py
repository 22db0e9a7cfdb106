"""Threshold and absence conditions: checked when a policy is written, in a form that the evaluation can use.

Sources: the documentation of ``AlertPolicy.Condition`` and the error texts in issue threads (``rules.py``).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Protocol

from . import aggregation, names
from .alignment import Shape
from .filters import Filter, compile_filter
from .messages import BOOL, NUMERIC, TYPE_NAMES, ComparisonType
from .reads import unknown_metric
from .series import SECOND_NS
from .subjects import SeriesLike, series_field

MINUTE_NS = 60 * SECOND_NS
MIN_ABSENCE_NS = 120 * SECOND_NS
MAX_ABSENCE_NS = 23 * 3600 * SECOND_NS + 30 * MINUTE_NS
MAX_DURATION_NS = 25 * 3600 * SECOND_NS  # together with the alignment period
RESOURCES_PAGE = "https://cloud.google.com/monitoring/api/resources"

_RESOURCE_TYPE = ("resource", "type")
_SELECTOR = re.compile(r"\s*select_slo_[a-z_]+\s*\(.*\)\s*", re.DOTALL)
_MISSING = {0: "NO_OP", 1: "INACTIVE", 2: "ACTIVE", 3: "NO_OP"}


class Metrics(Protocol):
    """Where conditions look up the metrics that they name."""

    def visible_descriptor(self, project: str, metric_type: str) -> Any | None: ...


@dataclass(frozen=True, slots=True)
class Selection:
    """Which series, and what is made of them."""

    selector: Filter[SeriesLike]
    metric_type: str
    steps: tuple[aggregation.Aggregation, ...]

    @property
    def is_raw(self) -> bool:
        return all(step.aligner == "ALIGN_NONE" for step in self.steps)


@dataclass(frozen=True, slots=True)
class Threshold:
    """A threshold condition."""

    name: str
    numerator: Selection
    denominator: Selection | None
    above: bool  # violated above the threshold, else below it
    threshold: float
    duration_ns: int
    count: int  # of series that must violate it; 0 where percent decides
    percent: float
    missing: str  # NO_OP, INACTIVE or ACTIVE

    def violates(self, value: float) -> bool:
        return value > self.threshold if self.above else value < self.threshold


@dataclass(frozen=True, slots=True)
class Absence:
    """A condition on a series that no longer has data."""

    name: str
    numerator: Selection
    duration_ns: int
    count: int  # of series that must be absent; 0 where percent decides
    percent: float
    denominator: None = None


Condition = Threshold | Absence


def is_slo_selector(text: str) -> bool:
    """Whether a filter is a selector of SLO series, which the emulator stores and does not evaluate."""
    return _SELECTOR.fullmatch(text) is not None


def read_threshold(condition: Any, place: str, project: str, metrics: Metrics) -> Threshold | None:
    """Check a threshold condition; ``None`` for one that is only stored (SLO selectors, forecasts).

    Raises:
        RpcError: a documented rule is broken, or a metric has no descriptor.
    """
    spec = condition.condition_threshold
    place = f"{place}.condition_threshold"
    if spec.comparison not in {ComparisonType.COMPARISON_GT, ComparisonType.COMPARISON_LT}:
        shown = next((c.name for c in ComparisonType if c == spec.comparison), str(spec.comparison))
        raise names.invalid(
            f"{place}.comparison", shown, "Only COMPARISON_LT and COMPARISON_GT are supported."
        )
    duration_ns = read_duration(spec.duration, f"{place}.duration")
    if spec.evaluation_missing_data not in _MISSING:
        raise names.invalid(
            f"{place}.evaluation_missing_data", str(spec.evaluation_missing_data), "It is unknown."
        )
    if spec.evaluation_missing_data and duration_ns == 0:
        shown = type(condition).EvaluationMissingData.Name(spec.evaluation_missing_data)
        raise names.invalid(
            f"{place}.evaluation_missing_data",
            shown,
            "Conditions setting evaluation_missing_data must have a non-zero duration.",
        )
    check_trigger(spec.trigger, place)
    if spec.HasField("forecast_options"):
        _check_forecast(spec.forecast_options, place)
    if is_slo_selector(spec.filter):
        _check_reach(duration_ns, _read_steps(spec.aggregations, f"{place}.aggregations"), place)
        return None
    numerator, shape = read_selection(spec.filter, spec.aggregations, f"{place}.filter", project, metrics)
    _check_reach(duration_ns, numerator.steps, place)
    denominator = None
    if spec.denominator_filter:
        denominator, below = read_selection(
            spec.denominator_filter,
            spec.denominator_aggregations,
            f"{place}.denominator_filter",
            project,
            metrics,
        )
        _check_comparable(spec.denominator_filter, f"{place}.denominator_filter", below)
        if [step.period_ns for step in numerator.steps] != [step.period_ns for step in denominator.steps]:
            raise names.invalid(
                f"{place}.denominator_aggregations",
                "",
                "Numerator and denominator must use the same alignment periods.",
            )
    elif spec.denominator_aggregations:
        raise names.invalid(f"{place}.denominator_aggregations", "", "There is no denominator_filter.")
    _check_comparable(spec.filter, f"{place}.filter", shape)
    if spec.HasField("forecast_options"):
        return None
    return Threshold(
        condition.name,
        numerator,
        denominator,
        spec.comparison == ComparisonType.COMPARISON_GT,
        spec.threshold_value,
        duration_ns,
        _count(spec.trigger),
        spec.trigger.percent,
        _MISSING[spec.evaluation_missing_data],
    )


def read_absence(condition: Any, place: str, project: str, metrics: Metrics) -> Absence | None:
    """Check an absence condition; ``None`` for an SLO selector, which is only stored.

    Raises:
        RpcError: a documented rule is broken, or the metric has no descriptor.
    """
    spec = condition.condition_absent
    place = f"{place}.condition_absent"
    duration_ns = read_duration(
        spec.duration, f"{place}.duration", minimum_ns=MIN_ABSENCE_NS, maximum_ns=MAX_ABSENCE_NS
    )
    check_trigger(spec.trigger, place)
    if is_slo_selector(spec.filter):
        return None
    selection, _ = read_selection(spec.filter, spec.aggregations, f"{place}.filter", project, metrics)
    return Absence(condition.name, selection, duration_ns, _count(spec.trigger), spec.trigger.percent)


def read_selection(
    text: str, aggregations: Any, place: str, project: str, metrics: Metrics
) -> tuple[Selection, Shape | None]:
    """Check a filter with its aggregations; the shape of the outcome is known where the metric is.

    Raises:
        RpcError: a documented rule is broken, or the metric has no descriptor.
    """
    selector = compile_filter(text, series_field, name=place)
    types = selector.pinned(("metric", "type"))
    if types is None or len(types) != 1:
        raise names.invalid(place, text, "must specify a single metric type in the filter.")
    if not place.endswith("denominator_filter") and not selector.mentions(_RESOURCE_TYPE):
        raise names.invalid(
            place,
            text,
            f'must specify a restriction on "resource.type" in the filter; see "{RESOURCES_PAGE}" for a '
            "list of "
            "available resource types.",
        )
    steps = _read_steps(aggregations, place.replace("filter", "aggregations"))
    (metric_type,) = types
    descriptor = metrics.visible_descriptor(project, metric_type)
    if descriptor is None:
        if names.is_user_defined(metric_type):
            raise unknown_metric(metric_type)
        return Selection(selector, metric_type, steps), None
    shape = aggregation.check(steps, (descriptor.metric_kind, descriptor.value_type))
    return Selection(selector, metric_type, steps), shape


def _read_steps(aggregations: Any, place: str) -> tuple[aggregation.Aggregation, ...]:
    steps = []
    for index, message in enumerate(aggregations):
        period = message.alignment_period
        if period.nanos or period.seconds % 60:
            shown = json.dumps({"seconds": int(period.seconds)}, separators=(",", ":"))
            raise names.invalid(
                f"{place}[{index}].alignment_period",
                shown,
                "alignment period must be in multiples of one minute",
            )
        steps.append(
            aggregation.read(message, "aggregation", max_period_ns=aggregation.MAX_CONDITION_PERIOD_NS)
        )
    return tuple(steps)


def _check_comparable(text: str, place: str, shape: Shape | None) -> None:
    if shape is not None and shape[1] not in {*NUMERIC, BOOL}:
        raise names.invalid(
            place, text, f"A value of type {TYPE_NAMES[shape[1]]} can not be compared with a threshold."
        )


def read_duration(message: Any, place: str, *, minimum_ns: int = 0, maximum_ns: int = MAX_DURATION_NS) -> int:
    """A duration of whole minutes, in ns.

    Raises:
        RpcError: it is not.
    """
    value_ns = message.seconds * SECOND_NS + message.nanos
    shown = f"{value_ns / SECOND_NS:g}s"
    if value_ns % MINUTE_NS:
        raise names.invalid(place, shown, "only multiples of 1 minute are supported")
    if not minimum_ns <= value_ns <= maximum_ns:
        raise names.invalid(
            place, shown, f"it must be from {minimum_ns // SECOND_NS}s to {maximum_ns // SECOND_NS}s"
        )
    return int(value_ns)


def _check_reach(duration_ns: int, steps: tuple[aggregation.Aggregation, ...], place: str) -> None:
    reach_ns = duration_ns + max((step.period_ns for step in steps), default=0)
    if reach_ns > MAX_DURATION_NS:
        raise names.invalid(
            f"{place}.duration",
            f"{duration_ns // SECOND_NS}s",
            "The alignment period and the duration together must not exceed 25 hours.",
        )


def _count(trigger: Any) -> int:
    return 0 if trigger.WhichOneof("type") == "percent" else max(1, trigger.count)


def check_trigger(trigger: Any, place: str) -> None:
    """Check how many series must violate a condition.

    Raises:
        RpcError: the number makes no sense.
    """
    which = trigger.WhichOneof("type")
    if which == "count" and trigger.count < 1:
        raise names.invalid(f"{place}.trigger.count", str(trigger.count), "It must be positive.")
    # Written so that NaN fails too.
    if which == "percent" and not 0 < trigger.percent <= 100:
        raise names.invalid(
            f"{place}.trigger.percent", str(trigger.percent), "It must be above 0 and at most 100."
        )


def _check_forecast(options: Any, place: str) -> None:
    seconds = options.forecast_horizon.seconds
    if not 3600 <= seconds <= 60 * 3600:
        raise names.invalid(
            f"{place}.forecast_options.forecast_horizon", f"{seconds}s", "It must be from 1 hour to 60 hours."
        )
