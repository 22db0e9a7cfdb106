"""The alerts list of the REST API, and alerts that a test puts there."""

from __future__ import annotations

import pytest

from genesis_performance.emulator.monitoring.alerts import Alerts
from genesis_performance.emulator.rpc_error import RpcError

from .build import PROJECT

NAME = f"{PROJECT}/alerts/0.abc"


@pytest.fixture
def several(policies, cloud):
    for name, state, team in (("1", "OPEN", "web"), ("2", "CLOSED", "web"), ("3", "OPEN", "core")):
        policies.inject_alert(
            {
                "name": f"{PROJECT}/alerts/{name}",
                "state": state,
                "policy": {"displayName": f"Policy {name}", "userLabels": {"team": team}},
                "resource": {"type": "global", "labels": {"project_id": "demo"}},
                "metric": {"type": "custom.googleapis.com/x", "labels": {"op": name}},
            }
        )
        cloud.clock.advance(60)
    return policies


def listed(policies, **arguments):
    answer = policies.list_alerts(PROJECT, **arguments)
    return [alert["name"].rpartition("/")[2] for alert in answer["alerts"]], answer


def test_an_injected_alert_is_listed_and_found(policies, cloud):
    alert = policies.inject_alert({"name": NAME, "policy": {"displayName": "x"}})
    assert (alert["state"], alert["openTime"]) == ("OPEN", "2026-09-21T14:13:20Z")
    assert policies.get_alert(NAME) == alert
    assert policies.list_alerts(PROJECT) == {"alerts": [alert], "totalSize": 1}


def test_an_alert_without_name_gets_one_in_its_parent(policies):
    assert policies.inject_alert({"parent": PROJECT})["name"].startswith(f"{PROJECT}/alerts/")


def test_injecting_again_closes_an_alert(policies, cloud):
    policies.inject_alert({"name": NAME, "policy": {"displayName": "x"}})
    cloud.clock.advance(60)
    policies.inject_alert({"name": NAME, "state": "CLOSED"})
    alert = policies.get_alert(NAME)
    assert (alert["state"], alert["closeTime"]) == ("CLOSED", "2026-09-21T14:14:20Z")
    assert alert["policy"] == {"displayName": "x"}
    assert "closeTime" not in policies.inject_alert({"name": NAME, "state": "OPEN"})


def test_the_evaluation_leaves_injected_alerts_alone(policies, cloud):
    policies.inject_alert({"name": NAME})
    cloud.clock.advance(30 * 24 * 3600)
    policies.evaluate()
    assert policies.get_alert(NAME)["state"] == "OPEN"


@pytest.mark.parametrize(
    "alert",
    [
        {},
        {"name": "x"},
        {"name": 5},
        {"name": f"{PROJECT}/alerts/"},
        {"parent": "x"},
        {"parent": PROJECT, "state": "ACKNOWLEDGED"},
        {"parent": PROJECT, "openTime": "yesterday"},
        {"parent": PROJECT, "openTime": 5},
        {"parent": PROJECT, "policy": "x"},
        {"parent": PROJECT, "metric": []},
        {"parent": PROJECT, "nonsense": 1},
    ],
)
def test_alerts_of_the_wrong_form_are_refused(policies, alert):
    with pytest.raises(RpcError, match="INVALID_ARGUMENT"):
        policies.inject_alert(alert)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ('state = "OPEN"', ["1", "3"]),
        ("state=OPEN AND policy.user_labels.team=web", ["1"]),
        ('policy.userLabels.team = "web"', ["1", "2"]),
        ('policy.display_name = "Policy 3"', ["3"]),
        ('metric.labels.op = "2"', ["2"]),
        ('metric.label.op = "2"', ["2"]),
        ('metric.type = "custom.googleapis.com/x"', ["1", "2", "3"]),
        ('open_time > "2026-09-21T14:13:30Z"', ["2", "3"]),
        ('log.extracted_labels.x = "y"', []),
    ],
)
def test_alerts_are_filtered(several, where, expected):
    assert listed(several, filter=where)[0] == expected


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("open_time", ["1", "2", "3"]),
        ("open_time desc", ["3", "2", "1"]),
        ("close_time desc, open_time", ["2", "1", "3"]),
        ("close_time asc, open_time desc", ["3", "1", "2"]),
    ],
)
def test_alerts_are_ordered(several, order, expected):
    assert listed(several, order_by=order)[0] == expected


def test_alerts_are_paged(several):
    names, answer = listed(several, page_size=2)
    more, last = listed(several, page_size=2, page_token=answer["nextPageToken"])
    assert (names, more) == (["1", "2"], ["3"])
    assert "nextPageToken" not in last
    assert answer["totalSize"] == 3


@pytest.mark.parametrize(
    "arguments",
    [{"filter": "nonsense = 1"}, {"order_by": "name"}, {"order_by": "open_time up"}, {"page_token": "x"}],
)
def test_wrong_arguments_are_refused(several, arguments):
    with pytest.raises(RpcError, match="INVALID_ARGUMENT"):
        listed(several, **arguments)


def test_an_unknown_alert_is_not_found(policies):
    with pytest.raises(RpcError, match="NOT_FOUND"):
        policies.get_alert(NAME)


def test_closed_alerts_do_not_pile_up(monkeypatch):
    monkeypatch.setattr("genesis_performance.emulator.monitoring.alerts.MAX_CLOSED", 3)
    alerts = Alerts("demo")
    for number in range(10):
        alerts.close(alerts.open(number, {}, {}, {}), number)
    assert alerts.page("", 0, "", "")["totalSize"] == 3
