"""What a month cost, and budgets with their alerts. Reads sample data beside this file."""

import asyncio
from pathlib import Path

from local_cloud import local_cloud

from core.performance import CostOptimizationMonitor

SAMPLE = Path(__file__).parent / "data" / "billing_sample.csv"


async def main(project: str) -> None:
    monitor = CostOptimizationMonitor(project_id=project, billing_export=str(SAMPLE))
    analysis = await monitor.analyze_monthly_costs()
    print(f"{analysis.invoice_month}: {analysis.total_cost:.2f} USD net (sample data)")
    for line in analysis.by_service:
        print(f"  {line.key:<16} {line.net:>8.2f}  {line.share:.0%}")
    print(f"could save {analysis.total_potential_savings:.2f} USD a month")
    for alert in monitor.create_budget_alert("Cloud Run", monthly_budget=50.0):
        spent = "nothing billed yet this month" if alert.current_spend is None else alert.current_spend
        print(f"  budget at {alert.threshold_percent:g} %, {alert.threshold_amount}: {spent}")


if __name__ == "__main__":
    with local_cloud() as cloud_project:
        asyncio.run(main(cloud_project))
