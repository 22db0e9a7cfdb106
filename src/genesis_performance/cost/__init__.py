"""The bill: exact totals, credits, recommendations and budgets."""

from .cost_monitor import CostOptimizationMonitor

__all__ = ["CostOptimizationMonitor"]
