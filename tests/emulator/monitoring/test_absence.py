"""Absence conditions: when alerts open and close on series that fall silent."""

from __future__ import annotations

import pytest

from genesis_performance.emulator.rpc_error import RpcError

from .build import PROJECT, TYPE, WHERE, AlertPolicy, create, create_policy, series, set_aggregation


def absence(duration_s=180, aligner="ALIGN_MEAN", reducer="REDUCE_NONE", fields=()):
    message = AlertPolicy()
    message.display_name = "Silent"
    condition = message.conditions.add()
    condition.display_name = "Silent"
    spec = condition.condition_absent
    spec.filter = WHERE
    spec.duration.seconds = duration_s
    if aligner:
        set_aggregation(spec.aggregations.add(), aligner, 60, reducer, fields)
    return create_policy(message)


@pytest.fixture
def run(metrics, policies, cloud):
    """``run(seconds, "a")``: a point for each operation every ten seconds, and an evaluation."""

    def run(seconds, *operations):
        for _ in range(seconds // 10):
            cloud.clock.advance(10)
            if operations:
                points = [series(1.0, cloud.now_s, labels={"op": op}, metric=TYPE) for op in operations]
                metrics.CreateTimeSeries(create(points))
            policies.evaluate()

    run(10, "a")
    return run


@pytest.fixture
def opened(policies):
    def opened():
        alerts = policies.list_alerts(PROJECT, filter='state = "OPEN"')["alerts"]
        return sorted(alert["metric"]["labels"].get("op", "") for alert in alerts)

    return opened


@pytest.mark.parametrize("aligner", ["ALIGN_MEAN", "ALIGN_COUNT", None])
def test_a_series_that_falls_silent_opens_after_the_duration_and_data_closes(policies, run, opened, aligner):
    policies.CreateAlertPolicy(absence(180, aligner))
    run(60, "a")
    run(170)
    assert opened() == []
    run(10)
    assert opened() == ["a"]
    run(10, "a")
    assert opened() == []


def test_a_series_never_seen_is_not_absent(policies, metrics, run, opened):
    run(600)
    policies.CreateAlertPolicy(absence())
    run(600)
    assert opened() == []


def test_one_of_two_series_is_absent_alone(policies, run, opened):
    policies.CreateAlertPolicy(absence())
    run(60, "a", "b")
    run(240, "b")
    assert opened() == ["a"]


def test_a_group_is_absent_when_all_of_its_series_are(policies, run, opened):
    policies.CreateAlertPolicy(absence(reducer="REDUCE_MAX"))
    run(60, "a", "b")
    run(240, "b")
    assert opened() == []
    run(240)
    assert opened() == [""]


def test_a_jump_of_the_clock_over_the_silence_opens(policies, cloud, run, opened):
    policies.CreateAlertPolicy(absence())
    run(60, "a")
    cloud.clock.advance(600)
    policies.evaluate()
    assert opened() == ["a"]


def test_a_silence_is_auto_closed_and_does_not_open_again(policies, run, opened):
    request = absence()
    request.alert_policy.alert_strategy.auto_close.seconds = 1800
    policies.CreateAlertPolicy(request)
    run(60, "a")
    run(1700)
    assert opened() == ["a"]
    run(600)
    assert opened() == []


@pytest.mark.parametrize("duration_s", [60, 90, 0])
def test_a_duration_below_two_minutes_is_refused(policies, run, duration_s):
    with pytest.raises(RpcError, match="duration"):
        policies.CreateAlertPolicy(absence(duration_s))
