"""Parts with settings of their own: a profiler, a benchmark with targets, a Secret Manager client."""

import asyncio

from local_cloud import local_cloud
from orders import count_orders

from core.performance import (
    BenchmarkConfig,
    CacheStrategy,
    OptimizedSecretManager,
    PerformanceBenchmarks,
    PerformanceProfiler,
    ProfilerConfig,
)


async def main(project: str) -> None:
    profiler = PerformanceProfiler(
        ProfilerConfig(
            sampling_interval=0.05,
            cpu_threshold_percent=70.0,
            memory_threshold_percent=80.0,
            response_time_threshold_ms=250.0,
        )
    )
    with profiler.profile_context("warm_up"):
        count_orders()

    benchmarks = PerformanceBenchmarks()
    benchmarks.register_benchmark(
        BenchmarkConfig(
            benchmark_name="count_orders",
            target_function=count_orders,
            measurement_iterations=20,
            target_avg_ms=200.0,
            target_p95_ms=300.0,
        )
    )
    result = await benchmarks.run_benchmark("count_orders")
    print(f"count_orders: median {result.median_ms:.2f} ms, grade {result.performance_grade}")

    async with OptimizedSecretManager(project, strategy=CacheStrategy.LRU, cache_ttl_s=60) as secrets:
        secrets.start_optimization()  # used entries are refreshed before they run out
        print(f"api-key has {len(await secrets.get_secret('api-key'))} characters")


if __name__ == "__main__":
    with local_cloud(api_key="not-a-real-key") as cloud_project:
        asyncio.run(main(cloud_project))
