"""Step 3 of the workflow: from metrics of a Cloud Run service to a plan.

The metrics are typed in here, as one would copy them from a console; ``monitor`` hands over measured ones.
"""

import asyncio

from core.performance import PerformanceOptimizer

METRICS = {
    "request_count": 1_200_000,
    "p50_latency_ms": 120.0,
    "p95_latency_ms": 900.0,
    "p99_latency_ms": 2400.0,
    "cpu_utilization": 0.12,
    "memory_utilization": 0.2,
    "error_rate": 0.004,
    "instance_count": 6,
    "cold_start_rate": 0.08,
}


async def main() -> None:
    with PerformanceOptimizer() as optimizer:
        found = await optimizer.analyze_service_performance(
            service_name="orders", service_type="cloud_run", metrics=METRICS
        )
        for advice in found:
            saving = f"{advice.saving.expected} a month" if advice.saving else "no amount can be told"
            print(f"- {advice.title}: {advice.effort_hours:g} h, {saving}")
        plan = optimizer.generate_optimization_plan(
            max_recommendations=5, max_total_effort_hours=16, prioritize_quick_wins=True
        )
    print(f"plan: {len(plan['selected_recommendations'])} recommendations, ", end="")
    print(f"{plan['summary']['total_implementation_hours']} hours")


if __name__ == "__main__":
    asyncio.run(main())
