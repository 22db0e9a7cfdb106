"""What a bill says: costs by dimension, opportunities to save, budget alerts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from .advice import OptimizationRecommendation
from .money import Money


@dataclass(frozen=True, slots=True, kw_only=True)
class CostLine:
    """Cost of one value of one dimension (a service, a project, a SKU)."""

    key: str
    gross: Money
    credits: Money  # negative or zero
    net: Money
    share: float  # of the total's net, 0 to 1; 0.0 when the total is 0
    previous: Money | None = None  # the same a month earlier, where the export reaches back


@dataclass(frozen=True, slots=True, kw_only=True)
class CostAnalysis:
    """One invoice month of a billing export.

    Totals are in USD by each row's own conversion rate; ``by_currency`` has the amounts as billed.
    ``total_cost`` is net of credits and equals the sum of the rows, never an estimate.
    """

    invoice_month: str  # YYYYMM
    total: Money
    gross: Money
    credits: Money
    by_currency: Mapping[str, Money]
    by_service: tuple[CostLine, ...]
    by_project: tuple[CostLine, ...]
    by_sku: tuple[CostLine, ...]
    credits_by_type: Mapping[str, Money]
    recommendations: tuple[OptimizationRecommendation, ...]
    row_count: int
    newest_usage: str  # ISO date of the newest usage row: late rows still arrive
    source: str  # the export that was read
    notes: tuple[str, ...] = ()  # unknown cost or credit types that were counted, incomplete months

    @property
    def total_cost(self) -> Decimal:
        """Net cost of the month in USD."""
        return self.total.amount

    @property
    def total_potential_savings(self) -> Decimal:
        """Sum of the expected savings of recommendations that do not exclude one another, in USD."""
        return sum((r.saving.expected.amount for r in self.recommendations if r.saving), Decimal(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class CostAlert:
    """One threshold of a budget."""

    name: str
    service_name: str
    monthly_budget: Money
    threshold_percent: float
    threshold_amount: Money
    budget_resource: str | None  # billingAccounts/A/budgets/B once created
    current_spend: Money | None  # None: no billing export to read it from
    is_exceeded: bool | None
