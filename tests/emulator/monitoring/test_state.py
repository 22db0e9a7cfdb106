"""What is kept between two runs of the emulator."""

from __future__ import annotations

import json

import pytest
from google.cloud.monitoring_v3 import types

from genesis_performance.emulator.monitoring import AlertPolicyService, MetricService

from .build import PROJECT, TYPE, create, create_policy, distribution, policy, query, series
from .conftest import FakeCloud


@pytest.fixture
def again(metrics, policies, cloud):
    """A second cloud, a minute later, that holds what the first one held."""

    def again():
        kept = json.loads(
            json.dumps(
                {cls.SERVICE: cloud.service(cls).dump() for cls in (MetricService, AlertPolicyService)}
            )
        )
        second = FakeCloud()
        second.clock.advance(cloud.now_s - second.now_s)
        for name, value in kept.items():
            second.services[name].load(value)
        return second

    return again


def test_descriptors_and_points_come_back(metrics, cloud, again):
    for step in range(3):
        cloud.clock.advance(10)
        metrics.CreateTimeSeries(
            create(
                [
                    series(1.5 + step, cloud.now_s, labels={"op": "a"}),
                    series(
                        distribution([1, 2, 3, step]),
                        cloud.now_s,
                        start_s=cloud.now_s - 5 - 10 * step,
                        metric=f"{TYPE}/d",
                    ),
                    series(True, cloud.now_s, metric=f"{TYPE}/b"),
                ]
            )
        )
    second = again().service(MetricService)
    for name in ("", "/d", "/b"):
        asked = query(cloud.now_s - 60, cloud.now_s, where=f'metric.type = "{TYPE}{name}"')
        assert second.ListTimeSeries(asked) == metrics.ListTimeSeries(asked)
    second.CreateTimeSeries(create([series(9.0, cloud.now_s + 10, labels={"op": "a"})]))
    assert len(second.ListTimeSeries(query(cloud.now_s - 60, cloud.now_s + 60)).time_series) == 1


def test_policies_and_their_open_alerts_come_back(metrics, policies, cloud, again):
    metrics.CreateTimeSeries(create([series(500.0, cloud.now_s)]))
    made = policies.CreateAlertPolicy(create_policy(policy(above=100)))
    policies.evaluate()
    second = again()
    service = second.service(AlertPolicyService)
    (alert,) = service.list_alerts(PROJECT)["alerts"]
    assert alert["state"] == "OPEN"
    assert alert["policy"]["name"] == made.name
    second.clock.advance(70)
    second.service(MetricService).CreateTimeSeries(create([series(1.0, second.now_s)]))
    (alert,) = service.list_alerts(PROJECT)["alerts"]
    assert alert["state"] == "CLOSED"
    assert service.CreateAlertPolicy(create_policy(policy())).name != made.name


def test_a_policy_whose_metric_is_gone_comes_back_and_opens_nothing(metrics, policies, cloud, again):
    metrics.CreateTimeSeries(create([series(500.0, cloud.now_s)]))
    policies.CreateAlertPolicy(create_policy(policy(above=100)))
    policies.evaluate()
    name = f"{PROJECT}/metricDescriptors/{TYPE}"
    metrics.DeleteMetricDescriptor(types.DeleteMetricDescriptorRequest.pb()(name=name))
    service = again().service(AlertPolicyService)
    listed = service.ListAlertPolicies(types.ListAlertPoliciesRequest.pb()(name=PROJECT))
    assert len(listed.alert_policies) == 1
    service.evaluate()
