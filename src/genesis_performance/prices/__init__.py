"""Dated list prices with tiers and free tiers; an unknown price is an error, never 0.00."""

from .price import Price, PriceTier
from .snapshot import cost_of, known_prices, unit_price

__all__ = ["Price", "PriceTier", "cost_of", "known_prices", "unit_price"]
