"""Sessions, samplers and findings of the profiler."""

from ..config.profiler import ProfilerConfig
from .profiler import PerformanceProfiler

__all__ = ["PerformanceProfiler", "ProfilerConfig"]
