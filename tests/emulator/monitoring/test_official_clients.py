"""The official clients against a served emulator: what travels, and how errors arrive."""

from __future__ import annotations

import time

import grpc
import httpx
import pytest
from google.api_core import exceptions
from google.cloud import monitoring_v3

from .build import PROJECT, TYPE, create, create_policy, distribution, points_of, policy, query, series

Summary = monitoring_v3.types.CreateTimeSeriesSummary


@pytest.fixture
def connect(genesis_emulator):
    """An official client that talks to this test's emulator."""
    channel = grpc.insecure_channel(genesis_emulator.grpc)
    yield lambda cls: cls(transport=cls.get_transport_class("grpc")(channel=channel))
    channel.close()
    assert genesis_emulator.cloud.internal_errors == 0


@pytest.fixture
def client(connect):
    return connect(monitoring_v3.MetricServiceClient)


def test_points_written_by_the_client_are_read_by_the_client(client):
    now = time.time()
    client.create_time_series(
        request=create([series(1.5, now), series(distribution([1, 2, 3, 4]), now, metric=f"{TYPE}/d")])
    )
    (found,) = client.list_time_series(request=query(now - 60, now + 1))
    assert [point.value.double_value for point in found.points] == [1.5]
    (found,) = client.list_time_series(
        request=query(
            now - 60, now + 1, where=f'metric.type = "{TYPE}/d"', aligner="ALIGN_PERCENTILE_50", period_s=60
        )
    )
    assert 2.0 <= found.points[0].value.double_value <= 4.0


def test_the_pager_walks_through_all_pages(client):
    now = time.time()
    client.create_time_series(request=create(series(float(n), now, labels={"n": str(n)}) for n in range(25)))
    found = list(client.list_time_series(request=query(now - 60, now + 1, page_size=10)))
    assert sorted(points_of(item._pb)[0] for item in found) == [float(n) for n in range(25)]


def test_a_partial_failure_arrives_with_its_summary(client):
    now = time.time()
    with pytest.raises(exceptions.InvalidArgument) as caught:
        client.create_time_series(request=create([series(1.0, now), series(1.0, now)]))
    assert "Duplicate TimeSeries encountered" in caught.value.message
    summary = Summary.pb()()
    (detail,) = caught.value.details
    assert detail.Unpack(summary)
    assert (summary.total_point_count, summary.success_point_count) == (2, 1)


def test_two_hundred_errors_of_their_own_arrive(client):
    now = time.time()
    items = [series(float("nan"), now, labels={f"k{n}": "日" * 1000}) for n in range(200)]
    with pytest.raises(exceptions.InvalidArgument):
        client.create_time_series(request=create(items))


def test_foreign_labels_in_errors_of_storage_arrive(client):
    now = time.time()
    items = [
        series(1.0, now, labels={"k": "日" * 1000}, resource="generic_node", resource_labels=node)
        for node in ({"location": "global", "namespace": "日" * 1000, "node_id": str(n)} for n in range(50))
    ]
    client.create_time_series(request=create(items))
    with pytest.raises(exceptions.InvalidArgument, match="Points must be written in order"):
        client.create_time_series(request=create(items))


def test_long_and_foreign_text_in_a_refusal_arrives(client):
    with pytest.raises(exceptions.InvalidArgument):
        list(client.list_time_series(request=query(1, 2, where="日" * 100_000)))
    with pytest.raises(exceptions.InvalidArgument):
        client.get_metric_descriptor(name="日" * 500)


def test_descriptors_live_and_die(client):
    now = time.time()
    client.create_time_series(request=create([series(1.0, now)]))
    name = f"{PROJECT}/metricDescriptors/{TYPE}"
    assert client.get_metric_descriptor(name=name).type == TYPE
    assert [item.type for item in client.list_metric_descriptors(name=PROJECT)] == [TYPE]
    client.delete_metric_descriptor(name=name)
    with pytest.raises(exceptions.NotFound):
        client.get_metric_descriptor(name=name)


def test_service_time_series_are_not_emulated(client):
    with pytest.raises(exceptions.MethodNotImplemented):
        client.create_service_time_series(name=PROJECT, time_series=[])


def test_an_alert_opens_and_is_listed_over_rest(client, connect, genesis_emulator):
    genesis_emulator.freeze()
    now = genesis_emulator.cloud.clock.now_ns() / 1e9
    client.create_time_series(request=create([series(1.0, now)]))
    alert_policies = connect(monitoring_v3.AlertPolicyServiceClient)
    made = alert_policies.create_alert_policy(request=create_policy(policy(above=100, duration_s=60)))
    assert [item.name for item in alert_policies.list_alert_policies(name=PROJECT)] == [made.name]
    for step in range(1, 15):
        genesis_emulator.advance(10)
        client.create_time_series(request=create([series(500.0, now + 10 * step)]))
    url = f"http://{genesis_emulator.http}/v3/{PROJECT}/alerts"
    (alert,) = httpx.get(url, params={"filter": 'state = "OPEN"'}).json()["alerts"]
    assert alert["policy"]["name"] == made.name
    alert_policies.delete_alert_policy(name=made.name)
    alert = httpx.get(f"http://{genesis_emulator.http}/v3/{alert['name']}").json()
    assert alert["state"] == "CLOSED"


def test_a_policy_for_a_metric_that_is_not_there_is_not_found(connect):
    with pytest.raises(exceptions.NotFound, match="Cannot find metric"):
        connect(monitoring_v3.AlertPolicyServiceClient).create_alert_policy(request=create_policy(policy()))
