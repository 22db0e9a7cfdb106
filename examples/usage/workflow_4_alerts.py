"""Step 4 of the workflow: alerts for response time and errors, and the incidents they open."""

from local_cloud import local_cloud
from orders import count_orders

from core.performance import PerformanceMonitor, PerformanceProfiler


def main(project: str) -> None:
    profiler = PerformanceProfiler()
    with PerformanceMonitor(gcp_project_id=project, service_name="orders") as monitor:
        monitor.start()  # from here on the profiler's operations are sent
        for _ in range(5):
            with profiler.profile_context("count_orders"):
                count_orders()
        monitor.flush()
        slow = monitor.create_response_time_alert(
            service_name="orders",
            threshold_ms=0.01,  # so low that the example opens an incident
        )
        failing = monitor.create_error_rate_alert(service_name="orders", threshold_percent=2.0)
        print("policies:", slow.display_name, "and", failing.display_name)
        for _ in range(5):
            with profiler.profile_context("count_orders"):
                count_orders()
        incidents = monitor.check_performance_thresholds()
        for incident in incidents:
            print(f"incident: {incident.alert_name} at {incident.current_value:.2f} {incident.unit}")
        print(f"{len(incidents)} open")


if __name__ == "__main__":
    with local_cloud() as cloud_project:
        main(cloud_project)
