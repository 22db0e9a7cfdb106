from __future__ import annotations

import json
import time

import pytest

from genesis_performance.config.secret_manager import SecretManagerSection
from genesis_performance.errors import CloudPermissionError, CloudUnavailableError


def test_the_hit_rate_is_hits_among_reads(manager):
    for _ in range(4):
        manager.get_secret_sync("api-key")
    report = manager.get_performance_report()
    assert report["performance_summary"]["cache_hit_rate"] == 0.75
    assert f"{report['performance_summary']['cache_hit_rate']:.1%}" == "75.0%"


def test_before_the_first_read_the_report_is_empty_and_whole(manager):
    summary = manager.get_performance_report()["performance_summary"]
    assert summary["cache_hit_rate"] == 0.0
    assert summary["reads"] == 0
    assert summary["read_latency_ms"] == {"p50": None, "p95": None, "p99": None}
    assert manager.get_cost_recommendations() == []


def test_each_secret_has_its_own_counts_and_age(manager, vault, clock):
    manager.get_secret_sync("api-key")
    clock.advance(300)
    vault.put("api-key", "new")
    manager.get_secret_sync("api-key")
    clock.advance(7)
    manager.get_secret_sync("api-key")
    assert manager.get_performance_report()["secrets"] == {
        "projects/p/secrets/api-key/versions/latest": {
            "reads": 3,
            "cache_hits": 1,
            "api_calls": 2,
            "failures": 0,
            "version_changes": 1,
            "version": "2",
            "last_version": "2",
            "age_s": 7.0,
            "last_used_s": 0.0,
            "reads_per_s": pytest.approx(3 / 307),
            "peak_reads_per_s": pytest.approx(1 / 7),
            "burst": pytest.approx(307 / 21),
            "never_read": False,
            "over_read": False,
        }
    }


def test_ages_of_checks_are_those_of_the_latest_and_of_the_oldest_value(manager, clock):
    manager.get_secret_sync("api-key")
    clock.advance(20)
    manager.get_secret_sync("db-password")
    clock.advance(3)
    summary = manager.get_performance_report()["performance_summary"]
    assert summary["last_check_age_s"] == 3.0
    assert summary["oldest_check_age_s"] == 23.0


def test_an_outage_shows_as_an_open_circuit_until_it_is_over(make, vault, clock):
    manager = make(chance=lambda: 0.5)
    vault.errors["api-key"] = CloudUnavailableError("no route", code="UNAVAILABLE")
    for _ in range(5):
        with pytest.raises(CloudUnavailableError):
            manager.get_secret_sync("api-key")
    assert manager.get_performance_report()["circuits"] == {
        "p/global": {"state": "open", "failures_in_row": 5, "retry_in_s": 0.5, "last_error": "no route"}
    }
    clock.advance(1)
    del vault.errors["api-key"]
    manager.get_secret_sync("api-key")
    assert manager.get_performance_report()["circuits"]["p/global"]["state"] == "closed"


def test_what_was_preloaded_and_not_asked_for_is_never_read(manager):
    manager.preload_sync(["api-key", "db-password"])
    manager.get_secret_sync("api-key")
    summary = manager.get_performance_report()["performance_summary"]
    assert summary["never_read"] == ["projects/p/secrets/db-password/versions/latest"]


def test_a_secret_that_is_forgotten_with_each_use_is_over_read(manager, clock):
    for _ in range(20):
        manager.get_secret_sync("api-key")
        manager.get_secret_sync("db-password")
        manager.invalidate("api-key")
        clock.advance(10)
    summary = manager.get_performance_report()["performance_summary"]
    assert summary["over_read"] == ["projects/p/secrets/api-key/versions/latest"]


def test_polls_of_an_adaptive_interval_are_not_over_read(driven, clock):
    manager = driven(config=SecretManagerSection(cache_ttl_s=60, max_staleness_s=3600))
    for _ in range(600):
        manager.get_secret_sync("api-key")
        clock.advance(1)
    report = manager.get_performance_report()
    assert report["settings"]["check_interval_s"] == 15.0
    assert report["performance_summary"]["over_read"] == []


def test_without_a_subscription_there_are_no_notices_to_report(manager):
    manager.get_secret_sync("api-key")
    assert manager.get_performance_report()["notices"] is None


def test_a_strategy_in_plain_text_is_reported_like_the_choice_itself(make):
    manager = make(config=SecretManagerSection(cache_strategy="lru"))
    assert manager.get_performance_report()["settings"]["strategy"] == "lru"


def test_failures_are_counted(manager, vault):
    vault.errors["api-key"] = CloudPermissionError("no", code="PERMISSION_DENIED")
    with pytest.raises(CloudPermissionError):
        manager.get_secret_sync("api-key")
    report = manager.get_performance_report()
    assert report["performance_summary"]["failures"] == 1
    assert report["secrets"]["projects/p/secrets/api-key/versions/latest"]["age_s"] is None


def test_latencies_are_measured(manager, vault):
    vault.delay_s = 0.02
    began = time.perf_counter()
    manager.get_secret_sync("api-key")
    latency = manager.get_performance_report()["performance_summary"]["read_latency_ms"]
    took_ms = (time.perf_counter() - began) * 1000
    assert 15 < latency["p50"] <= latency["p95"] <= latency["p99"] <= took_ms * 1.1


def test_the_report_is_plain_json_without_payloads(manager):
    manager.get_secrets_sync(["api-key", "db-password"])
    text = json.dumps(manager.get_performance_report())
    assert "hunter2" not in text
    assert "k-123" not in text
