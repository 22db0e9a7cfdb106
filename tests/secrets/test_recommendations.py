"""Advice about money: from measured accesses and listed versions, with its price, or none."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from genesis_performance import gcp
from genesis_performance.errors import InvalidInputError
from genesis_performance.secrets import OptimizedSecretManager
from genesis_performance.secrets.access import AccessFacts, SecretAccess, facts_of
from genesis_performance.secrets.inventory import KeptSecret, OwnVersions
from genesis_performance.secrets.recommendations import cost_recommendations

DAY_S = 86_400.0


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


def test_polling_a_hundred_steady_secrets_is_worth_hearing_notices_instead():
    (advice,) = cost_recommendations(_polled(100, changes=0))
    # 100 x 288 calls a day are 876,000 a month; with one an hour 73,000.
    assert advice["rule"] == "secrets/notices-instead-of-polls"
    assert advice["estimated_monthly_savings"] == pytest.approx((876_000 - 73_000) * 0.000003, rel=0.01)
    assert advice["commands"] == ["gcloud secrets update SECRET --add-topics=projects/P/topics/T"]


def test_polls_that_find_changes_are_not_advised_against():
    assert cost_recommendations(_polled(100, changes=30)) == []


def test_a_secret_that_is_forgotten_with_each_use_costs_what_it_need_not(manager, clock):
    for _ in range(7200):
        manager.get_secret_sync("api-key")
        manager.invalidate("api-key")
        clock.advance(1)
    (advice,) = manager.get_cost_recommendations()
    assert advice["rule"] == "secrets/over-read"
    # 2,628,000 a month, of which 25 in two hours would do: 9,125 a month.
    assert advice["estimated_monthly_savings"] == pytest.approx((2_628_000 - 10_000) * 0.000003, rel=0.01)


def test_the_same_calls_are_not_saved_by_two_rules():
    secret = SecretAccess(resource=_resource("db"), reads=90_000, calls=40_000, version_changes=0)
    facts = AccessFacts(observed_s=DAY_S, cache_ttl_s=60.0, secrets=(secret,))
    now = 40_000 * 365 / 12 * 0.000003
    assert sum(one["estimated_monthly_savings"] for one in cost_recommendations(facts)) <= now


def test_versions_within_the_free_six_cost_nothing_to_keep():
    kept = KeptSecret(resource="projects/p/secrets/db", enabled=(4, 3), disabled=(2, 1))
    assert cost_recommendations(_reading("4", kept)) == []


def test_each_location_of_a_disabled_version_is_billed():
    kept = KeptSecret(resource="projects/p/secrets/db", enabled=(3,), disabled=(2, 1), locations=3)
    (advice,) = cost_recommendations(_reading("3", kept))
    # Nine are billed, three of them beyond the free ones; six are disabled.
    assert advice["estimated_monthly_savings"] == pytest.approx(0.18)
    assert advice["high_monthly_savings"] == pytest.approx(0.36)
    assert advice["commands"] == [
        "gcloud secrets versions destroy 2 --secret=db --project=p",
        "gcloud secrets versions destroy 1 --secret=db --project=p",
    ]


def test_old_versions_are_unused_but_for_the_one_to_roll_back_to():
    kept = KeptSecret(
        resource="projects/p/locations/europe-west3/secrets/db", enabled=tuple(range(9, 0, -1)), disabled=()
    )
    secret = SecretAccess(
        resource=f"{kept.resource}/versions/latest", reads=9, calls=1, version_changes=0, version="9"
    )
    facts = AccessFacts(observed_s=DAY_S, cache_ttl_s=300.0, secrets=(secret,), kept=(kept,))
    (advice,) = cost_recommendations(facts)
    assert advice["title"] == "Disable 7 old versions that nobody reads here"
    assert advice["commands"][0] == (
        "gcloud secrets versions disable 7 --secret=db --project=p --location=europe-west3"
    )
    assert advice["low_monthly_savings"] == 0.0


def test_an_hour_is_too_short_to_call_a_version_unused():
    kept = KeptSecret(resource="projects/p/secrets/db", enabled=tuple(range(99, 0, -1)), disabled=())
    assert cost_recommendations(_reading("99", kept, observed_s=3600.0)) == []


def test_only_a_list_of_the_whole_project_shows_what_nobody_reads():
    kept = tuple(KeptSecret(resource=f"projects/p/secrets/s{i}", enabled=(1,), disabled=()) for i in range(9))
    facts = AccessFacts(observed_s=DAY_S, cache_ttl_s=300.0, secrets=(), kept=kept)
    assert cost_recommendations(facts) == []


@given(
    observed_s=st.floats(0, 1e7),
    ttl_s=st.floats(0, 1e5),
    secrets=st.lists(
        st.tuples(st.integers(0, 10**7), st.integers(0, 50), st.none() | st.integers(1, 30)), max_size=5
    ),
    versions=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12), st.integers(1, 4)), max_size=5),
)
@example(observed_s=86_400.0, ttl_s=0.0, secrets=[(0, 0, None), (0, 0, 4)], versions=[(0, 0, 1), (4, 0, 4)])
def test_no_advice_saves_more_than_the_bill_or_less_than_a_cent(observed_s, ttl_s, secrets, versions):
    facts = AccessFacts(
        observed_s=observed_s,
        cache_ttl_s=ttl_s,
        secrets=tuple(
            SecretAccess(
                resource=_resource(f"s{i}"),
                reads=calls,
                calls=calls,
                version_changes=min(changes, calls),
                version=None if version is None else str(version),
            )
            for i, (calls, changes, version) in enumerate(secrets)
        ),
        kept=tuple(
            KeptSecret(
                resource=f"projects/p/secrets/s{i}",
                enabled=tuple(range(enabled, 0, -1)),
                disabled=tuple(range(enabled + disabled, enabled, -1)),
                locations=locations,
            )
            for i, (enabled, disabled, locations) in enumerate(versions)
        ),
        lists_project=True,
    )
    calls = sum(secret.calls for secret in facts.secrets)
    kept = sum(secret.active for secret in facts.kept or ())
    bill = (calls * 2_628_000 / observed_s * 0.000003 if calls and observed_s else 0.0) + kept * 0.06
    found = cost_recommendations(facts)
    for advice in found:
        assert advice["estimated_monthly_savings"] >= 0.01
        assert advice["low_monthly_savings"] <= advice["estimated_monthly_savings"]
        assert advice["estimated_monthly_savings"] <= advice["high_monthly_savings"]
    total = math.fsum(advice["estimated_monthly_savings"] for advice in found)
    assert total <= bill * 1.001 + 0.01 * len(found)


def test_reports_of_several_processes_add_up(make, clock):
    managers = [make(cache_ttl_s=0), make(cache_ttl_s=0)]
    for _ in range(1000):
        for manager in managers:
            manager.get_secret_sync("api-key")
        clock.advance(1)
    facts = facts_of([manager.get_performance_report() for manager in managers])
    (advice,) = cost_recommendations(facts)
    assert advice["evidence"][0]["value"] == 2000
    assert advice["evidence"][0]["source"] == "measured in 1000 s of 2 processes"


@pytest.mark.parametrize("report", [{}, {"settings": 3}, [], "text", {"performance_summary": None}])
def test_what_is_no_report_is_refused_with_the_way_to_make_one(report):
    with pytest.raises(InvalidInputError, match=r"json\.dump\(secrets\.get_performance_report"):
        facts_of([report])


def test_a_manager_lists_the_versions_of_what_it_reads_and_of_nothing_else(cloud):
    for _ in range(10):
        cloud.put("db", b"x")
    cloud.put("other", b"x")
    for number in range(1, 5):
        gcp.call(
            "secret_manager",
            "disable_secret_version",
            {"name": f"projects/p/secrets/db/versions/{number}"},
        )
    with OptimizedSecretManager("p") as manager:
        manager.get_secret_sync("db")
        assert manager.get_cost_recommendations(list_versions=False) == []
        (advice,) = manager.get_cost_recommendations()
        manager.get_cost_recommendations()
    assert advice["resource"] == "projects/p/secrets/db"
    assert advice["estimated_monthly_savings"] == pytest.approx(0.24)
    listed = "google.cloud.secretmanager.v1.SecretManagerService/ListSecretVersions"
    assert cloud.emulator.calls()[listed] == 1


def test_who_may_not_list_versions_gets_the_other_advice(cloud):
    cloud.put("db", b"x")
    cloud.emulator.fail(
        "google.cloud.secretmanager.v1.SecretManagerService/GetSecret", "PERMISSION_DENIED", times=1
    )
    own = OwnVersions()
    assert own.listed([("projects/p/secrets/db", None)], now=0.0) is None
    assert own.listed([("projects/p/secrets/db", None)], now=3599.0) is None
    (kept,) = own.listed([("projects/p/secrets/db", None)], now=3600.0) or ()
    assert kept.enabled == (1,)


def _resource(secret: str) -> str:
    return f"projects/p/secrets/{secret}/versions/latest"


def _polled(count: int, *, changes: int) -> AccessFacts:
    secrets = tuple(
        SecretAccess(resource=_resource(f"t{i}"), reads=9000, calls=288, version_changes=changes)
        for i in range(count)
    )
    return AccessFacts(observed_s=DAY_S, cache_ttl_s=300.0, secrets=secrets)


def _reading(version: str, kept: KeptSecret, observed_s: float = DAY_S) -> AccessFacts:
    secret = SecretAccess(
        resource=f"{kept.resource}/versions/latest", reads=9, calls=1, version_changes=0, version=version
    )
    return AccessFacts(observed_s=observed_s, cache_ttl_s=300.0, secrets=(secret,), kept=(kept,))
