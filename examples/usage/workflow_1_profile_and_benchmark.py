"""Step 1 of the workflow: profile an operation and benchmark it against its targets."""

import asyncio

from orders import count_orders, count_orders_async

from core.performance import BenchmarkConfig, PerformanceBenchmarks, PerformanceProfiler


async def main() -> None:
    profiler = PerformanceProfiler()
    with profiler.profile_context("count_orders"):
        print(await count_orders_async(), "orders above average")

    with PerformanceBenchmarks() as benchmarks:
        benchmarks.register_benchmark(
            BenchmarkConfig(
                benchmark_name="count_orders",
                target_function=count_orders,
                measurement_iterations=20,
                target_avg_ms=0.001,  # out of reach, to show what a missed target looks like
            )
        )
        result = await benchmarks.run_benchmark("count_orders")
    if not result.meets_targets:
        print(f"missed: {', '.join(result.missed_targets)}; grade {result.performance_grade}")
        print(result.grade_reason)


if __name__ == "__main__":
    asyncio.run(main())
