"""Several secrets in one batch, then from the cache, and what that brought."""

import asyncio

from local_cloud import local_cloud

from core.performance import OptimizedSecretManager

NAMES = ["database-password", "api-key", "encryption-key"]


async def main(project: str) -> None:
    async with OptimizedSecretManager(project) as secrets:
        for _ in range(5):
            payloads = await secrets.get_secrets(NAMES)
        print("read:", ", ".join(f"{name} ({len(payload)} characters)" for name, payload in payloads.items()))
        summary = secrets.get_performance_report()["performance_summary"]
        print(f"from the cache: {summary['cache_hit_rate']:.0%}")
        for advice in secrets.get_cost_recommendations():
            print(f"{advice['title']}: {advice['estimated_monthly_savings']:.2f} USD a month")


if __name__ == "__main__":
    with local_cloud(database_password="a", api_key="bb", encryption_key="ccc") as cloud_project:
        asyncio.run(main(cloud_project))
