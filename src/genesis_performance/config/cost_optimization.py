"""Settings of the cost analysis."""

from __future__ import annotations

from typing import ClassVar

from .section import NotNegative, Section


class CostOptimizationSection(Section, frozen=True, kw_only=True):
    """Where the bill is read and what is worth telling.

    Args:
        enable_analysis: False makes the analysis refuse to run.
        monthly_budget_alerts: budgets may be created.
        savings_threshold: US dollars a month below which a recommendation is left out.
        billing_export: a file, a glob of CSV, JSON or Parquet files, or a BigQuery table
            ``project.dataset.table``.
    """

    NAME: ClassVar[str] = "cost_optimization"

    enable_analysis: bool = True
    monthly_budget_alerts: bool = True
    savings_threshold: NotNegative = 0.0
    billing_export: str | None = None
