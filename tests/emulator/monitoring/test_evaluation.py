"""The evaluation: when alerts open and close, and for which series."""

from __future__ import annotations

import pytest
from google.cloud.monitoring_v3 import types

from .build import (
    PROJECT,
    RESOURCE,
    TYPE,
    WHERE,
    AlertPolicy,
    create,
    create_policy,
    distribution,
    policy,
    series,
    set_aggregation,
    threshold,
    update_policy,
)

NO_OP, INACTIVE, ACTIVE = 3, 1, 2


@pytest.fixture
def run(metrics, policies, cloud):
    """``run(seconds, a=5.0)``: every ten seconds a point for each operation, and an evaluation."""

    def run(seconds, metric=TYPE, **values):
        for _ in range(seconds // 10):
            cloud.clock.advance(10)
            if values:
                metrics.CreateTimeSeries(
                    create(
                        series(value, cloud.now_s, labels={"op": op}, metric=metric)
                        for op, value in values.items()
                    )
                )
            policies.evaluate()

    run(10, a=1.0)
    return run


@pytest.fixture
def opened(policies):
    """What is open: operations, or ``None`` for an alert without."""

    def opened():
        alerts = policies.list_alerts(PROJECT, filter='state = "OPEN"')["alerts"]
        return sorted(alert["metric"]["labels"].get("op", "") for alert in alerts)

    return opened


def everything(policies):
    return policies.list_alerts(PROJECT)["alerts"]


def test_an_alert_opens_above_and_closes_below_the_threshold(policies, run, opened):
    policies.CreateAlertPolicy(create_policy(policy(above=100)))
    run(60, a=50.0)
    assert opened() == []
    run(60, a=500.0)
    assert opened() == ["a"]
    run(60, a=50.0)
    assert opened() == []
    assert [alert["state"] for alert in everything(policies)] == ["CLOSED"]


def test_an_alert_opens_below_a_lower_threshold(policies, run, opened):
    policies.CreateAlertPolicy(create_policy(policy(below=10)))
    run(60, a=5.0)
    assert opened() == ["a"]


def test_the_threshold_itself_is_no_violation(policies, run, opened):
    policies.CreateAlertPolicy(create_policy(policy(above=100)))
    policies.CreateAlertPolicy(create_policy(policy(below=100)))
    run(120, a=100.0)
    assert opened() == []


def test_a_violation_has_to_last_for_the_duration(policies, run, opened):
    policies.CreateAlertPolicy(create_policy(policy(above=100, duration_s=120)))
    run(60, a=1.0)
    run(120, a=500.0)
    assert opened() == []
    run(60, a=500.0)
    assert opened() == ["a"]


def test_a_violation_shorter_than_the_duration_opens_nothing(policies, run):
    policies.CreateAlertPolicy(create_policy(policy(above=100, duration_s=120)))
    for _ in range(5):
        run(60, a=500.0)
        run(60, a=1.0)
    assert everything(policies) == []


def test_one_alert_for_as_long_as_it_lasts(policies, run):
    policies.CreateAlertPolicy(create_policy(policy(above=100)))
    run(600, a=500.0)
    assert len(everything(policies)) == 1


def test_every_series_has_its_own_alert(policies, run, opened):
    policies.CreateAlertPolicy(create_policy(policy(above=100)))
    run(60, a=500.0, b=1.0, c=900.0)
    assert opened() == ["a", "c"]
    run(60, a=1.0, b=500.0, c=900.0)
    assert opened() == ["b", "c"]


def test_a_jump_of_the_clock_gives_the_same_answer_as_its_running(policies, metrics, cloud, run, opened):
    policies.CreateAlertPolicy(create_policy(policy(above=100, duration_s=180)))
    for _ in range(30):
        cloud.clock.advance(10)
        metrics.CreateTimeSeries(create([series(500.0, cloud.now_s, labels={"op": "a"})]))
    policies.evaluate()  # the only one
    assert opened() == ["a"]


def test_the_alert_has_the_shape_of_the_rest_resource(policies, run, cloud):
    message = policy(above=100)
    message.user_labels["team"] = "web"
    message.severity = AlertPolicy.Severity.Value("CRITICAL")
    made = policies.CreateAlertPolicy(create_policy(message))
    run(10, a=500.0)
    (alert,) = everything(policies)
    assert alert.pop("name").startswith(f"{PROJECT}/alerts/")
    assert alert == {
        "state": "OPEN",
        "openTime": "2026-09-21T14:13:40Z",
        "resource": {"type": "global", "labels": {"project_id": "demo"}},
        "metric": {"type": TYPE, "labels": {"op": "a"}},
        "policy": {
            "name": made.name,
            "displayName": "Slow",
            "userLabels": {"team": "web"},
            "severity": "CRITICAL",
        },
    }


def test_grouped_series_have_one_alert_a_group(policies, run, opened):
    policies.CreateAlertPolicy(create_policy(policy(above=100, reducer="REDUCE_SUM")))
    run(60, a=60.0, b=60.0)
    assert opened() == [""]


def test_a_percentile_of_a_counted_distribution_opens_an_alert(policies, metrics, cloud, opened):
    start = cloud.now_s - 1
    metrics.CreateTimeSeries(create([series(distribution([0, 1, 0, 0]), cloud.now_s, start_s=start)]))
    policies.CreateAlertPolicy(
        create_policy(policy(above=3.0, aligner="ALIGN_DELTA", reducer="REDUCE_PERCENTILE_95"))
    )
    for step in range(1, 7):
        cloud.clock.advance(10)
        metrics.CreateTimeSeries(
            create([series(distribution([0, 1 + 5 * step, 0, 0]), cloud.now_s, start_s=start)])
        )
    policies.evaluate()
    assert opened() == []
    cloud.clock.advance(10)
    metrics.CreateTimeSeries(create([series(distribution([0, 36, 30, 0]), cloud.now_s, start_s=start)]))
    policies.evaluate()
    assert opened() == [""]


@pytest.mark.parametrize(
    ("trigger", "bad", "expected"),
    [
        ({"count": 2}, {"a"}, []),
        ({"count": 2}, {"a", "b"}, ["a", "b"]),
        ({"percent": 50.0}, {"a"}, []),
        ({"percent": 50.0}, {"a", "b"}, ["a", "b"]),
        ({"percent": 25.0}, {"a"}, ["a"]),
    ],
)
def test_a_trigger_asks_for_several_series(policies, run, opened, trigger, bad, expected):
    message = policy(above=100)
    for field, value in trigger.items():
        setattr(message.conditions[0].condition_threshold.trigger, field, value)
    policies.CreateAlertPolicy(create_policy(message))
    run(60, **{op: 500.0 if op in bad else 1.0 for op in "abcd"})
    assert opened() == expected


def ratio(**fields):
    message = policy(where=f'metric.type = "{TYPE}/errors" AND {RESOURCE}', **fields)
    spec = message.conditions[0].condition_threshold
    spec.denominator_filter = f'metric.type = "{TYPE}/calls" AND {RESOURCE}'
    set_aggregation(spec.denominator_aggregations.add(), "ALIGN_RATE", 60)
    return message


@pytest.mark.parametrize(("errors", "expected"), [(1, []), (2, ["a"])])
def test_a_ratio_is_compared(policies, metrics, cloud, opened, errors, expected):
    start = cloud.now_s
    for step in range(1, 13):
        cloud.clock.advance(10)
        metrics.CreateTimeSeries(
            create(
                series(step * each, cloud.now_s, start_s=start, labels={"op": "a"}, metric=f"{TYPE}/{name}")
                for name, each in (("errors", errors), ("calls", 10))
            )
        )
    policies.CreateAlertPolicy(create_policy(ratio(above=0.15, aligner="ALIGN_RATE")))
    policies.evaluate()
    assert opened() == expected


def test_a_ratio_without_calls_has_no_value(policies, metrics, cloud, opened):
    start = cloud.now_s - 60
    for name in ("errors", "calls"):
        metrics.CreateTimeSeries(create([series(0, cloud.now_s, start_s=start, metric=f"{TYPE}/{name}")]))
    policies.CreateAlertPolicy(create_policy(ratio(below=5.0, aligner="ALIGN_RATE")))
    policies.evaluate()
    assert opened() == []


def test_without_data_an_alert_stays_as_it_is(policies, run, opened):
    policies.CreateAlertPolicy(create_policy(policy(above=100, duration_s=60)))
    run(180, a=500.0)
    run(3600)
    assert opened() == ["a"]


def test_without_data_an_inactive_condition_closes_its_alert(policies, run, opened):
    policies.CreateAlertPolicy(create_policy(policy(above=100, duration_s=60, missing=INACTIVE)))
    run(180, a=500.0)
    assert opened() == ["a"]
    run(70)
    assert opened() == []


def test_missing_data_can_be_the_violation(policies, run, opened):
    policies.CreateAlertPolicy(create_policy(policy(above=100, duration_s=120, missing=ACTIVE)))
    run(120, a=1.0)
    run(170)
    assert opened() == []
    run(20)
    assert opened() == ["a"]
    run(10, a=1.0)
    assert opened() == []


def test_a_gap_within_the_duration_is_bridged_by_the_value_before(policies, run, opened):
    policies.CreateAlertPolicy(create_policy(policy(above=100, duration_s=240)))
    run(120, a=500.0)
    run(120)
    run(60, a=500.0)
    assert opened() == ["a"]


def test_an_alert_without_data_closes_by_itself_after_a_while(policies, run, opened):
    message = policy(above=100)
    message.alert_strategy.auto_close.seconds = 1800
    policies.CreateAlertPolicy(create_policy(message))
    run(60, a=500.0)
    run(1780)
    assert opened() == ["a"]
    run(100)  # the last window with data was a period later than the last point
    assert opened() == []
    run(600)
    assert len(everything(policies)) == 1


def two_conditions(combiner):
    message = AlertPolicy(display_name="Both", combiner=combiner)
    for name in ("x", "y"):
        threshold(message.conditions.add(), where=f'metric.type = "{TYPE}/{name}"', above=100)
        message.conditions[-1].condition_threshold.filter += ' AND resource.type = "generic_node"'
    return message


def node(name, value, metric, cloud):
    place = {"location": "global", "namespace": "n", "node_id": name}
    return series(
        value, cloud.now_s, metric=f"{TYPE}/{metric}", resource="generic_node", resource_labels=place
    )


@pytest.mark.parametrize(
    ("combiner", "x", "y", "expected"),
    [
        ("OR", {"1"}, set(), 1),
        ("AND", {"1"}, set(), 0),
        ("AND", {"1"}, {"2"}, 2),
        ("AND_WITH_MATCHING_RESOURCE", {"1"}, {"2"}, 0),
        ("AND_WITH_MATCHING_RESOURCE", {"1", "2"}, {"2"}, 2),
    ],
)
def test_conditions_are_combined(policies, metrics, cloud, combiner, x, y, expected):
    for metric, bad in (("x", x), ("y", y)):
        metrics.CreateTimeSeries(
            create(node(name, 500.0 if name in bad else 1.0, metric, cloud) for name in ("1", "2"))
        )
    policies.CreateAlertPolicy(
        create_policy(two_conditions(AlertPolicy.ConditionCombinerType.Value(combiner)))
    )
    policies.evaluate()
    assert len(everything(policies)) == expected


def test_a_disabled_policy_closes_its_alerts_and_opens_none(policies, run, opened):
    made = policies.CreateAlertPolicy(create_policy(policy(above=100)))
    run(60, a=500.0)
    made.enabled.value = False
    policies.UpdateAlertPolicy(update_policy(made, "enabled"))
    run(60, a=500.0)
    assert opened() == []
    made.enabled.value = True
    policies.UpdateAlertPolicy(update_policy(made, "enabled"))
    run(10, a=500.0)
    assert opened() == ["a"]


def test_deleting_a_policy_closes_its_alerts(policies, run, opened):
    made = policies.CreateAlertPolicy(create_policy(policy(above=100)))
    run(60, a=500.0)
    policies.DeleteAlertPolicy(types.DeleteAlertPolicyRequest.pb()(name=made.name))
    assert opened() == []
    assert len(everything(policies)) == 1


def test_a_changed_threshold_counts_at_once(policies, run, opened):
    made = policies.CreateAlertPolicy(create_policy(policy(above=100)))
    run(60, a=500.0)
    made.conditions[0].condition_threshold.threshold_value = 1000
    policies.UpdateAlertPolicy(update_policy(made))
    assert opened() == []


def test_a_removed_condition_closes_its_alerts(policies, run, opened):
    made = policies.CreateAlertPolicy(create_policy(policy(above=100)))
    run(60, a=500.0)
    made.conditions[0].name = ""
    made.conditions[0].condition_threshold.threshold_value = 1000
    policies.UpdateAlertPolicy(update_policy(made))
    assert opened() == []


def test_without_an_aligner_the_newest_point_counts(policies, run, opened):
    policies.CreateAlertPolicy(create_policy(policy(above=100, aligner=None)))
    run(10, a=500.0)
    assert opened() == ["a"]
    run(10, a=1.0)
    assert opened() == []


def test_filters_choose_the_series(policies, run, opened):
    policies.CreateAlertPolicy(create_policy(policy(where=f'{WHERE} AND metric.labels.op != "b"', above=100)))
    run(60, a=500.0, b=500.0)
    assert opened() == ["a"]


def test_a_deleted_metric_does_not_stop_the_evaluation(policies, metrics, run):
    policies.CreateAlertPolicy(create_policy(policy(above=100)))
    run(60, a=500.0)
    name = f"{PROJECT}/metricDescriptors/{TYPE}"
    metrics.DeleteMetricDescriptor(types.DeleteMetricDescriptorRequest.pb()(name=name))
    run(60)
    run(60, a=1.0)
    assert [alert["state"] for alert in everything(policies)] == ["CLOSED"]


def test_nothing_is_computed_while_nothing_changes(policies, cloud, run, monkeypatch):
    from genesis_performance.emulator.monitoring import evaluation

    policies.CreateAlertPolicy(create_policy(policy(above=100)))
    run(60, a=500.0)
    looked = []
    real = evaluation.values_at
    monkeypatch.setattr(evaluation, "values_at", lambda *given: looked.append(1) or real(*given))
    for _ in range(4):
        cloud.clock.advance(1)
        policies.evaluate()
    assert not looked
    cloud.clock.advance(1)
    policies.evaluate()
    assert looked


def test_projects_are_evaluated_apart(policies, metrics, cloud):
    for project in ("projects/one", "projects/two"):
        value = 500.0 if project == "projects/one" else 1.0
        metrics.CreateTimeSeries(create([series(value, cloud.now_s)], project=project))
        policies.CreateAlertPolicy(create_policy(policy(above=100), project=project))
    policies.evaluate()
    assert [len(policies.list_alerts(project)["alerts"]) for project in ("projects/one", "projects/two")] == [
        1,
        0,
    ]
