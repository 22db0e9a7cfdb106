"""Recording metrics, alert policies and incidents."""

from .handles import Counter, Distribution, Gauge
from .health import MonitorHealth
from .monitor import PerformanceMonitor

__all__ = ["Counter", "Distribution", "Gauge", "MonitorHealth", "PerformanceMonitor"]
