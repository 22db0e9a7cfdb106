"""Cases of the rule cpu-saturated."""

from genesis_performance.optimizer.facts import ServiceFacts

_SHOP = {"service_name": "shop", "service_type": "cloud_run"}
FIRES = ServiceFacts(**_SHOP, p95_latency_ms=900.0, target_latency_ms=500.0, cpu_utilization=0.93)
QUIET = ServiceFacts(**_SHOP, p95_latency_ms=300.0, target_latency_ms=500.0, cpu_utilization=0.93)
