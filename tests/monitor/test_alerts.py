import math
import re
import time
from typing import Any

import pytest

from genesis_performance import config
from genesis_performance.errors import ConfigurationError, InvalidInputError
from genesis_performance.model.alert import ApplyMode, PerformanceAlert
from genesis_performance.monitor import PerformanceMonitor
from genesis_performance.monitor.alerts import (
    absence_alert,
    alert_name,
    cpu_alert,
    error_rate_alert,
    memory_alert,
    response_time_alert,
    throughput_alert,
)
from genesis_performance.monitor.policy import definition, label_of, policy

from .conftest import FakeClock


def alert(threshold_ms: float = 500, **changes: object) -> PerformanceAlert:
    arguments = {"quantile": 0.95, "duration_s": 0, "channels": (), "apply": ApplyMode.LOCAL} | changes
    return response_time_alert("api", threshold_ms, "production", **arguments)  # type: ignore[arg-type]


def test_a_policy_looks_at_one_service_and_groups_by_operation() -> None:
    (condition,) = policy(alert(), "genesis.performance")["conditions"]
    threshold = condition["condition_threshold"]
    assert threshold["filter"] == (
        'metric.type="custom.googleapis.com/genesis.performance/operation/duration" '
        'AND resource.type="generic_task" AND metric.labels.service="api" '
        'AND metric.labels.environment="production"'
    )
    assert threshold["aggregations"] == [
        {
            "alignment_period": {"seconds": 60},
            "per_series_aligner": "ALIGN_DELTA",
            "cross_series_reducer": "REDUCE_PERCENTILE_95",
            "group_by_fields": ["metric.labels.operation"],
        }
    ]
    assert threshold["threshold_value"] == 500


@pytest.mark.parametrize(("quantile", "reducer"), [(0.5, "50"), (0.99, "99"), (0.05, "05")])
def test_the_quantile_chooses_the_reducer(quantile: float, reducer: str) -> None:
    made = policy(alert(quantile=quantile), "p")["conditions"][0]["condition_threshold"]
    assert made["aggregations"][0]["cross_series_reducer"] == f"REDUCE_PERCENTILE_{reducer}"


def test_an_error_rate_is_a_ratio_of_errors_to_all() -> None:
    subject = error_rate_alert("api", 2.0, "production", duration_s=0, channels=(), apply=ApplyMode.LOCAL)
    threshold = policy(subject, "p")["conditions"][0]["condition_threshold"]
    assert threshold["filter"] == threshold["denominator_filter"] + ' AND metric.labels.status="error"'
    assert threshold["threshold_value"] == 0.02
    assert threshold["aggregations"] == threshold["denominator_aggregations"]
    assert threshold["aggregations"][0]["per_series_aligner"] == "ALIGN_RATE"
    assert threshold["aggregations"][0]["cross_series_reducer"] == "REDUCE_SUM"


def test_the_definition_changes_with_what_is_compared_and_only_then() -> None:
    first, same, other = (policy(alert(ms), "p")["user_labels"] for ms in (500, 500, 600))
    assert first == same
    assert first["genesis_definition"] != other["genesis_definition"]
    assert first["managed_by"] == "genesis-performance"
    assert definition({"a": 1}) != definition({"a": 2})


def test_missing_data_is_only_named_with_a_duration() -> None:
    def threshold(duration_s: int) -> dict[str, object]:
        return policy(alert(duration_s=duration_s), "p")["conditions"][0]["condition_threshold"]  # type: ignore[no-any-return]

    assert "evaluation_missing_data" not in threshold(0)
    assert threshold(120)["evaluation_missing_data"] == "EVALUATION_MISSING_DATA_NO_OP"


def test_a_long_name_is_cut_to_a_label_and_stays_different() -> None:
    a, b = label_of("x" * 100 + "a"), label_of("x" * 100 + "b")
    assert len(a) == len(b) == 63
    assert a != b


def test_names_are_stable_and_plain() -> None:
    assert alert_name("my-service", "response_time", "prod") == "my-service-response-time-prod"
    assert alert_name("My Service", "response_time", "prod/EU") == alert_name(
        "My Service", "response_time", "prod/EU"
    )
    assert re.fullmatch(
        "my-service-response-time-prod-eu-[0-9a-f]{8}", alert_name("My Service", "response_time", "prod/EU")
    )


def test_services_with_similar_names_do_not_share_a_policy() -> None:
    services = ("my-service", "my_service", "my service", "My-Service", "日本", "ünï", "x")
    assert len({alert_name(service, "response_time", "production") for service in services}) == len(services)


@pytest.mark.parametrize("threshold", [0, -1, math.nan, math.inf, True, "500", None, 20_000])
def test_a_threshold_that_never_or_always_holds_is_refused(threshold: object) -> None:
    with pytest.raises(InvalidInputError, match="threshold_ms is"):
        alert(threshold)  # type: ignore[arg-type]


@pytest.mark.parametrize("threshold", [0, 100, 250, math.nan])
def test_an_impossible_error_rate_is_refused(threshold: float) -> None:
    with pytest.raises(InvalidInputError, match="threshold_percent is"):
        error_rate_alert("api", threshold, "production", duration_s=0, channels=(), apply=ApplyMode.LOCAL)


@pytest.mark.parametrize("quantile", [0.9, 95, -1, math.nan])
def test_a_quantile_without_a_reducer_is_refused(quantile: float) -> None:
    with pytest.raises(InvalidInputError, match=r"0\.05, 0\.5, 0\.95, 0\.99"):
        alert(quantile=quantile)


@pytest.mark.parametrize("duration_s", [30, 61, -60, math.inf, math.nan, "60", 90_000])
def test_a_duration_that_is_no_whole_number_of_minutes_is_refused(duration_s: object) -> None:
    with pytest.raises(InvalidInputError, match="whole minutes"):
        alert(duration_s=duration_s)


@pytest.mark.parametrize("service", ["", "  ", 'a"b', "a\\b", "a\nb", None, 5, "x" * 2000])
def test_a_service_that_would_break_the_filter_is_refused(service: object) -> None:
    with pytest.raises(InvalidInputError, match="service_name is"):
        response_time_alert(
            service, 500, "production", quantile=0.95, duration_s=0, channels=(), apply=ApplyMode.LOCAL  # type: ignore[arg-type]
        )  # fmt: skip


def test_a_channel_that_is_no_resource_name_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="projects/P/notificationChannels/ID"):
        alert(channels=["mail@example.com"])


def test_an_unknown_mode_is_refused() -> None:
    with PerformanceMonitor() as monitor, pytest.raises(InvalidInputError, match="'api', 'plan' or 'local'"):
        monitor.create_response_time_alert("api", 500, apply="cloud")


def test_mode_api_without_a_project_says_what_to_set() -> None:
    with PerformanceMonitor() as monitor, pytest.raises(ConfigurationError, match="GOOGLE_CLOUD_PROJECT"):
        monitor.create_response_time_alert("api", 500, apply="api")


def test_mode_plan_returns_terraform() -> None:
    with PerformanceMonitor() as monitor:
        made = monitor.create_response_time_alert("1-api", 500, "prod", apply="plan")
    assert made.terraform is not None
    assert 'resource "google_monitoring_alert_policy" "alert_1_api_response_time_prod" {' in made.terraform
    assert made.terraform.count("{") == made.terraform.count("}")
    assert re.search(r'per_series_aligner += "ALIGN_DELTA"', made.terraform)
    assert made.apply is ApplyMode.PLAN


def test_terraform_texts_do_not_begin_expressions() -> None:
    with PerformanceMonitor() as monitor:
        made = monitor.create_response_time_alert("api-${var.x}-%{if}", 500, apply="plan")
    assert made.terraform is not None
    assert "$${var.x}" in made.terraform
    assert "%%{if}" in made.terraform


COMMON: dict[str, Any] = {"duration_s": 120, "channels": (), "apply": ApplyMode.LOCAL}


def condition_of(subject: PerformanceAlert) -> dict[str, Any]:
    (condition,) = policy(subject, "p")["conditions"]
    return next(dict(value) for key, value in condition.items() if key.startswith("condition_"))


def test_a_throughput_is_that_of_the_whole_service_a_second() -> None:
    low = throughput_alert("api", 30, None, "production", by_operation=False, **COMMON)
    made = condition_of(low)
    assert made["comparison"] == "COMPARISON_LT"
    assert made["threshold_value"] == 0.5
    assert made["aggregations"][0]["per_series_aligner"] == "ALIGN_RATE"
    assert made["aggregations"][0]["group_by_fields"] == []


def test_a_throughput_may_be_that_of_each_operation() -> None:
    high = throughput_alert("api", None, 600, "production", by_operation=True, **COMMON)
    assert condition_of(high)["comparison"] == "COMPARISON_GT"
    assert condition_of(high)["aggregations"][0]["group_by_fields"] == ["metric.labels.operation"]


def test_too_little_and_too_much_are_two_policies() -> None:
    low = throughput_alert("api", 30, None, "production", by_operation=False, **COMMON)
    high = throughput_alert("api", None, 30, "production", by_operation=False, **COMMON)
    assert (low.name, high.name) == ("api-throughput-low-production", "api-throughput-high-production")


@pytest.mark.parametrize("limits", [(None, None), (1, 2)])
def test_a_throughput_has_one_limit(limits: tuple[float | None, float | None]) -> None:
    with pytest.raises(InvalidInputError, match="one of them"):
        throughput_alert("api", *limits, "production", by_operation=False, **COMMON)


def test_cpu_and_memory_are_those_of_the_worst_instance_in_the_metrics_unit() -> None:
    cpu = condition_of(cpu_alert("api", 80, "production", **COMMON))
    memory = condition_of(memory_alert("api", 512, "production", **COMMON))
    assert (cpu["threshold_value"], memory["threshold_value"]) == (0.8, 512 * 2**20)
    for made in (cpu, memory):
        assert made["aggregations"][0]["cross_series_reducer"] == "REDUCE_MAX"
        assert made["aggregations"][0]["group_by_fields"] == []


@pytest.mark.parametrize("percent", [0, 100, 250, math.nan, True])
def test_an_impossible_cpu_threshold_is_refused(percent: float) -> None:
    with pytest.raises(InvalidInputError, match="threshold_percent is"):
        cpu_alert("api", percent, "production", **COMMON)


def test_an_absence_is_noticed_on_what_is_sent_without_traffic_too() -> None:
    made = condition_of(absence_alert("api", "production", **COMMON))
    assert "process/memory_bytes" in made["filter"]
    assert made["duration"] == {"seconds": 120}
    assert "threshold_value" not in made


def test_an_absence_of_less_than_two_minutes_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="120 s"):
        absence_alert("api", "production", **{**COMMON, "duration_s": 60})


def test_an_absence_stays_open_for_as_long_as_the_service_takes() -> None:
    absent = policy(absence_alert("api", "production", **COMMON), "p")
    assert absent["alert_strategy"]["auto_close"]["seconds"] == 7 * 86_400
    assert policy(alert(), "p")["alert_strategy"]["auto_close"]["seconds"] == 1800


@pytest.mark.parametrize("severity", ["critical", "", "PAGE", None])
def test_an_unknown_severity_is_refused(severity: str) -> None:
    with pytest.raises(InvalidInputError, match="'CRITICAL', 'ERROR', 'WARNING'"):
        alert(severity=severity)


def test_what_to_do_goes_with_the_policy() -> None:
    content = policy(alert(documentation="See the runbook."), "p")["documentation"]["content"]
    assert "See the runbook." in content
    assert "above 500 ms" in content
    with pytest.raises(InvalidInputError, match="at most 6000"):
        alert(documentation="x" * 6001)


def test_an_option_that_no_alert_has_is_refused_by_name() -> None:
    with PerformanceMonitor() as monitor, pytest.raises(TypeError, match="treshold"):
        monitor.create_cpu_alert("api", 80, treshold=3)  # type: ignore[call-arg]


def test_a_burn_rate_has_a_severity_of_its_own() -> None:
    with PerformanceMonitor() as monitor, pytest.raises(InvalidInputError, match="leave severity out"):
        monitor.create_burn_rate_alerts("api", 99.9, severity="ERROR")


def test_an_absence_shorter_than_two_exports_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENESIS_PERF__MONITORING__WRITE_INTERVAL_S", "200")
    config.reset()
    with PerformanceMonitor() as monitor:
        with pytest.raises(InvalidInputError, match="at least 420 s"):
            monitor.create_absence_alert("api", duration_s=360)
        assert monitor.create_absence_alert("api", duration_s=420).duration_s == 420


def test_a_service_without_a_project_is_not_absent(clock: FakeClock) -> None:
    with PerformanceMonitor(service_name="api", clock=clock) as monitor:
        monitor.create_absence_alert("api", duration_s=120)
        for _ in range(10):
            clock.advance(60)
            assert monitor.flush(60)
            assert monitor.check_performance_thresholds() == []


def test_cpu_and_memory_of_this_process_are_watched_here(clock: FakeClock) -> None:
    with PerformanceMonitor(service_name="api", clock=clock) as monitor:
        small = monitor.create_memory_alert("api", 1, duration_s=0)
        monitor.create_cpu_alert("api", 0.001, duration_s=0)
        ends = time.process_time() + 0.2
        while time.process_time() < ends:
            pass
        clock.advance(30)
        found = {one.alert_name: one for one in monitor.check_performance_thresholds()}
    assert set(found) == {small.name, "api-cpu-production"}
    assert 20 < found[small.name].current_value < 4096  # MiB of a Python process
    assert found["api-cpu-production"].current_value < 100
