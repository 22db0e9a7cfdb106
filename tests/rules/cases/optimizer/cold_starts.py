"""Cases of the rule cold-starts."""

from genesis_performance.optimizer.facts import ServiceFacts

_SHOP = {"service_name": "shop", "service_type": "cloud_run", "request_count": 10_000.0}
FIRES = ServiceFacts(**_SHOP, cold_start_rate=0.08, startup_latency_ms=2400.0, vcpu=1.0, memory_gib=0.5)
QUIET = ServiceFacts(**_SHOP, cold_start_rate=0.002)
