import json
from itertools import combinations
from typing import TYPE_CHECKING, Any

import pytest

from genesis_performance.errors import (
    CloudConflictError,
    CloudNotFoundError,
    ConfigurationError,
    InvalidInputError,
)
from genesis_performance.gcp import call, each
from genesis_performance.monitor import PerformanceMonitor
from genesis_performance.monitor.dashboards import (
    CloudDashboards,
    PerformanceDashboard,
    performance_dashboard,
)

from .conftest import FakeClock, Operations, make_objective, pass_time

if TYPE_CHECKING:
    from genesis_performance.emulator import RunningEmulator

SERVICE = "google.monitoring.dashboard.v1.DashboardsService"
CREATE, UPDATE, DELETE = (f"{SERVICE}/{verb}Dashboard" for verb in ("Create", "Update", "Delete"))
SLO = "projects/p/services/s/serviceLevelObjectives/o"


@pytest.fixture
def cloud(cloud: "RunningEmulator") -> "RunningEmulator":
    make_objective(SLO)
    return cloud


def dashboard(service: str = "api", **arguments: Any) -> PerformanceDashboard:
    return performance_dashboard(service, "production", prefix="genesis.performance", **arguments)


def tiles(one: PerformanceDashboard) -> list[dict[str, Any]]:
    return list(one.body["mosaicLayout"]["tiles"])


def widgets(one: PerformanceDashboard) -> dict[str, dict[str, Any]]:
    return {tile["widget"]["title"]: tile["widget"] for tile in tiles(one)}


def held() -> list[Any]:
    return list(each("dashboards", "list_dashboards", {"parent": "projects/p"}))


def changes(cloud: "RunningEmulator") -> dict[str, int]:
    return {method: count for method, count in cloud.calls().items() if method in {CREATE, UPDATE, DELETE}}


def test_it_shows_what_a_service_is_judged_by() -> None:
    assert list(widgets(dashboard(slo=SLO))) == [
        "Latency", "p95 latency by operation", "Error rate by operation", "Executions", "CPU", "Memory",
        "Errors against the budget", "Error budget left", "Incidents",
    ]  # fmt: skip


def test_tiles_lie_within_the_columns_and_not_on_one_another() -> None:
    one = dashboard(slo=SLO)
    columns = one.body["mosaicLayout"]["columns"]
    cells = []
    for tile in tiles(one):
        x, y = tile.get("xPos", 0), tile.get("yPos", 0)
        assert x + tile["width"] <= columns <= 48
        cells.append({(a, b) for a in range(x, x + tile["width"]) for b in range(y, y + tile["height"])})
    assert all(not a & b for a, b in combinations(cells, 2))


def test_thresholds_of_the_services_own_alerts_are_drawn_in_the_unit_of_the_chart() -> None:
    with PerformanceMonitor() as monitor:
        monitor.create_response_time_alert("api", 500)
        monitor.create_error_rate_alert("api", 2)
        monitor.create_throughput_alert("api", 30)
        monitor.create_cpu_alert("api", 80)
        monitor.create_memory_alert("api", 800)
        monitor.create_burn_rate_alerts("api", 99.9)
        monitor.create_response_time_alert("other", 9)
        monitor.create_response_time_alert("api", 8, environment="staging")
        shown = widgets(monitor.create_performance_dashboard("api"))
    values = {
        title: [line["value"] for line in one["xyChart"].get("thresholds", [])]
        for title, one in shown.items()
        if "xyChart" in one
    }
    assert values == {
        "Latency": [500],
        "p95 latency by operation": [500],
        "Error rate by operation": [0.02],
        "Executions": [0.5],
        "CPU": [0.8],
        "Memory": [800 * 2**20],
        "Errors against the budget": [pytest.approx(each) for each in (0.001, 0.006, 0.0144)],
    }


def test_the_same_call_again_changes_nothing_and_another_threshold_updates(
    monitor: PerformanceMonitor, cloud: "RunningEmulator"
) -> None:
    first = monitor.create_performance_dashboard("api")
    again = monitor.create_performance_dashboard("api")
    assert again.resource_name == first.resource_name
    assert changes(cloud) == {CREATE: 1}
    monitor.create_response_time_alert("api", 500)
    third = monitor.create_performance_dashboard("api")
    assert third.resource_name == first.resource_name
    assert changes(cloud) == {CREATE: 1, UPDATE: 1}
    (one,) = held()
    assert one.mosaic_layout.tiles[0].widget.xy_chart.thresholds[0].value == 500


def test_the_cloud_holds_what_the_json_says(monitor: PerformanceMonitor) -> None:
    from google.cloud.monitoring_dashboard_v1.types import Dashboard
    from google.protobuf import json_format

    monitor.create_response_time_alert("api", 500)
    one = monitor.create_performance_dashboard("api", slo=SLO)
    said = Dashboard()
    json_format.ParseDict(json.loads(one.to_json()), Dashboard.pb(said))
    (there,) = held()
    there.name = there.etag = ""
    assert there == said


def test_incidents_are_those_of_our_policies(monitor: PerformanceMonitor) -> None:
    alert = monitor.create_response_time_alert("api", 500)
    assert alert.resource_name is not None
    shown = widgets(monitor.create_performance_dashboard("api"))["Incidents"]
    assert shown["incidentList"] == {"policyNames": [alert.resource_name.removeprefix("projects/p/")]}


def test_dashboards_of_others_are_never_touched(
    monitor: PerformanceMonitor, cloud: "RunningEmulator"
) -> None:
    wanted = dashboard()
    theirs = call(
        "dashboards",
        "create_dashboard",
        {"parent": "projects/p", "dashboard": {"display_name": wanted.display_name, "labels": {"team": "x"}}},
    )
    ours = monitor.create_performance_dashboard("api")
    assert ours.resource_name != theirs.name
    assert not CloudDashboards("p").delete(theirs.name)
    assert CloudDashboards("p").delete(str(ours.resource_name))
    assert held() == [theirs]


def test_a_dashboard_changed_meanwhile_is_read_again(
    monitor: PerformanceMonitor, cloud: "RunningEmulator"
) -> None:
    monitor.create_performance_dashboard("api")
    (one,) = held()
    stale = CloudDashboards("p")
    one.etag = '"stale"'
    other = dashboard(slo=SLO)
    assert stale._updated(one, other) == one.name
    assert cloud.calls()[UPDATE] == 2
    assert len(held()[0].mosaic_layout.tiles) == 9


def test_a_dashboard_that_somebody_keeps_changing_is_left_to_them(
    monitor: PerformanceMonitor, cloud: "RunningEmulator"
) -> None:
    monitor.create_performance_dashboard("api")
    cloud.fail(UPDATE, "ABORTED", times=2)
    with pytest.raises(CloudConflictError):
        monitor.create_performance_dashboard("api", slo=SLO)


def test_of_two_processes_that_make_one_only_one_is_left(
    monitor: PerformanceMonitor, cloud: "RunningEmulator"
) -> None:
    monitor.create_performance_dashboard("api")

    class Racing(CloudDashboards):
        """Looks before the other one has created, as in a race."""

        looks = 0

        def find(self, wanted: PerformanceDashboard) -> Any | None:
            self.looks += 1
            return None if self.looks == 1 else super().find(wanted)

    name = Racing("p").apply(dashboard())
    assert [one.name for one in held()] == [name]


def test_every_query_of_the_charts_is_one_that_cloud_monitoring_answers(
    monitor: PerformanceMonitor, cloud: "RunningEmulator", clock: FakeClock, operations: Operations
) -> None:
    for _ in range(3):
        operations.run("pay", 30, times=4)
        operations.run("pay", 30, fails=True)
        assert monitor.flush(60)
        pass_time(cloud, clock, 30)
    found = queries(monitor.create_performance_dashboard("api"))
    assert len(found) == 15
    assert [(title, part["filter"]) for title, part in found if not answered(part, clock)] == []


def queries(one: PerformanceDashboard) -> list[tuple[str, dict[str, Any]]]:
    """Of each chart; of a ratio both parts."""
    found: list[tuple[str, dict[str, Any]]] = []
    for title, widget in widgets(one).items():
        for data in widget.get("xyChart", {}).get("dataSets", []):
            query = data["timeSeriesQuery"]
            ratio = query.get("timeSeriesFilterRatio", {})
            found += [(title, part) for part in ratio.values() or [query["timeSeriesFilter"]]]
    return found


def answered(part: dict[str, Any], clock: FakeClock) -> bool:
    from google.cloud.monitoring_v3.types import ListTimeSeriesRequest
    from google.protobuf import json_format

    now_s = clock.unix_ns() // 10**9 + 1
    request = ListTimeSeriesRequest(
        name="projects/p",
        filter=part["filter"],
        interval={"start_time": {"seconds": now_s - 3600}, "end_time": {"seconds": now_s}},
    )
    aggregation = ListTimeSeriesRequest.pb(request).aggregation
    json_format.ParseDict(part["aggregation"], aggregation)
    return any(one.points for one in each("metrics", "list_time_series", request))


def test_plan_returns_it_and_asks_nobody(monitor: PerformanceMonitor, cloud: "RunningEmulator") -> None:
    one = monitor.create_performance_dashboard("api", apply="plan")
    assert one.resource_name is None
    assert one.url is None
    assert json.loads(one.to_json()) == one.body
    assert one.to_terraform().startswith(
        'resource "google_monitoring_dashboard" "api_dashboard_production" {\n  dashboard_json = jsonencode({'
    )
    assert not any(method.startswith(SERVICE) for method in cloud.calls())


def test_the_console_shows_it(monitor: PerformanceMonitor) -> None:
    one = monitor.create_performance_dashboard("api")
    assert one.url is not None
    assert str(one.resource_name).rpartition("/")[2] in one.url
    assert one.url.endswith("?project=p")


def test_services_with_similar_names_have_dashboards_of_their_own(monitor: PerformanceMonitor) -> None:
    for service in ("my-service", "my_service"):
        monitor.create_performance_dashboard(service)
    assert len(held()) == 2


def test_an_objective_that_is_not_there_is_not_drawn(monitor: PerformanceMonitor) -> None:
    with pytest.raises(CloudNotFoundError, match="leave slo out"):
        monitor.create_performance_dashboard("api", slo=f"{SLO}-of-old")
    assert held() == []


def test_without_a_project_it_can_not_be_applied() -> None:
    with PerformanceMonitor() as monitor, pytest.raises(ConfigurationError, match="GOOGLE_CLOUD_PROJECT"):
        monitor.create_performance_dashboard("api", apply="api")


@pytest.mark.parametrize("service", ["", 'a"b', "a\nb"])
def test_a_service_that_would_break_the_filters_is_refused(service: str) -> None:
    with pytest.raises(InvalidInputError, match="service_name is"):
        dashboard(service)


def run(*arguments: str, code: int = 0) -> str:
    from click.testing import CliRunner

    from genesis_performance.cli.monitor import command

    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == code, result.output
    return str(result.output)


def test_the_command_line_prints_it_with_the_thresholds_of_the_store() -> None:
    with PerformanceMonitor() as monitor:
        monitor.create_response_time_alert("api", 500)
    body = json.loads(run("dashboard"))
    assert body["displayName"] == "api: performance, production"
    assert body["mosaicLayout"]["tiles"][0]["widget"]["xyChart"]["thresholds"][0]["value"] == 500
    assert run("dashboard", "shop", "--terraform").startswith('resource "google_monitoring_dashboard"')


def test_the_command_line_says_which_services_there_are() -> None:
    assert "no service has alerts" in run("dashboard", code=2)
    with PerformanceMonitor() as monitor:
        monitor.create_response_time_alert("api", 500)
        monitor.create_response_time_alert("shop", 500)
    assert "api, shop" in run("dashboard", code=2)


def test_the_command_line_applies_it_once(cloud: "RunningEmulator") -> None:
    first = run("dashboard", "api", "--apply")
    assert first == run("dashboard", "api", "--apply")
    assert changes(cloud) == {CREATE: 1}
    assert first.splitlines()[0] == held()[0].name


def test_the_command_line_can_not_apply_without_a_project() -> None:
    assert "GOOGLE_CLOUD_PROJECT" in run("dashboard", "api", "--apply", code=2)
