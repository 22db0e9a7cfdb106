"""Money adds up exactly, and never across currencies."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genesis_performance.model.money import Money

AMOUNTS = st.decimals(-(10**12), 10**12, places=6)


@given(st.lists(AMOUNTS, min_size=1, max_size=30))
def test_a_sum_is_exact(amounts: list[Decimal]) -> None:
    total = Money(Decimal(0))
    for amount in amounts:
        total += Money(amount)
    assert total.amount == sum(amounts)


def test_a_difference_and_a_multiple_keep_the_currency() -> None:
    assert Money(Decimal(3), "EUR") - Money(Decimal(1), "EUR") == Money(Decimal(2), "EUR")
    assert Money(Decimal(3), "EUR") * 2 == Money(Decimal(6), "EUR")
    assert -Money(Decimal(3), "EUR") == Money(Decimal(-3), "EUR")


def test_currencies_do_not_mix() -> None:
    with pytest.raises(ValueError, match="conversion rate"):
        _ = Money(Decimal(1), "EUR") + Money(Decimal(1), "USD")


def test_amounts_compare_within_a_currency() -> None:
    assert Money(Decimal(1)) < Money(Decimal(2))
    assert Money(Decimal(2)) <= Money(Decimal(2))


def test_a_format_gives_the_amount_and_text_the_currency() -> None:
    assert f"{Money(Decimal('1.005')):.2f}" in {"1.00", "1.01"}
    assert f"{Money(Decimal('1234.5'))}" == "1,234.50 USD"
    assert float(Money(Decimal("0.5"))) == 0.5
