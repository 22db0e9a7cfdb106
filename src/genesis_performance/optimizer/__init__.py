"""Service analysis, recommendations with their savings, and the plan that fits the hours."""

from .optimizer import PerformanceOptimizer, ServiceAnalysis
from .plan import NotSelected, OptimizationPlan, PlanSummary

__all__ = ["NotSelected", "OptimizationPlan", "PerformanceOptimizer", "PlanSummary", "ServiceAnalysis"]
