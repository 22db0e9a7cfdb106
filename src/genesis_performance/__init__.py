"""Genesis Performance: measure, detect, explain, recommend, verify, pay less.

The same objects are importable from ``core.performance``. Every name is loaded on first use, so that
importing the package costs a cold start next to nothing.

PYTEST_DONT_REWRITE: ``genesis-perf profile run -m pytest`` loads this package before pytest would rewrite it,
which pytest warns of otherwise.
"""

from importlib import import_module

TYPE_CHECKING = False  # typing itself would cost as much as all the rest of this import
if TYPE_CHECKING:
    from typing import Any

    from .benchmarks import BenchmarkConfig, PerformanceBenchmarks
    from .config.profiler import ProfilerConfig
    from .config.secret_manager import CacheStrategy
    from .cost import CostOptimizationMonitor
    from .errors import GenesisPerformanceError
    from .model.advice import Finding, OptimizationRecommendation
    from .model.alert import PerformanceAlert, PerformanceIncident
    from .model.benchmark import BenchmarkResult
    from .model.change import Baseline, RegressionResult, Verdict
    from .model.cost import CostAlert, CostAnalysis
    from .model.money import Money
    from .model.profile import ProfileReport
    from .monitor import PerformanceMonitor
    from .monitor.dashboards import PerformanceDashboard
    from .operations import current_operation, note_call
    from .optimizer import PerformanceOptimizer
    from .profiler import PerformanceProfiler
    from .regression import RegressionDetector
    from .runtime import Runtime
    from .secrets import OptimizedSecretManager

_HOMES = {
    "Baseline": "model.change",
    "BenchmarkConfig": "benchmarks",
    "BenchmarkResult": "model.benchmark",
    "CacheStrategy": "config.secret_manager",
    "CostAlert": "model.cost",
    "CostAnalysis": "model.cost",
    "CostOptimizationMonitor": "cost",
    "Finding": "model.advice",
    "GenesisPerformanceError": "errors",
    "Money": "model.money",
    "OptimizationRecommendation": "model.advice",
    "OptimizedSecretManager": "secrets",
    "PerformanceAlert": "model.alert",
    "PerformanceBenchmarks": "benchmarks",
    "PerformanceDashboard": "monitor.dashboards",
    "PerformanceIncident": "model.alert",
    "PerformanceMonitor": "monitor",
    "PerformanceOptimizer": "optimizer",
    "PerformanceProfiler": "profiler",
    "ProfileReport": "model.profile",
    "ProfilerConfig": "config.profiler",
    "RegressionDetector": "regression",
    "RegressionResult": "model.change",
    "Runtime": "runtime",
    "Verdict": "model.change",
    "current_operation": "operations",
    "note_call": "operations",
}

_EXTENSION = ("load_ipython_extension", "unload_ipython_extension")  # what %load_ext looks for

__all__ = [
    "Baseline",
    "BenchmarkConfig",
    "BenchmarkResult",
    "CacheStrategy",
    "CostAlert",
    "CostAnalysis",
    "CostOptimizationMonitor",
    "Finding",
    "GenesisPerformanceError",
    "Money",
    "OptimizationRecommendation",
    "OptimizedSecretManager",
    "PerformanceAlert",
    "PerformanceBenchmarks",
    "PerformanceDashboard",
    "PerformanceIncident",
    "PerformanceMonitor",
    "PerformanceOptimizer",
    "PerformanceProfiler",
    "ProfileReport",
    "ProfilerConfig",
    "RegressionDetector",
    "RegressionResult",
    "Runtime",
    "Verdict",
    "current_operation",
    "note_call",
]


def __getattr__(name: str) -> "Any":
    if name == "__version__":
        from importlib.metadata import version

        return version("genesis-performance")
    if name in _EXTENSION:
        return getattr(import_module(f"{__name__}.integrations.jupyter"), name)
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
