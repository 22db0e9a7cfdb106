"""What the monitoring services keep between two runs of the emulator, as JSON values.

Messages travel as base64 of their wire form, so that nothing is lost; series with all their points. What the
evaluation found is looked up anew, except which alert belongs to which condition.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any

from .alerts import Alerts
from .descriptors import Descriptors
from .distribution import read as read_distribution
from .evaluation import Known, Watch
from .messages import GAUGE, INT64, AlertPolicy, MetricDescriptor, TimeSeries, to_ns
from .reads import fill_header, fill_points
from .series import Identity, Series, SeriesStore
from .streams import Stream

Json = dict[str, Any]


def dump_project(descriptors: Descriptors, store: SeriesStore) -> Json:
    """Descriptors and series of one project."""
    return {
        "descriptors": [[_text(entry.message), entry.created_ns] for entry in descriptors],
        "series": [_text(_message(series)) for name in store.types() for series in store.of_type(name)],
    }


def load_project(value: Json, descriptors: Descriptors, store: SeriesStore, now_ns: int) -> None:
    """Fill an empty project."""
    for text, created_ns in value["descriptors"]:
        descriptors.restore(_parsed(text, MetricDescriptor()), int(created_ns))
    for text in value["series"]:
        store.add(_series(_parsed(text, TimeSeries())), now_ns)


def dump_policy(policy: Any, watches: Iterable[Watch]) -> Json:
    """A policy, and the open alerts of its conditions."""
    alerts = [
        [watch.condition.name, known.alert["name"], known.seen_ns]
        for watch in watches
        for known in watch.groups.values()
        if known.alert is not None
    ]
    return {"policy": _text(policy), "alerts": alerts}


def load_policy(value: Json) -> Any:
    return _parsed(value["policy"], AlertPolicy())


def load_watches(value: Json, watches: Iterable[Watch], alerts: Alerts) -> None:
    """Give the open alerts back to the conditions that opened them."""
    by_name = {watch.condition.name: watch for watch in watches}
    for condition, name, seen_ns in value["alerts"]:
        if condition not in by_name:
            continue
        alert = alerts.held(name)
        stream = Stream(
            alert["metric"]["type"],
            alert["metric"]["labels"],
            alert["resource"]["type"],
            alert["resource"]["labels"],
            GAUGE,
            INT64,
        )
        by_name[condition].groups[stream.group()] = Known(stream, int(seen_ns), is_met=True, alert=alert)


def _text(message: Any) -> str:
    return base64.b64encode(message.SerializeToString()).decode("ascii")


def _parsed(text: str, message: Any) -> Any:
    message.ParseFromString(base64.b64decode(text))
    return message


def _message(series: Series) -> Any:
    return fill_points(fill_header(TimeSeries(), series, ""), series, 0, len(series))


def _series(message: Any) -> Series:
    identity = Identity(
        message.metric.type,
        tuple(sorted(message.metric.labels.items())),
        message.resource.type,
        tuple(sorted(message.resource.labels.items())),
    )
    series = Series(identity, message.metric_kind, message.value_type)
    for point in reversed(message.points):
        which = point.value.WhichOneof("value")
        content = getattr(point.value, which)
        series.starts.append(to_ns(point.interval.start_time))
        series.ends.append(to_ns(point.interval.end_time))
        series.values.append(read_distribution(content) if which == "distribution_value" else content)
    return series
