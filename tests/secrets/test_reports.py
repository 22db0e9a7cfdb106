from __future__ import annotations

import json

import pytest

from genesis_performance.errors import CloudPermissionError


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
            "age_s": 7.0,
        }
    }


def test_failures_are_counted(manager, vault):
    vault.errors["api-key"] = CloudPermissionError("no", code="PERMISSION_DENIED")
    with pytest.raises(CloudPermissionError):
        manager.get_secret_sync("api-key")
    report = manager.get_performance_report()
    assert report["performance_summary"]["failures"] == 1
    assert report["secrets"]["projects/p/secrets/api-key/versions/latest"]["age_s"] is None


def test_latencies_are_measured(manager, vault):
    vault.delay_s = 0.02
    manager.get_secret_sync("api-key")
    latency = manager.get_performance_report()["performance_summary"]["read_latency_ms"]
    assert 15 < latency["p50"] <= latency["p95"] <= latency["p99"] < 2000


def test_the_report_is_plain_json_without_payloads(manager):
    manager.get_secrets_sync(["api-key", "db-password"])
    text = json.dumps(manager.get_performance_report())
    assert "hunter2" not in text
    assert "k-123" not in text


def test_reading_every_time_is_advised_against_with_its_price(make, clock):
    manager = make(cache_ttl_s=0)
    for _ in range(3600):
        manager.get_secret_sync("api-key")
        clock.advance(1)
    (advice,) = manager.get_cost_recommendations()
    # 3600 calls in 3600 s are 2,628,000 a month; with 300 s 8,760, all of them free.
    assert advice["estimated_monthly_savings"] == pytest.approx((2_628_000 - 10_000) * 0.000003, rel=0.01)
    assert (
        advice["low_monthly_savings"] < advice["estimated_monthly_savings"] < advice["high_monthly_savings"]
    )
    assert advice["currency"] == "USD"
    assert "300 s instead of 0 s" in advice["title"]
    assert "secret-manager/pricing" in advice["basis"]
    assert "0.000003" in advice["formula"]
    assert {"name": "accesses", "value": 3600, "unit": "", "source": "measured in 3600 s"} in advice[
        "evidence"
    ]


def test_within_the_free_tier_nothing_is_advised(manager, clock):
    for _ in range(100):
        manager.get_secret_sync("api-key")
        clock.advance(60)
    assert manager.get_cost_recommendations() == []


def test_a_few_seconds_say_nothing_about_a_month(make, clock):
    manager = make(cache_ttl_s=0)
    for _ in range(1000):
        manager.get_secret_sync("api-key")
    clock.advance(10)
    assert manager.get_cost_recommendations() == []


def test_a_secret_that_rotates_is_not_to_be_read_less(make, vault, clock):
    manager = make(cache_ttl_s=0)
    for i in range(2000):
        vault.put("api-key", f"v{i}")
        manager.get_secret_sync("api-key")
        clock.advance(1)
    assert manager.get_cost_recommendations() == []
