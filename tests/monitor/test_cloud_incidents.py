import logging
import math
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from genesis_performance.export.limits import Complaints
from genesis_performance.model.alert import ApplyMode, IncidentState, PerformanceAlert
from genesis_performance.monitor.alerts import response_time_alert
from genesis_performance.monitor.cloud_incidents import CloudIncidents
from genesis_performance.monitor.records import MonitorRecords

from .conftest import FakeClock


@pytest.fixture
def alert() -> PerformanceAlert:
    return response_time_alert(
        "api", 500, "production", quantile=0.95, duration_s=0, channels=(), apply=ApplyMode.API
    )


@pytest.fixture
def records(tmp_path: Path) -> Iterator[MonitorRecords]:
    complaints = Complaints(logging.getLogger("test"))
    with closing(MonitorRecords(f"sqlite:///{tmp_path}/history.db", complaints)) as made:
        yield made


@pytest.fixture
def subject(records: MonitorRecords, clock: FakeClock) -> CloudIncidents:
    return CloudIncidents(
        "p",
        "prefix",
        alerts=list,
        records=records,
        complaints=Complaints(logging.getLogger("test")),
        monotonic=clock.monotonic,
        unix_ns=clock.unix_ns,
    )


def found(**changes: object) -> dict[str, object]:
    return {
        "name": "projects/p/alerts/1",
        "state": "OPEN",
        "openTime": "2026-11-23T10:00:00.5Z",
        "metric": {"type": "m", "labels": {"operation": "pay"}},
        **changes,
    }


def test_an_open_alert_becomes_an_incident_with_its_measured_value(
    subject: CloudIncidents, alert: PerformanceAlert, records: MonitorRecords
) -> None:
    subject._take(found(), alert, {"pay": 900.0})
    subject._take(found(), alert, {"pay": 700.0})
    (incident,) = subject.merged([])
    assert (incident.operation, incident.current_value, incident.worst_value) == ("pay", 700, 900)
    assert incident.opened_unix_ns == 1795428000_500000000
    assert records.incidents() == [incident]


def test_an_unknown_value_is_nan_and_survives_the_store(
    subject: CloudIncidents, alert: PerformanceAlert, records: MonitorRecords
) -> None:
    subject._take(found(), alert, {})
    (kept,) = records.incidents()
    assert math.isnan(kept.current_value)
    assert records.failures == 0


def test_a_closed_alert_closes_its_incident(
    subject: CloudIncidents, alert: PerformanceAlert, records: MonitorRecords
) -> None:
    subject._take(found(), alert, {"pay": 900.0})
    subject._take(found(state="CLOSED", closeTime="2026-11-23T10:05:00Z"), alert, {})
    assert subject.merged([]) == []
    (kept,) = records.incidents()
    assert kept.state is IncidentState.CLOSED
    assert kept.closed_unix_ns == 1795428300_000000000


def test_what_closed_long_ago_is_no_news(
    subject: CloudIncidents, alert: PerformanceAlert, records: MonitorRecords
) -> None:
    subject._take(found(state="CLOSED", closeTime="2020-01-01T00:00:00Z"), alert, {})
    assert records.incidents() == []


@pytest.mark.parametrize(
    "odd",
    [
        {"metric": None},
        {"metric": {"labels": None}},
        {"metric": "m"},
        {"openTime": "yesterday"},
        {"openTime": 5},
        {"metric": {"labels": {"operation": 7}}},
    ],
)
def test_an_odd_answer_is_an_incident_all_the_same(
    subject: CloudIncidents, alert: PerformanceAlert, odd: dict[str, object]
) -> None:
    subject._take(found(**odd), alert, {})
    assert len(subject.merged([])) == 1
