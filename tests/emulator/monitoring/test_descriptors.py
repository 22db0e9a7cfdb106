"""Metric descriptors and monitored resource descriptors."""

from __future__ import annotations

import pytest
from google.cloud.monitoring_v3 import types

from genesis_performance.emulator.monitoring import resources
from genesis_performance.emulator.monitoring.series import Limits
from genesis_performance.emulator.rpc_error import RpcError

from .build import KINDS, PROJECT, TYPE, create, query, series

TYPES = {"BOOL": 1, "INT64": 2, "DOUBLE": 3, "STRING": 4, "DISTRIBUTION": 5}


def descriptor(metric=TYPE, kind="GAUGE", value_type="DOUBLE", labels=(), **fields):
    request = types.CreateMetricDescriptorRequest.pb()(name=PROJECT)
    wanted = request.metric_descriptor
    wanted.type = metric
    wanted.metric_kind = KINDS.get(kind, 0)
    wanted.value_type = TYPES.get(value_type, 0)
    for label in labels:
        wanted.labels.add(key=label)
    for field, value in fields.items():
        setattr(wanted, field, value)
    return request


def get(metrics, metric=TYPE):
    return metrics.GetMetricDescriptor(
        types.GetMetricDescriptorRequest.pb()(name=f"{PROJECT}/metricDescriptors/{metric}")
    )


def listed(metrics, **fields):
    answer = metrics.ListMetricDescriptors(types.ListMetricDescriptorsRequest.pb()(name=PROJECT, **fields))
    return [item.type for item in answer.metric_descriptors], answer.next_page_token


def delete(metrics, metric=TYPE):
    return metrics.DeleteMetricDescriptor(
        types.DeleteMetricDescriptorRequest.pb()(name=f"{PROJECT}/metricDescriptors/{metric}")
    )


def test_a_created_descriptor_is_found_by_its_name(metrics):
    created = metrics.CreateMetricDescriptor(descriptor(labels=["op"], unit="ms"))
    assert created.name == f"{PROJECT}/metricDescriptors/{TYPE}"
    assert get(metrics) == created


def test_creating_it_again_updates_it_and_keeps_its_labels(metrics):
    metrics.CreateMetricDescriptor(descriptor(labels=["a"], description="old"))
    updated = metrics.CreateMetricDescriptor(descriptor(labels=["b"], description="new"))
    assert updated.description == "new"
    assert [label.key for label in updated.labels] == ["a", "b"]


@pytest.mark.parametrize(("kind", "value_type"), [("CUMULATIVE", "DOUBLE"), ("GAUGE", "INT64")])
def test_kind_and_value_type_of_an_existing_descriptor_do_not_change(metrics, kind, value_type):
    metrics.CreateMetricDescriptor(descriptor())
    with pytest.raises(RpcError, match="conflicts with the existing"):
        metrics.CreateMetricDescriptor(descriptor(kind=kind, value_type=value_type))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"metric": ""}, "URL-formatted"),
        ({"metric": "custom.googleapis.com/ü"}, "URL-formatted"),
        ({"metric": "run.googleapis.com/request_count"}, "must start with one of"),
        ({"metric": f"custom.googleapis.com/{'x' * 180}"}, "longer than 200"),
        ({"kind": "?"}, "metric kind"),
        ({"value_type": "?"}, "value type"),
        ({"kind": "CUMULATIVE", "value_type": "BOOL"}, "only valid for metrics of kind GAUGE"),
        ({"kind": "DELTA"}, "not supported for custom.googleapis.com"),
        ({"value_type": "STRING"}, "not supported for custom.googleapis.com"),
        ({"labels": [f"k{n}" for n in range(31)]}, "the metric has more than 30 labels."),
        ({"labels": ["a", "a"]}, "occurs twice"),
        ({"labels": ["1a"]}, "must start with a letter"),
        ({"labels": ["k" * 101]}, "longer than 100"),
    ],
)
def test_rules_of_descriptors(metrics, fields, words):
    with pytest.raises(RpcError, match="INVALID_ARGUMENT") as caught:
        metrics.CreateMetricDescriptor(descriptor(**fields))
    assert words in caught.value.message


def test_labels_never_become_more_than_30(metrics):
    metrics.CreateMetricDescriptor(descriptor(labels=[f"a{n}" for n in range(20)]))
    with pytest.raises(RpcError, match="more than 30 labels"):
        metrics.CreateMetricDescriptor(descriptor(labels=[f"b{n}" for n in range(20)]))


def test_labels_of_workload_metrics_are_strings(metrics):
    request = descriptor(metric="workload.googleapis.com/x", labels=["a"])
    request.metric_descriptor.labels[0].value_type = 2
    with pytest.raises(RpcError, match="required to be of type 'STRING': workload"):
        metrics.CreateMetricDescriptor(request)


def test_a_project_has_so_many_descriptors_and_no_more(metrics):
    metrics.limits = Limits(custom_descriptors=2, other_descriptors=1)
    metrics.CreateMetricDescriptor(descriptor(f"{TYPE}/a"))
    metrics.CreateMetricDescriptor(descriptor(f"{TYPE}/b"))
    metrics.CreateMetricDescriptor(descriptor("workload.googleapis.com/x"))
    for metric in (f"{TYPE}/c", "external.googleapis.com/y"):
        with pytest.raises(RpcError, match="RESOURCE_EXHAUSTED"):
            metrics.CreateMetricDescriptor(descriptor(metric))


def test_a_write_beyond_the_quota_of_descriptors_fails_for_that_series(metrics, cloud):
    metrics.limits = Limits(custom_descriptors=1)
    metrics.CreateTimeSeries(create([series(1.0, cloud.now_s)]))
    with pytest.raises(RpcError, match="quota has been exhausted"):
        metrics.CreateTimeSeries(create([series(1.0, cloud.now_s, metric=f"{TYPE}/b")]))


def test_the_first_write_creates_the_descriptor(metrics, cloud):
    item = series(1, cloud.now_s, start_s=cloud.now_s - 60, labels={"op": "x"})
    item.unit = "1"
    metrics.CreateTimeSeries(create([item]))
    made = get(metrics)
    assert (made.metric_kind, made.value_type, made.unit) == (KINDS["CUMULATIVE"], TYPES["INT64"], "1")
    assert made.description == "Auto-created custom metric."
    assert [label.key for label in made.labels] == ["op"]


def test_only_user_defined_descriptors_can_be_deleted(metrics):
    with pytest.raises(RpcError, match="Only user-defined"):
        delete(metrics, "run.googleapis.com/request_count")


def test_deleting_a_descriptor_deletes_its_data(metrics, cloud):
    metrics.CreateTimeSeries(create([series(1.0, cloud.now_s)]))
    delete(metrics)
    with pytest.raises(RpcError, match="NOT_FOUND"):
        metrics.ListTimeSeries(query(cloud.now_s - 60, cloud.now_s))
    metrics.CreateTimeSeries(create([series(1, cloud.now_s)]))  # also of another type
    assert get(metrics).value_type == TYPES["INT64"]


def test_what_does_not_exist_is_not_found(metrics):
    for call in (get, delete):
        with pytest.raises(RpcError, match="NOT_FOUND: Could not find descriptor for metric"):
            call(metrics)


@pytest.mark.parametrize("name", ["", "projects/p", "projects/p/metricDescriptors/", "x/metricDescriptors/y"])
def test_malformed_descriptor_names_are_refused(metrics, name):
    with pytest.raises(RpcError, match="INVALID_ARGUMENT"):
        metrics.GetMetricDescriptor(types.GetMetricDescriptorRequest.pb()(name=name))


def test_descriptors_are_filtered_by_type(metrics):
    for metric in (f"{TYPE}/a", f"{TYPE}/b", "workload.googleapis.com/c"):
        metrics.CreateMetricDescriptor(descriptor(metric))
    assert listed(metrics, filter='metric.type = starts_with("custom.googleapis.com/")')[0] == [
        f"{TYPE}/a",
        f"{TYPE}/b",
    ]


def test_descriptors_are_paged(metrics):
    for name in "abcde":
        metrics.CreateMetricDescriptor(descriptor(f"{TYPE}/{name}"))
    found, token = listed(metrics, page_size=2)
    while token:
        page, token = listed(metrics, page_size=2, page_token=token)
        assert len(page) <= 2
        found += page
    assert found == [f"{TYPE}/{name}" for name in "abcde"]


def test_active_descriptors_have_data_of_the_last_day(metrics, cloud):
    metrics.CreateMetricDescriptor(descriptor(f"{TYPE}/silent"))
    metrics.CreateTimeSeries(create([series(1.0, cloud.now_s)]))
    assert listed(metrics, active_only=True)[0] == [TYPE]
    cloud.clock.advance(2 * 24 * 3600)
    assert listed(metrics, active_only=True)[0] == []


def test_monitored_resources_are_listed_and_found(metrics):
    answer = metrics.ListMonitoredResourceDescriptors(
        types.ListMonitoredResourceDescriptorsRequest.pb()(name=PROJECT)
    )
    assert len(answer.resource_descriptors) == len(resources.RESOURCE_TYPES)
    for item in answer.resource_descriptors:
        assert (
            metrics.GetMonitoredResourceDescriptor(
                types.GetMonitoredResourceDescriptorRequest.pb()(name=item.name)
            )
            == item
        )


def test_monitored_resources_are_filtered_by_type_and_label(metrics):
    answer = metrics.ListMonitoredResourceDescriptors(
        types.ListMonitoredResourceDescriptorsRequest.pb()(
            name=PROJECT, filter='resource.type = starts_with("generic_") AND resource.label:task_id'
        )
    )
    assert [item.type for item in answer.resource_descriptors] == ["generic_task"]


def test_an_unknown_monitored_resource_is_not_found(metrics):
    with pytest.raises(RpcError, match="NOT_FOUND"):
        metrics.GetMonitoredResourceDescriptor(
            types.GetMonitoredResourceDescriptorRequest.pb()(name=f"{PROJECT}/monitoredResourceDescriptors/x")
        )


def test_every_resource_type_says_how_it_is_known():
    assert {entry.kind for entry in resources.RESOURCE_TYPES} <= {"documented", "issue text", "unverified"}
