from __future__ import annotations

import pytest
from google.api_core import exceptions
from google.cloud import monitoring_dashboard_v1

P = "projects/shop"


@pytest.fixture
def client(connect):
    return connect(monitoring_dashboard_v1.DashboardsServiceClient)


@pytest.fixture
def make(client):
    def make(parent=P, **fields):
        dashboard = monitoring_dashboard_v1.Dashboard(display_name="Shop", **fields)
        return client.create_dashboard(request={"parent": parent, "dashboard": dashboard})

    return make


def _tile(**place):
    return {"mosaic_layout": {"columns": 12, "tiles": [{"width": 6, "height": 4, **place}]}}


def test_a_dashboard_gets_a_name_and_an_etag(client, make):
    made = make(**_tile())
    assert made.name.startswith(f"{P}/dashboards/")
    assert made.etag
    assert client.get_dashboard(request={"name": made.name}) == made


def test_a_dashboard_may_choose_its_name(make):
    assert make(name=f"{P}/dashboards/mine").name == f"{P}/dashboards/mine"
    with pytest.raises(exceptions.AlreadyExists):
        make(name=f"{P}/dashboards/mine")


@pytest.mark.parametrize("name", ["mine", "projects/other/dashboards/mine", f"{P}/dashboards/a b"])
def test_a_chosen_name_must_fit_the_parent(make, name):
    with pytest.raises(exceptions.InvalidArgument):
        make(name=name)


def test_validate_only_stores_nothing(client):
    request = {"parent": P, "dashboard": {"display_name": "x"}, "validate_only": True}
    assert client.create_dashboard(request=request).display_name == "x"
    assert list(client.list_dashboards(request={"parent": P})) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"mosaic_layout": {"columns": 0}},
        {"mosaic_layout": {"columns": 49}},
        _tile(x_pos=7),
        _tile(x_pos=-1),
        _tile(width=0),
        _tile(height=0),
        {"etag": "x"},
    ],
    ids=str,
)
def test_a_dashboard_that_can_not_be_is_refused(make, fields):
    with pytest.raises(exceptions.InvalidArgument):
        make(**fields)


def test_a_dashboard_needs_a_display_name(client):
    with pytest.raises(exceptions.InvalidArgument, match="displayName"):
        client.create_dashboard(request={"parent": P, "dashboard": {}})


def test_an_update_replaces_the_whole(client, make):
    made = make(**_tile(), labels={"team": "shop"})
    wanted = monitoring_dashboard_v1.Dashboard(name=made.name, display_name="New", etag=made.etag)
    changed = client.update_dashboard(request={"dashboard": wanted})
    assert changed.display_name == "New"
    assert "mosaic_layout" not in changed
    assert dict(changed.labels) == {}
    assert changed.etag != made.etag


def test_an_etag_of_the_past_is_aborted(client, make):
    made = make()
    client.update_dashboard(request={"dashboard": made})
    with pytest.raises(exceptions.Aborted):
        client.update_dashboard(request={"dashboard": made})


def test_a_deleted_dashboard_is_gone(client, make):
    made = make()
    client.delete_dashboard(request={"name": made.name})
    with pytest.raises(exceptions.NotFound):
        client.get_dashboard(request={"name": made.name})


def test_dashboards_of_other_projects_are_not_listed(client, make):
    make()
    make(parent="projects/other")
    assert len(list(client.list_dashboards(request={"parent": P}))) == 1
