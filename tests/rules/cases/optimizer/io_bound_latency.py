"""Cases of the rule io-bound-latency."""

from genesis_performance.optimizer.facts import ServiceFacts

_SHOP = {"service_name": "shop", "service_type": "cloud_run"}
FIRES = ServiceFacts(**_SHOP, p95_latency_ms=1200.0, target_latency_ms=500.0, cpu_utilization=0.08, vcpu=2.0)
# One thread keeps one of four vCPUs busy: that is computing, not waiting.
QUIET = ServiceFacts(**_SHOP, p95_latency_ms=1200.0, target_latency_ms=500.0, cpu_utilization=0.25, vcpu=4.0)
