"""Baselines, verdicts, change points and the gate."""

from .detector import RegressionDetector

__all__ = ["RegressionDetector"]
