"""Sessions, samplers and findings of the profiler."""

from .profiler import PerformanceProfiler

__all__ = ["PerformanceProfiler"]
