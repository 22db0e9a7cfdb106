"""Threshold and absence conditions on the cloud's clock: which series violate now, and which alerts that
opens and closes.

The real service evaluates every condition about once a minute, on windows that slide with the time of
evaluation. Here a window ends at the very moment of the evaluation, and conditions are looked at again when
their metrics were written to or five seconds have passed; so an alert opens up to a minute earlier than it
would there, and there is no ingestion delay. A condition is met when the aligned value violates the
threshold now and at every whole minute back to ``duration`` ago, and no evaluation within that time found
otherwise: a clock that jumps gives the same answer as one that runs, and a value that swings around the
threshold opens nothing.

Where a window has no data, ``evaluation_missing_data`` decides: NO_OP leaves an alert as it is, and within
the duration the value before stands; INACTIVE closes it; ACTIVE counts as a violation. An open alert
without any data for ``auto_close`` (7 days by default) closes.

An absence is met for a series that had data while it was looked at, and had none for ``duration``; a policy
made after a series fell silent knows nothing of it.

Sources: "Behavior of metric-based alerting policies" (sliding windows, retest window, missing data), the
documentation of ``EvaluationMissingData`` and ``AlertStrategy``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from . import aggregation
from .alerts import Alert, Alerts
from .conditions import MINUTE_NS, Absence, Condition, Selection, Threshold
from .distribution import Distribution
from .series import SECOND_NS, SeriesStore
from .streams import Stream

Group = tuple[object, ...]

RECHECK_NS = 5 * SECOND_NS
RAW_LOOKBACK_NS = 2 * MINUTE_NS  # without an aligner, the newest point counts for this long
FORGET_NS = 24 * 3600 * SECOND_NS  # a group without data and alert is forgotten after this long
DEFAULT_AUTO_CLOSE_NS = 7 * 24 * 3600 * SECOND_NS

AND, OR, AND_WITH_MATCHING_RESOURCE = 1, 2, 3


@dataclass(slots=True)
class Known:
    """A series that a condition has seen."""

    stream: Stream
    seen_ns: int  # when it last had data
    fine_ns: int | None = None  # when an evaluation last found it within the threshold
    is_met: bool = False
    alert: Alert | None = None


@dataclass(slots=True)
class Watch:
    """A condition between two evaluations."""

    condition: Condition
    groups: dict[Group, Known] = field(default_factory=dict)
    checked_ns: int = -1
    version: int = -1

    def change(self, condition: Condition) -> None:
        """Go on with a changed condition: what was found before says nothing of it."""
        self.condition, self.version = condition, -1
        for known in self.groups.values():
            known.fine_ns = None


def is_due(watch: Watch, store: SeriesStore, now_ns: int) -> bool:
    """Whether the outcome can have changed since the last look."""
    version = _version(watch.condition, store)
    return version != watch.version or not 0 <= now_ns - watch.checked_ns < RECHECK_NS


def observe(watch: Watch, store: SeriesStore, now_ns: int) -> None:
    """Say of every series of the condition whether it is met now."""
    watch.version, watch.checked_ns = _version(watch.condition, store), now_ns
    condition = watch.condition
    if isinstance(condition, Absence):
        _observe_absence(watch, condition, store, now_ns)
        return
    latest = values_at(condition, store, now_ns)
    for group, (_, stream) in latest.items():
        known = watch.groups.setdefault(group, Known(stream, now_ns))
        known.stream, known.seen_ns = stream, now_ns
    candidates: dict[Group, bool] = {}  # group -> whether windows without data are still to be decided
    for group, known in list(watch.groups.items()):
        if group in latest:
            known.is_met = False
            if not condition.violates(latest[group][0]):
                known.fine_ns = now_ns
            elif known.fine_ns is None or now_ns - known.fine_ns >= condition.duration_ns:
                candidates[group] = False
        elif condition.missing == "ACTIVE":
            known.is_met = False
            candidates[group] = False
        elif condition.missing == "INACTIVE":
            known.is_met = False
        if known.alert is None and now_ns - known.seen_ns > FORGET_NS:
            del watch.groups[group]
            candidates.pop(group, None)
    _mark(watch, _retest(condition, store, now_ns, candidates))


def _observe_absence(watch: Watch, condition: Absence, store: SeriesStore, now_ns: int) -> None:
    """Say of every series that ever had data whether it has had none for the duration."""
    for group, (seen_ns, stream) in _seen(condition, store, now_ns).items():
        known = watch.groups.setdefault(group, Known(stream, seen_ns))
        known.stream, known.seen_ns = stream, max(known.seen_ns, seen_ns)
    absent = set()
    for group, known in list(watch.groups.items()):
        known.is_met = False
        if now_ns - known.seen_ns < condition.duration_ns:
            continue
        if known.alert is None and now_ns - known.seen_ns > FORGET_NS:
            del watch.groups[group]
        else:
            absent.add(group)
    _mark(watch, absent)


def _seen(condition: Absence, store: SeriesStore, now_ns: int) -> dict[Group, tuple[int, Stream]]:
    """When each series last had data within the duration, by the time of its newest point."""
    selection = condition.numerator
    matches = selection.selector.matches
    found: dict[Group, tuple[int, Stream]] = {}
    for series in store.of_type(selection.metric_type):
        newest_ns = series.ends[-1] if series.ends else 0
        if not matches(series) or now_ns - newest_ns >= condition.duration_ns:
            continue
        steps = [step for step in selection.steps if step.aligner != "ALIGN_NONE"] or [aggregation.RAW]
        for stream in aggregation.apply([series], steps, now_ns - condition.duration_ns, now_ns):
            if newest_ns >= found.get(stream.group(), (0, stream))[0]:
                found[stream.group()] = (newest_ns, stream)
    return found


def _mark(watch: Watch, met: set[Group]) -> None:
    if _is_triggered(watch.condition, len(met), len(watch.groups)):
        for group in met:
            watch.groups[group].is_met = True


def _retest(
    condition: Threshold, store: SeriesStore, now_ns: int, candidates: dict[Group, bool]
) -> set[Group]:
    """Those of the candidates that violated the threshold for the whole duration."""
    for minutes in range(1, condition.duration_ns // MINUTE_NS + 1):
        if not candidates:
            break
        values = values_at(condition, store, now_ns - minutes * MINUTE_NS)
        for group in list(candidates):
            if group in values:
                if condition.violates(values[group][0]):
                    candidates[group] = False
                else:
                    del candidates[group]
            elif condition.missing == "INACTIVE":
                del candidates[group]
            elif condition.missing == "NO_OP":
                candidates[group] = True  # the value before this window stands for it
    return {group for group, undecided in candidates.items() if not undecided}


def _is_triggered(condition: Condition, violating: int, total: int) -> bool:
    if violating == 0:
        return False
    if condition.count:
        return violating >= condition.count
    return violating * 100 >= condition.percent * total


def values_at(condition: Threshold, store: SeriesStore, at_ns: int) -> dict[Group, tuple[float, Stream]]:
    """The value of every series in the window that ends at ``at_ns``."""
    top = _select(condition.numerator, store, at_ns)
    if condition.denominator is None:
        return top
    below = _select(condition.denominator, store, at_ns)
    return {
        group: (value / below[group][0], stream)
        for group, (value, stream) in top.items()
        if group in below and below[group][0] != 0
    }


def _select(selection: Selection, store: SeriesStore, at_ns: int) -> dict[Group, tuple[float, Stream]]:
    matches = selection.selector.matches
    sources = (series for series in store.of_type(selection.metric_type) if matches(series))
    steps: Iterable[aggregation.Aggregation] = selection.steps
    if selection.is_raw:
        reach_ns, steps = RAW_LOOKBACK_NS, [aggregation.RAW]
    else:
        reach_ns, steps = 1, [step for step in selection.steps if step.aligner != "ALIGN_NONE"]
    found: dict[Group, tuple[float, Stream]] = {}
    for stream in aggregation.apply(sources, steps, at_ns - reach_ns, at_ns):
        value = stream.values[-1]
        if not isinstance(value, Distribution | str):
            found[stream.group()] = (float(value), stream)
    return found


def _version(condition: Condition, store: SeriesStore) -> int:
    version = store.versions.get(condition.numerator.metric_type, 0)
    if condition.denominator is not None:
        version += store.versions.get(condition.denominator.metric_type, 0)
    return version


def settle(policy: Any, watches: list[Watch], alerts: Alerts, now_ns: int) -> None:
    """Open and close the alerts of a policy by what its conditions found."""
    open_to = _combined(policy, watches)
    auto_close_ns = DEFAULT_AUTO_CLOSE_NS
    if policy.alert_strategy.HasField("auto_close"):
        auto_close_ns = policy.alert_strategy.auto_close.seconds * SECOND_NS
    for watch in watches:
        for group, known in list(watch.groups.items()):
            wanted = (watch.condition.name, group) in open_to
            is_forgotten = now_ns - known.seen_ns >= auto_close_ns
            if known.alert is not None and (not wanted or is_forgotten):
                alerts.close(known.alert, now_ns)
                known.alert = None
                if is_forgotten:
                    del watch.groups[group]
            elif known.alert is None and wanted:
                known.alert = alerts.open(now_ns, *_described(policy, known.stream))


def _combined(policy: Any, watches: list[Watch]) -> set[tuple[str, Group]]:
    met = {
        (watch.condition.name, group): known.stream
        for watch in watches
        for group, known in watch.groups.items()
        if known.is_met
    }
    if policy.combiner not in {AND, AND_WITH_MATCHING_RESOURCE}:
        return set(met)
    names = [condition.name for condition in policy.conditions]  # also those that are only stored: never met
    if policy.combiner == AND:
        return set(met) if {name for name, _ in met} == set(names) else set()
    resources = [
        {_resource(stream) for (name, _), stream in met.items() if name == wanted} for wanted in names
    ]
    shared = set.intersection(*resources)
    return {key for key, stream in met.items() if _resource(stream) in shared}


def _resource(stream: Stream) -> tuple[object, ...]:
    return (stream.resource_type, tuple(sorted(stream.resource_labels.items())))


def _described(policy: Any, stream: Stream) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    snapshot: dict[str, Any] = {"name": policy.name, "displayName": policy.display_name}
    if policy.user_labels:
        snapshot["userLabels"] = dict(policy.user_labels)
    if policy.severity:
        snapshot["severity"] = type(policy).Severity.Name(policy.severity)
    return (
        {"type": stream.resource_type, "labels": dict(stream.resource_labels)},
        {"type": stream.metric_type, "labels": dict(stream.metric_labels)},
        snapshot,
    )


def close_all(watch: Watch, alerts: Alerts, now_ns: int) -> None:
    """Close the alerts of a condition that is gone or switched off."""
    for known in watch.groups.values():
        if known.alert is not None:
            alerts.close(known.alert, now_ns)
    watch.groups.clear()
