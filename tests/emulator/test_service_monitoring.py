from __future__ import annotations

import pytest
from google.api_core import exceptions
from google.cloud import monitoring_v3
from google.protobuf import duration_pb2, field_mask_pb2
from google.type import calendar_period_pb2

P = "projects/shop"
DAYS_28 = duration_pb2.Duration(seconds=28 * 86_400)
RATIO = {
    "request_based": {
        "good_total_ratio": {"good_service_filter": "good", "total_service_filter": "total"},
    }
}


@pytest.fixture
def client(connect):
    return connect(monitoring_v3.ServiceMonitoringServiceClient)


@pytest.fixture
def service(client):
    return client.create_service(
        request={"parent": P, "service_id": "checkout", "service": {"display_name": "Checkout", "custom": {}}}
    )


@pytest.fixture
def make(client, service):
    def make(slo_id="", **fields):
        objective = {"goal": 0.99, "rolling_period": DAYS_28, "service_level_indicator": RATIO} | fields
        objective = {name: value for name, value in objective.items() if value is not None}
        return client.create_service_level_objective(
            request={
                "parent": service.name,
                "service_level_objective_id": slo_id,
                "service_level_objective": monitoring_v3.ServiceLevelObjective(**objective),
            }
        )

    return make


def test_a_service_takes_the_chosen_id(client, service):
    assert service.name == f"{P}/services/checkout"
    assert client.get_service(name=service.name) == service


def test_a_service_without_an_id_gets_one(client):
    made = client.create_service(parent=P, service={"custom": {}})
    assert made.name.removeprefix(f"{P}/services/")


def test_the_same_service_twice_already_exists(client, service):
    with pytest.raises(exceptions.AlreadyExists):
        client.create_service(request={"parent": P, "service_id": "checkout", "service": {"custom": {}}})


@pytest.mark.parametrize("service_id", ["Upper", "a/b", "a.b", "x" * 200])
def test_a_service_id_that_can_not_be_is_refused(client, service_id):
    with pytest.raises(exceptions.InvalidArgument):
        client.create_service(request={"parent": P, "service_id": service_id, "service": {"custom": {}}})


def test_services_are_filtered_by_the_case_of_their_identifier(client, service):
    client.create_service(parent=P, service={"cloud_run": {"service_name": "api", "location": "us-central1"}})
    found = client.list_services(request={"parent": P, "filter": 'identifier_case = "CUSTOM"'})
    assert [each.display_name for each in found] == ["Checkout"]
    found = client.list_services(request={"parent": P, "filter": 'cloud_run.service_name = "api"'})
    assert len(list(found)) == 1


def test_an_objective_is_stored_under_its_service(client, service, make):
    made = make("latency", display_name="Fast")
    assert made.name == f"{service.name}/serviceLevelObjectives/latency"
    assert list(client.list_service_level_objectives(parent=service.name)) == [made]
    assert client.get_service_level_objective(name=made.name) == made


def test_objectives_of_all_services_are_listed_with_a_dash(client, make):
    make("a")
    assert len(list(client.list_service_level_objectives(parent=f"{P}/services/-"))) == 1


def test_an_objective_needs_its_service(client):
    with pytest.raises(exceptions.NotFound):
        client.create_service_level_objective(
            parent=f"{P}/services/nobody",
            service_level_objective={
                "goal": 0.9,
                "rolling_period": DAYS_28,
                "service_level_indicator": RATIO,
            },
        )


@pytest.mark.parametrize(
    "fields",
    [
        {"goal": 0.0},
        {"goal": 1.0},
        {"goal": 0.99995},
        {"goal": float("nan")},
        {"goal": -1},
        {"rolling_period": duration_pb2.Duration(seconds=3600)},
        {"rolling_period": duration_pb2.Duration(seconds=31 * 86_400)},
        {"rolling_period": duration_pb2.Duration(seconds=0)},
        {"rolling_period": None},
        {"rolling_period": None, "calendar_period": calendar_period_pb2.CalendarPeriod.YEAR},
        {"service_level_indicator": None},
        {"service_level_indicator": {"request_based": {}}},
        {"service_level_indicator": {"request_based": {"good_total_ratio": {"good_service_filter": "x"}}}},
        {
            "service_level_indicator": {
                "request_based": {
                    "good_total_ratio": {
                        "good_service_filter": "a", "bad_service_filter": "b", "total_service_filter": "c",
                    }
                }
            }
        },
        {"service_level_indicator": {"request_based": {"distribution_cut": {"distribution_filter": "x"}}}},
        {
            "service_level_indicator": {
                "request_based": {
                    "distribution_cut": {"distribution_filter": "x", "range_": {"min_": 2, "max_": 1}}
                }
            }
        },
        {"service_level_indicator": {"basic_sli": {}}},
        {"service_level_indicator": {"basic_sli": {"latency": {}}}},
        {"service_level_indicator": {"windows_based": {"good_bad_metric_filter": "x"}}},
        {
            "service_level_indicator": {
                "windows_based": {
                    "good_bad_metric_filter": "x", "window_period": duration_pb2.Duration(seconds=61),
                }
            }
        },
        {"user_labels": {"1": "x"}},
    ],
    ids=str,
)  # fmt: skip
def test_an_objective_that_can_not_be_is_refused(make, fields):
    with pytest.raises(exceptions.InvalidArgument):
        make(**fields)


@pytest.mark.parametrize(
    "indicator",
    [
        {"basic_sli": {"latency": {"threshold": duration_pb2.Duration(seconds=1)}}},
        {"basic_sli": {"availability": {}}},
        {"request_based": {"distribution_cut": {"distribution_filter": "x", "range_": {"max_": 200}}}},
        {
            "windows_based": {
                "window_period": duration_pb2.Duration(seconds=300),
                "good_total_ratio_threshold": {"performance": RATIO["request_based"], "threshold": 0.9},
            }
        },
        {
            "windows_based": {
                "window_period": duration_pb2.Duration(seconds=60),
                "metric_mean_in_range": {"time_series": "x", "range_": {"max_": float("inf")}},
            }
        },
    ],
    ids=str,
)
def test_every_kind_of_indicator_is_stored(client, make, indicator):
    made = make(service_level_indicator=indicator)
    assert client.get_service_level_objective(name=made.name) == made


def test_a_calendar_month_is_a_period(make):
    assert make(rolling_period=None, calendar_period=calendar_period_pb2.CalendarPeriod.MONTH).calendar_period


def test_the_mask_chooses_what_changes_and_the_result_is_checked(client, make):
    made = make("a")
    mask = field_mask_pb2.FieldMask(paths=["goal"])
    update = {"name": made.name, "goal": 0.95}
    assert client.update_service_level_objective(
        request={"service_level_objective": update, "update_mask": mask}
    ).service_level_indicator
    with pytest.raises(exceptions.InvalidArgument):
        client.update_service_level_objective(
            request={"service_level_objective": update | {"goal": 2.0}, "update_mask": mask}
        )


def test_the_objectives_of_a_deleted_service_are_gone(client, service, make):
    made = make("a")
    client.delete_service(name=service.name)
    with pytest.raises(exceptions.NotFound):
        client.get_service_level_objective(name=made.name)


def test_the_explicit_view_of_a_basic_indicator_is_not_emulated(client, make):
    made = make("a", service_level_indicator={"basic_sli": {"availability": {}}})
    with pytest.raises(exceptions.MethodNotImplemented, match="EXPLICIT"):
        client.get_service_level_objective(request={"name": made.name, "view": "EXPLICIT"})
