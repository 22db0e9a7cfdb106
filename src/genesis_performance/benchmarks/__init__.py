"""Measure, calibrate and compare functions."""

from .benchmarks import PerformanceBenchmarks
from .config import BenchmarkConfig

__all__ = ["BenchmarkConfig", "PerformanceBenchmarks"]
