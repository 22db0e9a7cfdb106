import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from genesis_performance import config
from genesis_performance.cli.doctor import command as doctor
from genesis_performance.cli.monitor import command as monitor_command
from genesis_performance.gcp import close_all
from genesis_performance.monitor import PerformanceMonitor

from .conftest import FakeClock, Operations

if TYPE_CHECKING:
    from genesis_performance.emulator import RunningEmulator


def run(command: Any, *arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == code, result.output
    return str(result.output)


@pytest.fixture
def sent(cloud: "RunningEmulator", clock: FakeClock, operations: Operations) -> Iterator[PerformanceMonitor]:
    """A service whose /pay is slow and fails now and then; its alerts are open."""
    with PerformanceMonitor(service_name="api", clock=clock) as monitor:
        monitor.create_response_time_alert("api", 500)
        monitor.create_error_rate_alert("api", 2.0)
        operations.run("pay", 900, times=9)
        operations.run("pay", 900, fails=True)
        monitor.check_performance_thresholds()
        assert monitor.flush(60)
        yield monitor


def test_metrics_lists_what_was_sent(sent: PerformanceMonitor) -> None:
    found = {one["name"]: one for one in json.loads(run(monitor_command, "metrics", "--json"))}
    assert found["operation/duration"]["unit"] == "ms"
    assert found["operation/duration"]["value_type"] == "DISTRIBUTION"
    assert set(found["operation/count"]["labels"]) == {"service", "operation", "environment", "status"}
    assert "operation/duration" in run(monitor_command, "metrics")


def test_tail_shows_operations(sent: PerformanceMonitor) -> None:
    (pay,) = json.loads(run(monitor_command, "tail", "--count", "1", "--json"))
    assert (pay["service"], pay["operation"]) == ("api", "pay")
    assert pay["error_ratio"] == pytest.approx(0.1)
    assert pay["p95_ms"] == pytest.approx(900, rel=0.15)
    assert "pay" in run(monitor_command, "tail", "--count", "1", "--service", "api")


def test_alerts_of_the_store_and_of_the_cloud_are_one_list(sent: PerformanceMonitor) -> None:
    found = json.loads(run(monitor_command, "alerts", "--json"))
    assert [one["name"] for one in found] == ["api-error-rate-production", "api-response-time-production"]
    assert all(one["resource_name"].startswith("projects/p/alertPolicies/") for one in found)
    assert "api-error-rate-production" in run(monitor_command, "alerts")


def test_incidents_are_listed_newest_first(sent: PerformanceMonitor) -> None:
    found = json.loads(run(monitor_command, "incidents", "--json"))
    local = {one["alert_name"] for one in found if one["source"] == "local"}
    assert local == {"api-error-rate-production", "api-response-time-production"}
    assert "pay" in run(monitor_command, "incidents")


def test_without_a_project_the_store_is_read() -> None:
    assert run(monitor_command, "incidents") == "no open incident\n"
    assert run(monitor_command, "incidents", "--all") == "no incident\n"
    assert run(monitor_command, "alerts") == "there is no alert\n"
    assert json.loads(run(monitor_command, "alerts", "--json")) == []


def test_metrics_without_a_project_say_what_to_set() -> None:
    assert "GOOGLE_CLOUD_PROJECT" in run(monitor_command, "metrics", code=2)


def test_a_wrong_store_is_said_in_one_line() -> None:
    text = run(monitor_command, "alerts", "--store", "nonsense", code=2)
    assert text.startswith("Error: storage.url is 'nonsense'")


def test_doctor_is_content_without_a_project() -> None:
    text = run(doctor)
    assert "local mode" in text
    assert "roles/monitoring.metricWriter" in text


def test_doctor_asks_the_emulator(cloud: "RunningEmulator") -> None:
    found = json.loads(run(doctor, "--json"))
    checks = {one["name"]: one for one in found["checks"]}
    assert checks["monitoring"]["ok"] is True
    assert checks["store"]["ok"] is True
    assert "emulator" in checks["credentials"]["text"]
    assert found["exported"][0]["text"].startswith("to Cloud Monitoring")


def test_doctor_says_that_the_emulator_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENESIS_PERF_EMULATOR", "127.0.0.1:1")
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p")
    config.reset()
    text = run(doctor, code=1)
    assert "FAIL  monitoring" in text
    assert "is it running?" in text
    close_all()


def test_doctor_says_which_setting_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENESIS_PERF__MONITORING__WRITE_INTERVAL_S", "soon")
    config.reset()
    assert "write_interval_s" in run(doctor, code=1)


def test_doctor_says_that_the_store_can_not_be_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GENESIS_PERF__STORAGE__URL", f"sqlite:///{tmp_path}/file/history.db")
    config.reset()
    assert "FAIL  store" in run(doctor, code=1)


def test_each_look_of_tail_is_one_line_of_json(sent: PerformanceMonitor) -> None:
    looks = run(monitor_command, "tail", "--count", "2", "--every", "1", "--json").splitlines()
    assert [json.loads(one)[0]["operation"] for one in looks] == ["pay", "pay"]


def test_an_incident_is_found_by_the_id_of_the_list(sent: PerformanceMonitor) -> None:
    lines = run(monitor_command, "incidents").splitlines()[1:]
    (line,) = (one for one in lines if "api-error-rate-production" in one and " local " in one)
    found = json.loads(run(monitor_command, "incidents", "show", line.split()[-1], "--json"))
    assert (found["alert_name"], found["source"]) == ("api-error-rate-production", "local")


def test_an_end_of_an_id_that_several_share_is_refused(sent: PerformanceMonitor) -> None:
    local = [
        one for one in json.loads(run(monitor_command, "incidents", "--json")) if one["source"] == "local"
    ]
    ends = {one["id"].rpartition("/")[2] for one in local}
    assert len(local) == 2
    assert len(ends) == 1, "both were opened by one look"
    assert "2 incidents have an id that ends so" in run(
        monitor_command, "incidents", "show", ends.pop(), code=2
    )


def test_a_deleted_alert_leaves_no_open_incident(sent: PerformanceMonitor) -> None:
    run(monitor_command, "delete-alert", "api-error-rate-production")
    found = json.loads(run(monitor_command, "incidents", "--all", "--json"))
    (mine,) = (
        one for one in found if (one["alert_name"], one["source"]) == ("api-error-rate-production", "local")
    )
    assert mine["state"] == "CLOSED"


def test_what_is_muted_is_said_below_the_list() -> None:
    run(monitor_command, "incidents", "mute", "--service", "api", "--for", "2h")
    assert run(monitor_command, "incidents").splitlines()[-1].endswith(": api")
    assert json.loads(run(monitor_command, "incidents", "--json")) == []
    run(monitor_command, "incidents", "mute", "--service", "api", "--off")
    assert run(monitor_command, "incidents") == "no open incident\n"


def test_terraform_of_no_alert_is_a_comment() -> None:
    assert run(monitor_command, "alerts", "--terraform") == "# there is no alert\n"
