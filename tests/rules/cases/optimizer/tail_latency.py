"""Cases of the rule tail-latency."""

from genesis_performance.optimizer.facts import ServiceFacts

_SHOP = {"service_name": "shop", "service_type": "cloud_run", "p50_latency_ms": 20.0}
FIRES = ServiceFacts(**_SHOP, p99_latency_ms=900.0, request_count=5000.0)
QUIET = ServiceFacts(**_SHOP, p99_latency_ms=120.0, request_count=5000.0)
