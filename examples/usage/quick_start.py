"""Quick start: make the parts, profile one operation, read the report."""

import asyncio

from local_cloud import local_cloud
from orders import count_orders_async

from core.performance import (
    CostOptimizationMonitor,
    OptimizedSecretManager,
    PerformanceBenchmarks,
    PerformanceMonitor,
    PerformanceOptimizer,
    PerformanceProfiler,
)


async def main(project: str) -> None:
    profiler = PerformanceProfiler()
    # Making the others costs nothing and starts nothing: they work from their first call on.
    PerformanceBenchmarks(), PerformanceOptimizer(), CostOptimizationMonitor(), OptimizedSecretManager()
    PerformanceMonitor(gcp_project_id=project)

    session = profiler.start_profiling()
    for _ in range(10):
        with profiler.profile_context("count_orders"):
            await count_orders_async()
    report = profiler.stop_profiling(session)

    print(f"{report.operation_count} operations, {report.avg_duration_ms:.2f} ms on average")
    print(f"CPU {report.avg_cpu_percent:.0f} % of one core, memory {report.max_memory_bytes / 1e6:.0f} MB")
    for finding in report.findings:
        print("finding:", finding.title)


if __name__ == "__main__":
    with local_cloud() as cloud_project:
        asyncio.run(main(cloud_project))
