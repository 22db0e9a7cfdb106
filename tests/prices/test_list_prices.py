"""List prices: the units, the tiers and the free tiers are those of the price pages."""

from __future__ import annotations

import math
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genesis_performance.errors import InvalidInputError, UnknownNameError
from genesis_performance.prices import cost_of, known_prices, unit_price


def test_an_access_costs_three_cents_per_ten_thousand_not_three_cents() -> None:
    assert unit_price("secretmanager.access").amount == Decimal("0.000003")
    # The unit trap: fourteen million accesses cost 42 dollars, not 420,000.
    assert cost_of("secretmanager.access", 14_000_000, free_tier=False).amount == Decimal(42)


@pytest.mark.parametrize(
    ("key", "amount", "dollars"),
    [  # Infracost's golden prices, which apply no free tier
        ("secretmanager.version", 10_000, "600.00"),
        ("secretmanager.access", 20_000, "0.06"),
        ("secretmanager.rotation", 100, "5.00"),
        ("secretmanager.version", 3_000, "180.00"),
    ],
)
def test_secret_manager_agrees_with_an_independent_price_list(key: str, amount: int, dollars: str) -> None:
    assert cost_of(key, amount, free_tier=False).amount == Decimal(dollars)


@pytest.mark.parametrize(
    ("key", "amount", "dollars"),
    [
        ("run.request.cpu", 1_800_000, "60.48"),
        ("run.request.memory", 900_000, "3.15"),
        ("run.request.requests", 500_000, "0.20"),
        ("run.instance.cpu", 1_314_000, "28.38"),
        ("run.instance.memory", 657_000, "1.58"),
    ],
)
def test_cloud_run_tier_2_agrees_with_an_independent_price_list(key: str, amount: int, dollars: str) -> None:
    cost = cost_of(key, amount, free_tier=False, region="europe-west3")
    assert round(cost.amount, 2) == Decimal(dollars)


def test_the_free_tier_is_not_charged() -> None:
    assert cost_of("secretmanager.access", 10_000).amount == 0
    assert cost_of("secretmanager.access", 20_000).amount == Decimal("0.03")
    assert cost_of("secretmanager.version", 7).amount == Decimal("0.06")


def test_cloud_runs_free_tier_is_money_at_tier_1_prices() -> None:
    free = Decimal(180_000) * Decimal("0.000024")
    gross = Decimal(1_000_000) * Decimal("0.0000336")
    assert cost_of("run.request.cpu", 1_000_000, region="europe-west3").amount == gross - free


def test_each_tier_is_charged_at_its_own_price() -> None:
    cost = cost_of("monitoring.custom_metric_mib", 300_000)
    expected = (
        Decimal(100_000 - 150) * Decimal("0.258")
        + Decimal(150_000) * Decimal("0.151")
        + Decimal(50_000) * Decimal("0.061")
    )
    assert cost.amount == expected


def test_an_unknown_key_is_an_error_with_the_nearest_key() -> None:
    with pytest.raises(UnknownNameError, match=r"did you mean 'secretmanager\.access'"):
        unit_price("secretmanager.acces")


def test_an_unknown_region_is_an_error_and_not_the_cheapest_price() -> None:
    with pytest.raises(UnknownNameError, match="atlantis-1"):
        unit_price("run.request.cpu", region="atlantis-1")


def test_a_price_without_regions_takes_any_region() -> None:
    assert unit_price("secretmanager.access", region="europe-west3").region is None


@pytest.mark.parametrize("amount", [-1, math.nan, math.inf, Decimal("NaN"), True, "many"])
def test_an_impossible_amount_is_an_error(amount: object) -> None:
    with pytest.raises(InvalidInputError, match=r"secretmanager\.access"):
        cost_of("secretmanager.access", amount)  # type: ignore[arg-type]


def test_a_price_older_than_ninety_days_says_so() -> None:
    price = unit_price("secretmanager.access")
    assert price.notes(price.as_of) == ()
    assert "93 days old" in price.notes(date.fromordinal(price.as_of.toordinal() + 93))[0]


def test_the_basis_names_source_and_date() -> None:
    basis = unit_price("secretmanager.access").basis
    assert "0.000003 USD per access operation" in basis
    assert "https://cloud.google.com/secret-manager/pricing" in basis
    assert "2026-" in basis


@pytest.mark.parametrize("key", known_prices())
def test_every_price_is_positive_dated_and_sourced(key: str) -> None:
    price = unit_price(key)
    assert price.amount > 0
    assert price.source.startswith("https://")
    assert price.tiers[0].start == 0
    assert [tier.start for tier in price.tiers] == sorted({tier.start for tier in price.tiers})
    if price.free_tier_amount:
        assert price.free_tier_scope


@given(
    key=st.sampled_from(known_prices()),
    amounts=st.lists(st.decimals(0, 10**13, places=3), min_size=2, max_size=2),
)
def test_more_never_costs_less(key: str, amounts: list[Decimal]) -> None:
    low, high = sorted(amounts)
    assert cost_of(key, low) <= cost_of(key, high)
    assert cost_of(key, high) <= cost_of(key, high, free_tier=False)
