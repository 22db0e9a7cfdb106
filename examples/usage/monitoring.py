"""Own metrics and an alert policy in Cloud Monitoring."""

import time

from local_cloud import local_cloud
from orders import count_orders

from core.performance import PerformanceMonitor


def main(project: str) -> None:
    with PerformanceMonitor(gcp_project_id=project, metric_prefix="orders.performance") as monitor:
        for _ in range(5):
            begin = time.perf_counter()
            count_orders()
            monitor.record_performance_metric(
                "response_time",
                (time.perf_counter() - begin) * 1000,
                labels={"service": "orders", "endpoint": "/orders", "environment": "staging"},
            )
        print("metrics written:", monitor.flush())
        alert = monitor.create_response_time_alert("orders", threshold_ms=400, environment="staging")
        print("policy:", alert.resource_name)


if __name__ == "__main__":
    with local_cloud() as cloud_project:
        main(cloud_project)
